"""Config settings (PEP 517) for cross-compilation: cross files, toolchain files and the description of the Python."""

from __future__ import annotations

from pathlib import Path

from everywheel.config.build_backend import BuildBackend
from everywheel.toolchains.toolchain import Toolchain
from everywheel.wheels.target_python import TargetPython, write_build_details, write_cross_python

Settings = dict[str, str | list[str]]
_MESON, _SCIKIT_BUILD = "mesonpy", "scikit_build_core.build"


def has_cross_files(backend: BuildBackend) -> bool:
    """Return whether the settings name files with the target's compilers and directories; others need variables."""
    return backend.module in (_MESON, _SCIKIT_BUILD)


def choose_settings(
    backend: BuildBackend,
    python: TargetPython,
    toolchain: Toolchain,
    workspace: Path,
    project: Settings,
    interpreter: Path,
) -> Settings:
    """Return the settings for a backend: our defaults, combined with those of the project.

    A setting of the project replaces a default that is a string, and is appended to a default that is a list.
    """
    settings: Settings = {}
    if backend.module == _MESON:
        settings = _meson_settings(python, toolchain, workspace, interpreter)
    elif backend.module == _SCIKIT_BUILD:
        settings = _scikit_build_settings(python, toolchain, workspace)
    for name, value in project.items():
        default = settings.get(name)
        values = [value] if isinstance(value, str) else value
        settings[name] = [*default, *values] if isinstance(default, list) else value
    return settings


def _meson_settings(python: TargetPython, toolchain: Toolchain, workspace: Path, interpreter: Path) -> Settings:
    if python.target.os == "darwin":  # Meson does not read `python.build_config` for macOS
        description = f"--cross-file={write_cross_python(python, interpreter, workspace)}"
    else:
        description = f"-Dpython.build_config={write_build_details(python, workspace)}"
    # meson-python builds modules named `.abi3t.so` only where it runs on such a Python, and Meson has one suffix of the
    # stable ABI. Without their support of it, a module is named as the description states: the headers select the ABI.
    # https://github.com/mesonbuild/meson/issues/15637
    limited_api = python.limited_api and not python.abi3t
    return {
        "build-dir": str(workspace / "build"),
        "setup-args": [
            f"--cross-file={toolchain.cross_file}",
            f"--native-file={toolchain.native_file}",
            description,
            f"-Dpython.allow_limited_api={str(limited_api).lower()}",
            "-Dbuildtype=plain",
            "-Db_ndebug=true",
            "--wrap-mode=nodownload",
        ],
        "install-args": ["--skip-subprojects"],
    }


def _scikit_build_settings(python: TargetPython, toolchain: Toolchain, workspace: Path) -> Settings:
    return {
        "build-dir": str(workspace / "build"),
        "cmake.build-type": "Release",
        "cmake.define.CMAKE_TOOLCHAIN_FILE": str(toolchain.cmake_file),
        "cmake.define.CMAKE_PREFIX_PATH": str(python.prefix),
        "cmake.define.Python_INCLUDE_DIR": str(python.headers),
        "cmake.define.Python3_INCLUDE_DIR": str(python.headers),
        "cmake.define.SKBUILD_SOABI": python.extension_tag,
    }
