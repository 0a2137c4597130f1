"""Command `doctor`: checks of the build machine, with advice on how to install the missing parts."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from everywheel.cli.machine_check import CheckState, MachineCheck, missing_part, ok, optional
from everywheel.cli.options import json_option, verbose_option
from everywheel.cli.output import echo
from everywheel.cli.package_managers import (
    Need,
    PackageManager,
    advise_install,
    advise_programs,
    find_package_manager,
)
from everywheel.config.collection import load_available_recipes
from everywheel.config.recipe import Recipe
from everywheel.containers.native_arches import is_native
from everywheel.containers.qemu import MOUNT_HANDLERS, EmulationProblem, enable_handler, find_emulation_problem
from everywheel.containers.runtime import INSTALL_HINT, find_runtime
from everywheel.errors import MachineError, UsageError
from everywheel.execution.process import run_command
from everywheel.execution.temporary_files import check_temporary_directory
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.target import build_machine_target
from everywheel.store.local import Store, default_store
from everywheel.toolchains.build_tools import ensure_tools, pinned_versions
from everywheel.toolchains.machine_programs import find_missing_programs
from everywheel.toolchains.store_location import check_store_location
from everywheel.toolchains.utilities import list_missing_utilities

_STORE_SPACE = 4e9  # bytes: tools 0.7 GB, compiler cache 0.4 GB, workspaces 1 GB, and a reserve
_IMAGE_SPACE = 2e9  # bytes: the images of all architectures, and the files that containers write
_SCRIPT_PROGRAMS = (Path("/bin/sh"), Path("/usr/bin/env"))
_CXX_LIBRARY = "libstdc++.so.6"
_DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@click.command("doctor", short_help="Check this machine, and show what to install.")
@verbose_option
@json_option
@click.pass_obj
def doctor_command(root: Path, as_json: bool) -> None:
    """Check this machine for everything that builds and smoke tests need, and show how to install the missing parts.

    In a project, this includes the programs that its recipes declare.

    The exit code is 7 when a part that builds require is missing.

    Example: everywheel doctor
    """
    try:
        recipes = load_available_recipes(root)
    except UsageError:  # commands that need the recipes report it
        recipes = {}
    checks = check_machine(default_store(), recipes)
    if as_json:
        echo(json.dumps([dataclasses.asdict(check) for check in checks], indent=1))
    else:
        for check in checks:
            echo(f"{check.state:<9}{check.name + ':':<19}{check.message}")
            if check.advice:
                echo(f"{'':<9}{'':<19}{check.advice}")
    missing = [check.name for check in checks if check.state is CheckState.MISSING]
    if missing:
        raise MachineError(
            f"missing on this machine: {', '.join(missing)}", hint="the lines above show what to install"
        )


def check_machine(store: Path, recipes: Mapping[str, Recipe]) -> tuple[MachineCheck, ...]:
    """Check for everything that builds and smoke tests need; nothing is installed, and only the store may be created."""
    manager = find_package_manager()
    build = (
        _check_platform(),
        _check_python(),
        _check_venv(manager),
        _check_temporary_files(),
        _check_git(manager),
        _check_shell(manager),
        _check_cxx_library(manager),
        _check_utilities(manager),
        _check_programs(manager, recipes),
        _check_package_client(),
        _check_store(store),
        _check_build_tools(store),
    )
    return (*build, _check_runtime(manager), *_check_emulation(manager), _check_bootstrap(manager))


def _check_platform() -> MachineCheck:
    system = platform.system()
    libc = " ".join(part for part in platform.libc_ver() if part) or "musl"
    message = f"{system} {platform.machine()}" + (f", {libc}" if system == "Linux" else "")
    if system == "Linux" and build_machine_target().arch.name in ARCHES:
        return ok("machine", message)
    if system in ("Darwin", "Windows"):
        return optional(
            "machine", message, "`--engine native` builds for this machine; on Linux, zig builds for every target"
        )
    return missing_part("machine", message, "use Linux, macOS or Windows")


def _check_python() -> MachineCheck:
    return ok("python", f"{platform.python_version()} at {sys.executable}")


def _check_venv(manager: PackageManager | None) -> MachineCheck:
    if importlib.util.find_spec("venv") is not None and importlib.util.find_spec("pip") is not None:
        return ok("venv and pip", "importable")
    return missing_part("venv and pip", "not installed", advise_install(manager, Need.VENV))


def _check_temporary_files() -> MachineCheck:
    try:
        check_temporary_directory()
    except MachineError as error:
        details = ", ".join(f"{label}: {value}" for label, value in error.details.items())
        return missing_part("temporary files", details, error.hint or "")
    return ok("temporary files", os.environ.get("TMPDIR") or tempfile.gettempdir())


def _check_git(manager: PackageManager | None) -> MachineCheck:
    git, advice = shutil.which("git"), f"{advise_install(manager, Need.GIT)} (it applies patches)"
    if git is None:
        return missing_part("git", "not on PATH", advice)
    try:
        return ok("git", run_command([git, "--version"]).output.strip())
    except (OSError, MachineError) as error:
        if isinstance(error, MachineError):
            return missing_part("git", f"{git} cannot be run: {error.fact}", error.hint or "")
        reason = (error.strerror or str(error)).lower()
        return missing_part("git", f"{git} cannot be run: {reason}", advice)


def _check_shell(manager: PackageManager | None) -> MachineCheck:
    """Check for the programs that start scripts: compiler wrappers and code generators; on Windows, no script is started."""
    if sys.platform == "win32":
        return ok("shell", "not required")
    if missing := [str(path) for path in _SCRIPT_PROGRAMS if not path.exists()]:
        advice = f"{advise_install(manager, Need.SHELL)} (they start compiler wrappers and code generators)"
        return missing_part("shell", f"missing: {', '.join(missing)}", advice)
    return ok("shell", ", ".join(map(str, _SCRIPT_PROGRAMS)))


def _check_cxx_library(manager: PackageManager | None) -> MachineCheck:
    """Check for gcc's C++ library, with which CMake and ninja from the package index are linked on Linux with glibc."""
    name, libc = "C++ library", platform.libc_ver()[0]
    if platform.system() != "Linux" or libc != "glibc" or _can_load(_CXX_LIBRARY):
        return ok(name, _CXX_LIBRARY if libc == "glibc" else "not required")
    advice = f"{advise_install(manager, Need.CXX_LIBRARY)} (CMake and ninja need it)"
    return missing_part(name, f"{_CXX_LIBRARY} is not installed", advice)


