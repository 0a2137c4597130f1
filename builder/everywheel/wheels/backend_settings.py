"""Config settings (PEP 517) for cross-compilation: cross files, toolchain files and the description of the Python."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from packaging.utils import canonicalize_name

from everywheel.config.build_backend import BuildBackend
from everywheel.config.pins import PinError, parse_requirement
from everywheel.toolchains.toolchain import Toolchain
from everywheel.wheels.build_details import write_build_details
from everywheel.wheels.target_folder import TargetFolder
from everywheel.wheels.target_python import TargetPython

Settings = dict[str, str | list[str]]


class BackendFamily(StrEnum):
    """How a build backend gets compilers and directories: from files that its settings name, or from variables."""

    MESON = "mesonpy"
    SCIKIT_BUILD = "scikit_build_core.build"
    OTHER = "other"


# The distributions of the backends that a project's own backend (`backend-path`) may pass all calls to.
_DISTRIBUTIONS = {"meson-python": BackendFamily.MESON, "scikit-build-core": BackendFamily.SCIKIT_BUILD}


def find_family(backend: BuildBackend) -> BackendFamily:
    """Return the family of a backend; for a backend in the project itself, that of the backend in its requirements."""
    known = next((family for family in BackendFamily if family == backend.module), BackendFamily.OTHER)
    if known is not BackendFamily.OTHER or not backend.path:
        return known
    try:
        names = {canonicalize_name(parse_requirement(text).name) for text in backend.requires}
    except PinError:  # reported where the requirements are pinned
        return BackendFamily.OTHER
    return next((family for name, family in _DISTRIBUTIONS.items() if name in names), BackendFamily.OTHER)


def choose_settings(
    backend: BuildBackend,
    python: TargetPython,
    toolchain: Toolchain,
    workspace: Path,
    project: Settings,
    folder: TargetFolder | None,
) -> Settings:
    """Return the settings for a backend: our defaults, combined with those of the project.

    `folder` is None on a build machine that cannot run its program. A setting of the project replaces a default that is a
    string, and is appended to a default that is a list.
    """
    settings: Settings = {}
    family = find_family(backend)
    if family is BackendFamily.MESON:
        settings = _meson_settings(python, toolchain, workspace, folder)
    elif family is BackendFamily.SCIKIT_BUILD:
        settings = _scikit_build_settings(python, toolchain, workspace, folder)
    for name, value in project.items():
        default = settings.get(name)
        values = [value] if isinstance(value, str) else value
        settings[name] = [*default, *values] if isinstance(default, list) else value
    return settings


def _meson_settings(
    python: TargetPython, toolchain: Toolchain, workspace: Path, folder: TargetFolder | None
) -> Settings:
    if folder is None:
        description = f"-Dpython.build_config={write_build_details(python, workspace)}"
    else:
        # Only Meson 1.10 and newer read `python.build_config`, and no version does for macOS.
        description = f"--cross-file={folder.meson_file}"
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


def _scikit_build_settings(
    python: TargetPython, toolchain: Toolchain, workspace: Path, folder: TargetFolder | None
) -> Settings:
    settings: Settings = {
        "build-dir": str(workspace / "build"),
        "cmake.build-type": "Release",
        "cmake.define.CMAKE_TOOLCHAIN_FILE": str(toolchain.cmake_file),
        "cmake.define.Python_INCLUDE_DIR": str(python.headers),
        "cmake.define.Python3_INCLUDE_DIR": str(python.headers),
    }
    if folder is None:
        return settings | {
            "cmake.define.CMAKE_PREFIX_PATH": str(python.prefix),
            "cmake.define.SKBUILD_SOABI": python.extension_tag,
        }
    # CMake compares the versions of the interpreter and of the headers: this interpreter reports those of the target. The
    # name of modules comes from sysconfig.
    settings["cmake.define.CMAKE_TOOLCHAIN_FILE"] = str(folder.cmake_file)
    for name in ("Python_EXECUTABLE", "Python3_EXECUTABLE", "PYTHON_EXECUTABLE"):
        settings[f"cmake.define.{name}"] = str(folder.program)
    return settings
