"""Wheels for other systems than Linux: audited always, run under Wine where that can be, and said to be no more."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from everywheel.audit import audit_wheel, describe_finding
from everywheel.platforms.target import Target
from everywheel.smoke.matrix_entries import explain_no_python, wheel_target
from everywheel.smoke.result import SmokeResult, State
from everywheel.smoke.task import SmokeTask
from everywheel.smoke.wine import VERSION, WineContext, run_under_wine


def make_non_linux_tasks(wheels: Sequence[Path], context: WineContext) -> tuple[SmokeTask, ...]:
    """Return the trial of every wheel, in their order."""
    targets = {wheel: wheel_target(wheel) for wheel in wheels}
    return tuple(
        SmokeTask(
            blank=make_initial_result(wheel, target),
            work=partial(_try, wheel, target, context),
            # To make a Windows takes as long as many a container.
            priority=0.0 if find_blocker(wheel.name, target) else 1.0,
        )
        for wheel, target in targets.items()
    )


def find_blocker(wheel: str, target: Target) -> tuple[State, str] | None:
    """Return what nothing that is installed here would change: the state of such a wheel, and why nothing runs it."""
    if target.os == "darwin":
        return State.SKIPPED, "nothing on this machine runs macOS"
    if target.arch.windows is None or not target.arch.windows.runs_under_wine:
        return State.SKIPPED, f"Wine here runs nothing of {target.tag}"
    lack = explain_no_python(wheel, (VERSION,), "under Wine")
    return (State.NO_PYTHON, lack) if lack else None


def make_initial_result(wheel: Path, target: Target) -> SmokeResult:
    """Return the cell of a wheel before anything was done with it."""
    return SmokeResult(
        wheel=wheel.name,
        target=target.tag,
        image=name_system(target),
        libc="",
        arch=target.arch.name,
        state=State.ERROR,
    )


def name_system(target: Target) -> str:
    """Return what people call the oldest system of a target: `macOS 11.0`, `Windows`."""
    version = ".".join(map(str, target.os_version)) if target.os == "darwin" else ""
    return f"{target.system.title} {version}".strip()


def _try(wheel: Path, target: Target, context: WineContext, set_stage: Callable[[str], None]) -> SmokeResult:
    """Audit a wheel; where nothing is wrong with it and Wine runs its like, use it there."""
    blank, hindrance = make_initial_result(wheel, target), find_blocker(wheel.name, target)
    set_stage("audit")
    if findings := audit_wheel(wheel).findings:
        evidence = tuple(line for finding in findings for line in describe_finding(finding))
        return replace(
            blank, state=State.FAILED, why="its audit found what is wrong; nothing was run", evidence=evidence
        )
    looked = replace(blank, why="the structure alone was checked; nothing was run")
    if hindrance is not None:
        state, lack = hindrance
        return replace(looked, state=state, lack=lack)
    wine = shutil.which("wine")
    if wine is None:
        return replace(
            looked, state=State.SKIPPED, lack="there is no Wine here (Debian: `apt-get install wine wine64`)"
        )
    set_stage("Wine")
    return run_under_wine(blank, wheel, wine, context)
