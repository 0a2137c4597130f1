"""Running a program that grafts libraries: auditwheel, delocate, repairwheel or delvewheel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.errors import BuildError
from everywheel.execution.process import run_logged
from everywheel.execution.python_program import program_environment, python_program
from everywheel.repair.request import RepairRequest
from everywheel.wheels.wheel import Wheel, pack_wheel, read_wheel


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairTool:
    """The command line of a repair tool without the wheel, which is its last argument.

    `module` is the module to run with `python -m`. `results` is the directory that `args` name for the repaired wheel.
    """

    name: str
    module: str
    args: Sequence[str | Path]
    results: Path
    environment: Mapping[str, str]


def run_repair_tool(tool: RepairTool, wheel: Wheel, request: RepairRequest, folder: Path) -> Wheel:
    """Run a tool on a wheel in a temporary directory and return the repaired wheel.

    Raises BuildError when the tool fails or does not write one wheel.
    """
    unrepaired = pack_wheel(wheel, folder / "unrepaired", epoch=request.epoch, compress=False)
    run_logged(
        [*python_program(tool.module), *tool.args, unrepaired],
        cwd=folder,
        env=program_environment(tool.name, tool.environment),
        log=request.log,
        label=f"{request.describe(wheel)}: repair",
    )
    wheels = sorted(tool.results.glob("*.whl"))
    if len(wheels) != 1:
        raise BuildError(
            f"{request.describe(wheel)}: {tool.name} wrote {len(wheels)} wheels instead of one", log=request.log
        )
    return read_wheel(wheels[0])


def newer_system_error(wheel: Wheel, request: RepairRequest, details: Mapping[str, str]) -> BuildError:
    """Return the error for a wheel whose files need a newer system than the target's tag promises."""
    return BuildError(
        f"{request.describe(wheel)}: the wheel needs a newer system than its tag promises",
        details=dict(details),
        log=request.log,
        hint="`everywheel audit` on the wheel names the file and what it needs",
    )
