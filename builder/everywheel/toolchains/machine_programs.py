"""Programs of the build machine that a recipe declares, such as perl: each is linked into the toolchain's directory.

They interpret scripts of a library's source. No other program of the machine is on PATH, except the utilities.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from everywheel.config.recipe import Recipe
from everywheel.errors import MachineError
from everywheel.toolchains.toolchain import Toolchain


def list_missing_programs(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the programs that are not on the PATH of this process."""
    return tuple(name for name in names if shutil.which(name) is None)


def find_missing_programs(recipes: Mapping[str, Recipe]) -> dict[str, list[str]]:
    """Return the programs that recipes declare and that are not on PATH, each with the names of these recipes."""
    missing = dict[str, list[str]]()
    for name, recipe in sorted(recipes.items()):
        for program in list_missing_programs(recipe.build.machine_programs):
            missing.setdefault(program, []).append(name)
    return missing


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
        hint="`everywheel doctor` shows the command that installs it: the recipe declares it in `machine-programs`",
    )
