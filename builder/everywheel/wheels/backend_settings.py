"""Config settings (PEP 517) by which build backends cross-compile: cross files, toolchain files and the target's Python."""

from __future__ import annotations

from pathlib import Path

from everywheel.config.build_backend import BuildBackend
from everywheel.toolchains.toolchain import Toolchain
from everywheel.wheels.target_python import TargetPython, write_build_details, write_cross_python

Settings = dict[str, str | list[str]]


def choose_settings(
    backend: BuildBackend, python: TargetPython, toolchain: Toolchain, workspace: Path, own: Settings, interpreter: Path
) -> Settings:
    """Return the settings for a backend; those of the project, `own`, override ours or are appended to our lists."""
    match backend.module:
        case "mesonpy":
            settings = _meson_settings(python, toolchain, workspace, interpreter)
        case "scikit_build_core.build":
            settings = _scikit_build_settings(python, toolchain, workspace)
        case _:
            settings = {}
    for name, value in own.items():
        ours = settings.get(name)
        settings[name] = [*ours, *([value] if isinstance(value, str) else value)] if isinstance(ours, list) else value
    return settings


def _meson_settings(python: TargetPython, toolchain: Toolchain, workspace: Path, interpreter: Path) -> Settings:
    if python.target.os == "darwin":  # for which Meson does not read `python.build_config`
        description = f"--cross-file={write_cross_python(python, interpreter, workspace)}"
    else:
        description = f"-Dpython.build_config={write_build_details(python, workspace)}"
    return {
        "build-dir": str(workspace / "build"),
        "setup-args": [
            f"--cross-file={toolchain.cross_file}",
            f"--native-file={toolchain.native_file}",
            description,
            f"-Dpython.allow_limited_api={str(python.limited_api).lower()}",
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
