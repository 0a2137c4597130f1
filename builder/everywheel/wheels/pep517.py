"""Building an extension's wheel: any PEP 517 backend, in an environment that the caller made, for another machine."""

from __future__ import annotations

import json
import platform
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pyproject_hooks import BuildBackendHookCaller

from everywheel.config.project import extension_files
from everywheel.config.toml_reader import read_toml
from everywheel.errors import BuildError, UsageError
from everywheel.execution.process import run_logged
from everywheel.platforms.architectures import find_machine_arch
from everywheel.platforms.target import Target, list_arches

# PEP 517: what a pyproject.toml without a [build-system] table means.
_OLD_REQUIRES = ("setuptools>=40.8.0",)
_OLD_BACKEND = "setuptools.build_meta:__legacy__"

Settings = dict[str, str | list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelBuild:
    """What a build of the extension takes.

    `source` is the extension's folder, which is only read; `workspace` gets a copy of it and all that the build makes.
    `python` is the interpreter of an environment with the build requirements, `python_version` that of the headers in
    `<prefix>/include/python`, which are those of a `free_threaded` one or not; with `limited_api` an extension that keeps
    to the limited API is built so. `environment` is all that the backend sees of this machine (PATH, CC, PKG_CONFIG …).
    """

    target: Target
    source: Path
    workspace: Path
    prefix: Path
    python: Path
    python_version: str
    limited_api: bool = True
    free_threaded: bool = False
    cross_file: Path
    native_file: Path
    cmake_file: Path
    environment: Mapping[str, str]
    log: Path
    label: str = ""
    settings: Settings = field(default_factory=dict)

    @property
    def what(self) -> str:
        return f"{self.label or self.source.name} for {self.target.tag}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildBackend:
    """The [build-system] table of a pyproject.toml."""

    requires: tuple[str, ...]
    backend: str
    path: tuple[str, ...]


def read_build_system(source: Path) -> BuildBackend:
    """Return what builds a project, and what must be installed before its backend can be asked for more.

    Raises UsageError when there is no pyproject.toml or its table is wrong.
    """
    table = read_toml(source / "pyproject.toml").table("build-system", {})
    return BuildBackend(
        requires=table.texts("requires", list(_OLD_REQUIRES)),
        backend=table.text("build-backend", _OLD_BACKEND),
        path=table.texts("backend-path"),
    )


def ask_requirements(build: WheelBuild) -> tuple[str, ...]:
    """Return what the backend asks for beyond its static requirements; these must be installed already."""
    copy_source(build)
    return tuple(_hooks(build).get_requires_for_build_wheel(choose_settings(build)))


def build_wheel(build: WheelBuild) -> Path:
    """Build the wheel and return where it is; it still has the tag that the backend gave it.

    Raises BuildError when the backend fails, UsageError when pyproject.toml is wrong.
    """
    copy_source(build)
    results = build.workspace / "dist"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    return results / str(_hooks(build).build_wheel(str(results), choose_settings(build)))


def copy_source(build: WheelBuild) -> Path:
    """Copy the extension into the workspace, under a name that is the same on every machine."""
    copy = _source(build)
    shutil.rmtree(copy, ignore_errors=True)
    for path in extension_files(build.source):
        place = copy / path.relative_to(build.source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        place.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    return copy


def _source(build: WheelBuild) -> Path:
    return build.workspace / "source"


def _hooks(build: WheelBuild) -> BuildBackendHookCaller:
    system = read_build_system(build.source)

    def call(cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        run_logged(
            cmd,
            cwd=Path(cwd) if cwd else _source(build),
            env={**_environment(build), **(extra_environ or {})},
            log=build.log,
            what=f"{build.what}: {system.backend}",
        )

    try:
        return BuildBackendHookCaller(str(_source(build)), system.backend, system.path or None, call, str(build.python))
    except ValueError as error:  # a backend-path that leaves the project
        raise UsageError(f"{build.source / 'pyproject.toml'}: {error}") from None


def _environment(build: WheelBuild) -> dict[str, str]:
    """Return the environment: setuptools and sysconfig take the platform's name from _PYTHON_HOST_PLATFORM.

    meson-python takes the version of macOS from MACOSX_DEPLOYMENT_TARGET, as do Apple's compilers.
    """
    floor = {"MACOSX_DEPLOYMENT_TARGET": ".".join(map(str, build.target.os_version))}
    mac = floor if build.target.os == "darwin" else {}
    return {"_PYTHON_HOST_PLATFORM": build.target.python_platform, **mac, **build.environment}


def choose_settings(build: WheelBuild) -> Settings:
    """Return the config settings for the backend: cross files for the two that take them, the caller's own for all.

    Where both have a list of one name, the caller's comes after ours.
    """
    backend = read_build_system(build.source).backend.partition(":")[0]
    settings: Settings = {}
    if backend == "mesonpy":
        if build.target.os == "darwin":  # for which Meson takes no build_config
            python = f"--cross-file={write_python(build)}"
        else:
            python = f"-Dpython.build_config={write_build_details(build)}"
        settings = {
            "build-dir": str(build.workspace / "build"),
            "setup-args": [
                f"--cross-file={build.cross_file}",
                f"--native-file={build.native_file}",
                python,
                f"-Dpython.allow_limited_api={str(build.limited_api).lower()}",
                "-Dbuildtype=plain",
                "-Db_ndebug=true",
                "--wrap-mode=nodownload",
            ],
            "install-args": ["--skip-subprojects"],
        }
    elif backend == "scikit_build_core.build":
        headers = str(build.prefix / "include" / "python")
        settings = {
            "build-dir": str(build.workspace / "build"),
            "cmake.build-type": "Release",
            "cmake.define.CMAKE_TOOLCHAIN_FILE": str(build.cmake_file),
            "cmake.define.CMAKE_PREFIX_PATH": str(build.prefix),
            "cmake.define.Python_INCLUDE_DIR": headers,
            "cmake.define.Python3_INCLUDE_DIR": headers,
            "cmake.define.SKBUILD_SOABI": f"{_cache_tag(build)}-{build.target.extension_suffix}",
        }
    for name, given in build.settings.items():
        ours = settings.get(name)
        settings[name] = [*ours, *([given] if isinstance(given, str) else given)] if isinstance(ours, list) else given
    return settings


def write_python(build: WheelBuild) -> Path:
    """Write a cross file that names a Python which tells Meson the target's facts, and return where it is.

    Meson learns of a Python by running a script of its own with it; that script is answered, anything else is run.
    """
    own, stable = build.target.system.module
    headers = str(build.prefix / "include" / "python")
    version = ".".join(build.python_version.split(".")[:2])
    folders = {"include": "include", "platinclude": "include", "scripts": "bin", "data": ""}
    folders |= dict.fromkeys(("stdlib", "platstdlib"), f"lib/python{version}")
    folders |= dict.fromkeys(("purelib", "platlib"), f"lib/python{version}/site-packages")
    facts = {
        "variables": {"base_prefix": str(build.prefix), "prefix": str(build.prefix), "INCLUDEPY": headers},
        "paths": {**folders, "include": headers, "platinclude": headers},
        "sysconfig_paths": {name: f"{build.prefix}/{folder}" for name, folder in folders.items()},
        "install_paths": {name: f"/{folder}" for name, folder in folders.items()},
        "version": version,
        "platform": build.target.python_platform,
        "is_pypy": False,
        "is_venv": False,
        "link_libpython": False,
        "suffix": f".{_cache_tag(build)}-{build.target.extension_suffix}{own}",
        "limited_api_suffix": stable,
        "is_freethreaded": build.free_threaded,
    }
    answer, program = build.workspace / "python.json", build.workspace / "python"
    answer.write_text(json.dumps(facts, indent=1) + "\n")
    program.write_text(
        f"#!/bin/sh\ncase $1 in *python_info.py) exec cat {shlex.quote(str(answer))} ;; esac\n"
        f'exec {shlex.quote(str(build.python))} "$@"\n'
    )
    program.chmod(0o755)
    file = build.workspace / "python.ini"
    file.write_text(f"[binaries]\npython = '{program}'\n")
    return file


def _cache_tag(build: WheelBuild) -> str:
    return f"cpython-{''.join(build.python_version.split('.')[:2])}{'t' if build.free_threaded else ''}"


def write_build_details(build: WheelBuild) -> Path:
    """Write the target's build-details.json (PEP 739), for Meson's `python.build_config`, and return where it is."""
    path = build.workspace / "build-details.json"
    details = describe_python(build.target, build.python_version, build.prefix, free_threaded=build.free_threaded)
    path.write_text(json.dumps(details, indent=1) + "\n")
    return path


def describe_python(target: Target, version: str, prefix: Path, *, free_threaded: bool = False) -> dict[str, object]:
    """Return what PEP 739 (schema 1.0) says of the target's CPython: its suffixes, and where its headers are.

    Raises BuildError when `version` is not a full one, such as 3.11.9.
    """
    numbers = version.split(".")
    if len(numbers) != 3 or not all(number.isdigit() for number in numbers):
        hint = "give the recipe of the headers a version like 3.11.9"
        raise BuildError(f"the Python headers have no full version: '{version}'", hint=hint)
    major, minor, micro = map(int, numbers)
    facts = {"major": major, "minor": minor, "micro": micro, "releaselevel": "final", "serial": 0}
    abi = f"{major}{minor}{'t' if free_threaded else ''}"
    soabi = f"{'cp' if target.os == 'windows' else 'cpython-'}{abi}-{target.extension_suffix}"
    own, stable = target.system.module
    # An extension for Linux or macOS must not link one (PEP 513); for Windows it must, and links that of the stable ABI.
    # Meson 1.12 asks for it under two names that are not PEP 739's as well.
    libpython: dict[str, object] = {"link_extensions": False}
    told_platform = target.python_platform
    if target.os == "windows":
        library = str(prefix / target.system.linkable.format("python3"))
        names = ("dynamic", "dynamic_stableabi", "dynamic-stableabi")
        libpython = {"link_extensions": True, **dict.fromkeys(names, library)}
        # It also compares the platform's processor with that of the machine that builds, and would find no Python.
        machine = find_machine_arch(platform.machine())
        told_platform = (
            f"win-{next((name for name, arch in list_arches('windows').items() if arch == machine), 'amd64')}"
        )
    return {
        "schema_version": "1.0",
        "base_prefix": str(prefix),
        "platform": told_platform,
        "language": {"version": f"{major}.{minor}", "version_info": facts},
        "implementation": {
            "name": "cpython",
            "cache_tag": f"cpython-{major}{minor}",
            "version": facts,
            "hexversion": major << 24 | minor << 16 | micro << 8 | 0xF0,
            "_multiarch": target.extension_suffix,
        },
        "abi": {
            "flags": ["t"] if free_threaded else [],
            "extension_suffix": f".{soabi}{own}",
            "stable_abi_suffix": stable,
        },
        "suffixes": {
            "source": [".py"],
            "bytecode": [".pyc"],
            "optimized_bytecode": [".pyc"],
            "debug_bytecode": [".pyc"],
            "extensions": list(dict.fromkeys((f".{soabi}{own}", stable, own))),
        },
        "libpython": libpython,
        "c_api": {"headers": "include/python"},
    }
