"""The directory of a workspace that replaces the target's Python: `sysconfig`, a program `python`, and links.

Every Python of the build has the directory in PYTHONPATH. It contains the module of `target_sysconfig`, and `target_view` as
`sitecustomize`, which changes only the Python of the build requirements.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from everywheel.platforms.target import Target
from everywheel.toolchains.cmake_file import render_dependent_file
from everywheel.toolchains.toolchain import TARGET_PACKAGES, Toolchain
from everywheel.toolchains.virtual_env import python_name, site_packages
from everywheel.wheels import target_view
from everywheel.wheels.build_details import name_platform
from everywheel.wheels.target_python import TargetPython
from everywheel.wheels.target_sysconfig import PLATFORMS, describe_sysconfig, name_sysconfig, render_sysconfig

# The values of `platform.system()` and `platform.release()`.
_SYSTEMS: Mapping[str, tuple[str, str]] = {
    "linux": ("Linux", "5.10.0"),
    "darwin": ("Darwin", ""),
    "windows": ("Windows", "10"),
}

# Projects with the policies of CMake 4.1 or newer could only search an interpreter that an emulator runs. Ours runs on the
# build machine (https://cmake.org/cmake/help/latest/policy/CMP0190.html).
_PROJECT_FILE = "if(POLICY CMP0190)\n  cmake_policy(SET CMP0190 OLD)\nendif()\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFolder:
    """The written directory.

    `variables` are the environment variables with which Python finds the target's values. `program` runs the Python of the
    build requirements with them, and answers Meson's introspection for the target. `meson_file` is a cross file for Meson,
    and `cmake_file` a toolchain file for CMake, which makes each `project` include `project.cmake`; both also name what the
    build requirements contain.
    """

    variables: Mapping[str, str]
    program: Path
    meson_file: Path
    cmake_file: Path


def write_target_folder(
    python: TargetPython, toolchain: Toolchain, interpreter: Path, workspace: Path, *, show_project: bool
) -> TargetFolder:
    """Write the directory `<workspace>/target-python`; `interpreter` is the Python of the build requirements.

    With `show_project`, the code of the project sees the target, not the build machine.
    """
    path = workspace / "target-python"
    shutil.rmtree(path, ignore_errors=True)
    (path / "include").mkdir(parents=True)
    # sysconfig's paths have the version of the running Python in their names.
    running = python_name(interpreter.parent.parent).removesuffix("t")
    for flags in ("", "t"):
        (path / "include" / f"{running}{flags}").symlink_to(python.headers)
    name = name_sysconfig(python)
    (path / f"{name}.py").write_text(render_sysconfig(describe_sysconfig(python, toolchain)))
    shutil.copyfile(target_view.__file__, path / "sitecustomize.py")
    source = workspace / "source" if show_project else None
    _write_json(path / "target.json", describe_target(python, interpreter, source))
    _link_libraries(python, path)
    packages = [folder for folder in [workspace / TARGET_PACKAGES] if folder.is_dir()]
    search = [str(path), *map(str, packages), *filter(None, [toolchain.environment.get("PYTHONPATH")])]
    folder = TargetFolder(
        variables={"_PYTHON_SYSCONFIGDATA_NAME": name, "PYTHONPATH": os.pathsep.join(search)},
        program=path / "bin" / "python",
        meson_file=path / "python.ini",
        cmake_file=path / "toolchain.cmake",
    )
    _write_json(path / "python_info.json", describe_meson_python(python, path))
    folder.program.parent.mkdir()
    folder.program.write_text(_render_program(path / "python_info.json", folder.variables, interpreter))
    folder.program.chmod(0o755)
    folder.meson_file.write_text(_render_meson_file(folder.program, interpreter))
    folders = [*packages, site_packages(interpreter.parent.parent)]
    (path / "project.cmake").write_text(_PROJECT_FILE)
    include = f'if(NOT CMAKE_PROJECT_INCLUDE)\n  set(CMAKE_PROJECT_INCLUDE "{path / "project.cmake"}")\nendif()\n'
    folder.cmake_file.write_text(render_dependent_file(toolchain, *folders) + include)
    return folder


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _render_meson_file(program: Path, interpreter: Path) -> str:
    """Return a cross file with the target's Python and with the programs that describe headers of build requirements.

    Meson looks for programs such as `numpy-config` only in the cross file.
    """
    programs = {"python": program, "python3": program}
    programs |= {path.name: path for path in sorted(interpreter.parent.glob("*-config"))}
    return "[binaries]\n" + "".join(f"{name} = '{path}'\n" for name, path in programs.items())


def describe_target(python: TargetPython, interpreter: Path, source: Path | None) -> dict[str, object]:
    """Return the content of target.json: what `target_view` shows to the code in `source`, if there is one."""
    target, version = python.target, python.version
    system, release = _SYSTEMS[target.os]
    suffixes = (python.extension_suffix, target.system.module[1], target.system.module[0])
    if target.os == "darwin":
        release = f"{target.os_version[1] + 4 if target.os_version[0] == 10 else target.os_version[0] + 9}.0.0"
    return {
        "prefix": str(interpreter.parent.parent),
        "source": "" if source is None else str(source),
        "sys": {
            "platform": PLATFORMS[target.os],
            "byteorder": target.arch.endian,
            "maxsize": 2 ** (target.arch.bits - 1) - 1,
            "abiflags": python.abi_flags,
            "version": f"{version} (main)",
            "version_info": [*version.release, "final", 0],
            "hexversion": version.major << 24 | version.minor << 16 | version.micro << 8 | 0xF0,
        },
        "version": str(version),
        "system": system,
        "release": release,
        "machine": name_machine(target),
        "macos": ".".join(map(str, target.os_version)) if target.os == "darwin" else "",
        "bits": target.arch.bits,
        "suffixes": list(dict.fromkeys(suffixes)),
    }


def name_machine(target: Target) -> str:
    """Return the value of `platform.machine()` on the target."""
    return target.arch_tag.upper() if target.os == "windows" else target.arch_tag


def describe_meson_python(python: TargetPython, base_prefix: Path) -> dict[str, object]:
    """Return the facts that Meson gets by running its python_info.py with a Python.

    Meson searches for the import libraries of Windows in `<base_prefix>/libs`.
    """
    series, target = python.series, python.target
    prefix, headers = str(python.prefix), str(python.headers)
    folders = {"include": "include", "platinclude": "include", "scripts": "bin", "data": ""}
    folders |= dict.fromkeys(("stdlib", "platstdlib"), f"lib/python{series}")
    folders |= dict.fromkeys(("purelib", "platlib"), f"lib/python{series}/site-packages")
    return {
        "variables": {
            "base_prefix": str(base_prefix),
            "prefix": prefix,
            "INCLUDEPY": headers,
            "EXT_SUFFIX": python.extension_suffix,
            "ABIFLAGS": python.abi_flags,
            "py_version_nodot": series.replace(".", ""),
            "py_version_short": series,
        },
        "paths": {**folders, "include": headers, "platinclude": headers},
        "sysconfig_paths": {name: f"{prefix}/{folder}" for name, folder in folders.items()},
        "install_paths": {name: f"/{folder}" for name, folder in folders.items()},
        "version": series,
        "platform": name_platform(target),
        "is_pypy": False,
        "is_venv": False,
        "link_libpython": target.os == "windows",
        "suffix": python.extension_suffix,
        "limited_api_suffix": target.system.module[1],
        "is_freethreaded": python.free_threaded,
    }


def _link_libraries(python: TargetPython, path: Path) -> None:
    """Link to the import libraries of Windows by the names under which Meson and CMake search for them."""
    library = python.import_library
    if library is None or not library.exists():
        return
    digits = f"{python.version.major}{python.version.minor}{python.abi_flags}"
    (path / "libs").mkdir()
    for name in (f"python{python.version.major}", f"python{digits}"):
        file = python.prefix / python.target.system.linkable.format(name)
        if not file.exists():
            file = library
        (path / "libs" / f"{name}.lib").symlink_to(file)
    # Meson on Linux looks for a library with the name that it has there.
    link = python.prefix / python.target.system.linkable.format(f"python{python.series}{python.abi_flags}")
    if not link.exists():
        link.symlink_to(library)


def _render_program(facts: Path, variables: Mapping[str, str], interpreter: Path) -> str:
    """Return the program `python`; build files may run it with folders of their own in PYTHONPATH.

    It runs no utility, since not every machine has `cat`.
    """
    inherited = {"PYTHONPATH": "${PYTHONPATH:+:$PYTHONPATH}"}
    assignments = "\n".join(
        f"export {name}={shlex.quote(value)}{inherited.get(name, '')}" for name, value in variables.items()
    )
    return f"""#!/bin/sh
case $1 in
  *python_info.py)
    while read -r line; do printf '%s\\n' "$line"; done <{shlex.quote(str(facts))}
    exit
    ;;
esac
{assignments}
exec {shlex.quote(str(interpreter))} "$@"
"""
