"""Programs of the build machine that a recipe declares, such as perl: each is linked into the toolchain's directory.

They interpret scripts of a library's source. No other program of the machine is on PATH, except the utilities.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from everywheel.errors import MachineError
from everywheel.toolchains.toolchain import Toolchain


def list_missing_programs(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the programs that are not on the PATH of this process."""
    return tuple(name for name in names if shutil.which(name) is None)


def link_machine_programs(toolchain: Toolchain, names: Iterable[str], label: str) -> None:
    """Link programs of the build machine into a toolchain; raise MachineError, which names the step, for a missing one."""
    for name in names:
        path = shutil.which(name)
        if path is None:
            raise report_missing(label, name)
        link = toolchain.directory / "bin" / name
        if not link.exists():
            link.symlink_to(Path(path))


def report_missing(label: str, name: str) -> MachineError:
    """Return the error about a declared program that is not on this machine."""
    return MachineError(
        f"{label}: its build runs '{name}', which is not on PATH",
        hint="install it with the package manager of this machine: the recipe declares it in `machine-programs`",
    )
