"""Descriptions of the Python that an extension is built for, for build backends that cannot run it (PEP 739)."""

from __future__ import annotations

import json
import platform
import shlex
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from everywheel.config.project import Project
from everywheel.errors import BuildError
from everywheel.platforms.architectures import find_machine_arch
from everywheel.platforms.target import Target, list_arches


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPython:
    """A CPython of the target: `version` is that of the headers in `<prefix>/include/python`, such as 3.11.9.

    With `limited_api`, extensions that support the limited API (PEP 384) are built for it; `free_threaded` means that the
    headers are those of a build without the GIL (PEP 703). `abi3t` means that the headers select the stable ABI for builds
    with and without the GIL (PEP 803), even if the build system defines no macro.
    """

    target: Target
    version: Version
    prefix: Path
    limited_api: bool = True
    free_threaded: bool = False
    abi3t: bool = False

    @property
    def headers(self) -> Path:
        """The directory that contains Python.h."""
        return self.prefix / "include" / "python"

    @property
    def import_library(self) -> Path:
        """The library that extensions for Windows are linked with: that of python3.dll, python312.dll or python314t.dll."""
        suffix = "" if self.limited_api else f"{self.version.minor}{'t' if self.free_threaded else ''}"
        return self.prefix / self.target.system.linkable.format(f"python{self.version.major}{suffix}")

    @property
    def extension_tag(self) -> str:
        """The tag in the file names of extension modules: `cpython-311-x86_64-linux-gnu`, `abi3t`."""
        if self.abi3t:
            return "abi3t"
        digits = f"{self.version.major}{self.version.minor}"
        return f"cpython-{digits}{'t' if self.free_threaded else ''}-{self.target.extension_suffix}"


def list_module_exports(project: Project) -> tuple[str, ...]:
    """Return globs of the symbols that modules may export: `PyInit_*`, the project's own, and export hooks (PEP 793)."""
    return (*project.module_exports, "PyModExport_*")


def parse_python_version(text: str) -> Version:
    """Return the version of the headers' recipe; raise BuildError for a text that is not a version (PEP 440)."""
    try:
        return Version(text)
    except InvalidVersion:
        raise _report_version(text) from None


def _report_version(text: str) -> BuildError:
    return BuildError(
        f"the version of the Python headers is incomplete: '{text}'",
        hint="set `version` in the recipe of the headers to three numbers, such as 3.11.9",
    )


def write_cross_python(python: TargetPython, interpreter: Path, workspace: Path) -> Path:
    """Write a Meson cross file whose Python reports the target's facts, and return its path.

    Meson runs the script python_info.py with a Python to get its facts. The cross file names a shell script that prints the
    facts of the target's Python for this script, and runs `interpreter` for all others.
    """
    version = f"{python.version.major}.{python.version.minor}"
    suffix, stable_suffix = python.target.system.module
    folders = {"include": "include", "platinclude": "include", "scripts": "bin", "data": ""}
    folders |= dict.fromkeys(("stdlib", "platstdlib"), f"lib/python{version}")
    folders |= dict.fromkeys(("purelib", "platlib"), f"lib/python{version}/site-packages")
    prefix, headers = str(python.prefix), str(python.headers)
    facts = {
        "variables": {"base_prefix": prefix, "prefix": prefix, "INCLUDEPY": headers},
        "paths": {**folders, "include": headers, "platinclude": headers},
        "sysconfig_paths": {name: f"{prefix}/{folder}" for name, folder in folders.items()},
        "install_paths": {name: f"/{folder}" for name, folder in folders.items()},
        "version": version,
        "platform": python.target.python_platform,
        "is_pypy": False,
        "is_venv": False,
        "link_libpython": False,
        "suffix": f".{python.extension_tag}{suffix}",
        "limited_api_suffix": stable_suffix,
        "is_freethreaded": python.free_threaded,
    }
    answer, program = workspace / "python.json", workspace / "python"
    answer.write_text(json.dumps(facts, indent=1) + "\n")
    program.write_text(
        f"#!/bin/sh\ncase $1 in *python_info.py) exec cat {shlex.quote(str(answer))} ;; esac\n"
        f'exec {shlex.quote(str(interpreter))} "$@"\n'
    )
    program.chmod(0o755)
    file = workspace / "python.ini"
    file.write_text(f"[binaries]\npython = '{program}'\n")
    return file


def write_build_details(python: TargetPython, workspace: Path) -> Path:
    """Write the target's build-details.json, for Meson's `python.build_config`, and return its path."""
    path = workspace / "build-details.json"
    path.write_text(json.dumps(describe_python(python), indent=1) + "\n")
    return path


def describe_python(python: TargetPython) -> dict[str, object]:
    """Return PEP 739's description (schema 1.0) of the target's CPython.

    Raises BuildError when the version does not have three numbers.
    """
    if str(python.version) != python.version.base_version or len(python.version.release) != 3:
        raise _report_version(str(python.version))
    major, minor, micro = python.version.release
    version = {"major": major, "minor": minor, "micro": micro, "releaselevel": "final", "serial": 0}
    target = python.target
    soabi = python.extension_tag
    if target.os == "windows":
        soabi = f"cp{major}{minor}{'t' if python.free_threaded else ''}-{target.extension_suffix}"
    suffix, stable_suffix = target.system.module
    return {
        "schema_version": "1.0",
        "base_prefix": str(python.prefix),
        "platform": _platform(target),
        "language": {"version": f"{major}.{minor}", "version_info": version},
        "implementation": {
            "name": "cpython",
            "cache_tag": f"cpython-{major}{minor}",
            "version": version,
            "hexversion": major << 24 | minor << 16 | micro << 8 | 0xF0,
            "_multiarch": target.extension_suffix,
        },
        "abi": {
            "flags": ["t"] if python.free_threaded else [],
            "extension_suffix": f".{soabi}{suffix}",
            "stable_abi_suffix": stable_suffix,
        },
        "suffixes": {
            "source": [".py"],
            "bytecode": [".pyc"],
            "optimized_bytecode": [".pyc"],
            "debug_bytecode": [".pyc"],
            "extensions": list(dict.fromkeys((f".{soabi}{suffix}", stable_suffix, suffix))),
        },
        "libpython": _describe_libpython(python),
        "c_api": {"headers": "include/python"},
    }


def _platform(target: Target) -> str:
    if target.os != "windows":
        return target.python_platform
    # Meson rejects a Windows Python whose processor differs from the build machine's.
    machine = find_machine_arch(platform.machine())
    return f"win-{next((name for name, arch in list_arches('windows').items() if arch == machine), 'amd64')}"


def _describe_libpython(python: TargetPython) -> dict[str, object]:
    # Extensions for Linux and macOS must not be linked to libpython (PEP 513); those for Windows are linked to a DLL.
    if python.target.os != "windows":
        return {"link_extensions": False}
    # Meson 1.12 also reads two names that are not in PEP 739.
    names = ("dynamic_stableabi", "dynamic-stableabi")
    stable = str(python.prefix / python.target.system.linkable.format("python3"))
    return {"link_extensions": True, "dynamic": str(python.import_library), **dict.fromkeys(names, stable)}