def _can_load(library: str) -> bool:
    """Return False for a library that the system's loader does not find; a Python without ctypes cannot know."""
    with contextlib.suppress(ImportError):
        import ctypes

        try:
            ctypes.CDLL(library)
        except OSError as error:
            return library not in str(error)
    return True


def _check_utilities(manager: PackageManager | None) -> MachineCheck:
    if sys.platform == "win32":
        return optional("utilities", "builds on Windows do not use them", "")
    if missing := list_missing_utilities():
        return optional(
            "utilities",
            f"not on PATH: {', '.join(missing)}",
            f"{advise_install(manager, Need.UTILITIES)} (configure scripts call them)",
        )
    return ok("utilities", "those that configure scripts call are on PATH")


def _check_programs(manager: PackageManager | None, recipes: Mapping[str, Recipe]) -> MachineCheck:
    missing = find_missing_programs(recipes)
    if not missing:
        return ok("programs", "those that recipes declare are on PATH")
    users = "; ".join(f"{program} of {', '.join(names)}" for program, names in missing.items())
    return optional("programs", f"not on PATH: {users}", f"{advise_programs(manager, missing)} (builds run them)")


def _check_package_client() -> MachineCheck:
    if shutil.which("apt-get") is None:
        return optional(
            "package client",
            "no apt-get: sources come from mirrors, upstream URLs and the snapshot service",
            "nothing is missing for builds; `everywheel sources import` reads a bundle from another machine",
        )
    return ok("package client", "apt-get")


def _check_store(root: Path) -> MachineCheck:
    try:
        check_store_location(root)
        Store(root)
    except MachineError as error:
        reason = error.details.get("reason", "")
        return missing_part("store", f"{error.fact}{reason and f': {reason}'}", error.hint or "")
    free = shutil.disk_usage(root).free
    message = f"{root}, {free / 1e9:.1f} GB free"
    if free < _STORE_SPACE or not os.access(root, os.W_OK):
        return missing_part("store", message, "set EVERYWHEEL_STORE to a writable directory on a larger disk")
    return ok("store", message)


def _check_build_tools(root: Path) -> MachineCheck:
    pins = ", ".join(f"{name} {version}" for name, version in pinned_versions().items())
    try:
        ensure_tools(root, offline=True)
    except MachineError:
        return optional("build tools", f"not installed yet: {pins}", "the first build installs them (about 160 MB)")
    return ok("build tools", pins)


def _check_runtime(manager: PackageManager | None) -> MachineCheck:
    name = "container runtime"
    try:
        with find_runtime() as runtime:
            message, root = runtime.describe(), runtime.data_root()
    except MachineError as error:
        reasons = "; ".join(f"{address}: {reason}" for address, reason in error.details.items())
        hint = advise_install(manager, Need.RUNTIME) if error.hint == INSTALL_HINT else error.hint or ""
        return optional(name, f"{error.fact} ({reasons})", hint)
    free = shutil.disk_usage(root).free if root.is_dir() else None
    if free is not None and free < _IMAGE_SPACE:
        return missing_part(
            name,
            f"{message}, {free / 1e9:.1f} GB free in {root}",
            "`everywheel images prune` and `docker system prune` free disk space",
        )
    return ok(name, message)


def _check_emulation(manager: PackageManager | None) -> Iterator[MachineCheck]:
    """Check the emulation of each foreign architecture; yield a single check for all that work."""
    working = []
    for arch in ARCHES.values():
        problem = find_emulation_problem(arch)
        if problem is None:
            working += [] if is_native(arch) else [arch.name]
            continue
        advice = advise_install(manager, Need.EMULATOR, arch)
        if problem is EmulationProblem.DISABLED:
            advice = enable_handler(arch)
        elif problem is EmulationProblem.NOT_MOUNTED:
            advice = f"{MOUNT_HANDLERS}, then {advice}"
        yield optional(f"QEMU {arch.name}", f"{arch.name} programs cannot be run: {problem}", advice)
    if working:
        yield ok("QEMU", f"runs {', '.join(working)}")


def _check_bootstrap(manager: PackageManager | None) -> MachineCheck:
    program, message = shutil.which("mmdebstrap"), "not installed: images come from registries only"
    if program is None:
        return optional("mmdebstrap", message, advise_install(manager, Need.MMDEBSTRAP))
    if not _DEBIAN_KEYRING.exists():
        keys = f"{program}, without the keys of Debian's archive"
        return optional("mmdebstrap", keys, advise_install(manager, Need.DEBIAN_KEYS))
    return ok("mmdebstrap", program)


COMMAND = doctor_command
