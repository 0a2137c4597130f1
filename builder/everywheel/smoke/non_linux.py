"""Wheels for macOS and Windows: their audit, and for Windows a run under Wine, which is not a test on the real system."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from everywheel.audit import audit_wheel, describe_finding
from everywheel.platforms.target import Target
from everywheel.smoke.matrix import SmokeTask
from everywheel.smoke.matrix_entries import explain_no_python, wheel_target
from everywheel.smoke.result import SmokeResult, SmokeState
from everywheel.smoke.windows_python import WINDOWS_PYTHONS
from everywheel.smoke.wine import WineContext, run_under_wine


def make_non_linux_tasks(wheels: Sequence[Path], context: WineContext) -> tuple[SmokeTask, ...]:
    """Return the task of each wheel, in their order."""
    targets = {wheel: wheel_target(wheel) for wheel in wheels}
    return tuple(
        SmokeTask(
            initial=make_initial_result(wheel, target),
            work=partial(_run, wheel, target, context),
            # Creating a Wine prefix takes as long as many containers.
            priority=0.0 if find_blocker(wheel.name, target) else 1.0,
        )
        for wheel, target in targets.items()
    )


def find_blocker(wheel: str, target: Target) -> tuple[SmokeState, str] | None:
    """Return state and reason if this machine cannot run a wheel with any installed programs, else None."""
    if target.os == "darwin":
        return SmokeState.SKIPPED, "this machine cannot run programs for macOS"
    if target.arch.windows is None or not target.arch.windows.runs_under_wine:
        return SmokeState.SKIPPED, f"Wine on this machine cannot run programs for {target.tag}"
    reason = explain_no_python(wheel, [python.version for python in reversed(WINDOWS_PYTHONS)], "under Wine")
    return (SmokeState.NO_PYTHON, reason) if reason else None


def make_initial_result(wheel: Path, target: Target) -> SmokeResult:
    """Return the result of a wheel before it was tested."""
    return SmokeResult(
        wheel=wheel.name,
        target=target.tag,
        image=name_system(target),
        libc="",
        arch=target.arch.name,
        state=SmokeState.ERROR,
    )


def name_system(target: Target) -> str:
    """Return the usual name of the oldest system of a target: `macOS 11.0`, `Windows`."""
    version = ".".join(map(str, target.os_version)) if target.os == "darwin" else ""
    return f"{target.system.title} {version}".strip()


def _run(wheel: Path, target: Target, context: WineContext, set_stage: Callable[[str], None]) -> SmokeResult:
    """Audit a wheel; run it under Wine if the audit has no findings and Wine supports its target."""
    initial, blocker = make_initial_result(wheel, target), find_blocker(wheel.name, target)
    set_stage("audit")
    if findings := audit_wheel(wheel).findings:
        evidence = tuple(line for finding in findings for line in describe_finding(finding))
        return replace(initial, state=SmokeState.FAILED, message="the audit has findings; not run", evidence=evidence)
    audited = replace(initial, message="audited without findings; not run")
    if blocker is not None:
        state, reason = blocker
        return replace(audited, state=state, reason=reason)
    wine = shutil.which("wine")
    if wine is None:
        return replace(
            audited, state=SmokeState.SKIPPED, reason="Wine is not installed (Debian: `apt-get install wine wine64`)"
        )
    set_stage("Wine")
    return run_under_wine(initial, wheel, wine, context)
