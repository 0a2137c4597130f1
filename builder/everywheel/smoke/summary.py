"""Summary of a smoke matrix: notes on wheels that were not run, and errors for failures. Pure functions of results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from everywheel.containers.catalog import PortablePython
from everywheel.errors import SmokeError
from everywheel.smoke.imports import describe_missing
from everywheel.smoke.matrix_entries import MatrixEntry, explain_no_python, list_pythons, wheel_target
from everywheel.smoke.non_linux import find_blocker
from everywheel.smoke.result import FAILED_STATES, PASSED_STATES, SmokeResult, SmokeState

_EVIDENCE_LINES = 12  # of each result; `--html` has all


def list_notes(results: Sequence[SmokeResult]) -> tuple[str, ...]:
    """Return a line for each macOS or Windows wheel that was not tested there, and for each reason why others did not run."""
    notes = []
    for result in results:
        if result.state is SmokeState.UNDER_WINE:
            notes.append(f"{result.wheel}: not tested on Windows; {result.message}")
        elif not result.is_linux and result.state in (SmokeState.SKIPPED, SmokeState.NO_PYTHON):
            notes.append(f"not run: {result.wheel}: {result.description}")
    not_run = [result for result in results if result.is_linux and result.reason and result.state not in FAILED_STATES]
    return (*notes, *_count_reasons(not_run), *_list_missing_packages(results))


def _list_missing_packages(results: Sequence[SmokeResult]) -> list[str]:
    """Return a line for each set of modules that were not imported, with the number of smoke tests that it occurred in."""
    counts = Counter(describe_missing(r.not_imported) for r in results if r.not_imported and r.state in PASSED_STATES)
    return [
        f"not imported in {_count(count, 'smoke test')}: {text}; `requires` of `smoke` can name its package"
        for text, count in counts.items()
    ]


def check_results(results: Sequence[SmokeResult]) -> None:
    """Raise SmokeError for results that failed, or that could not be determined."""
    bad = [result for result in results if result.state in FAILED_STATES]
    if not bad:
        return
    lines: list[str] = []
    for result in bad:
        lines.append(f"{result.wheel} on {result.image}: {result.description}")
        lines += [f"    {line}" for line in result.evidence[:_EVIDENCE_LINES]]
    raise SmokeError(
        f"{len(bad)} of {_count(len(results), 'smoke test')} failed",
        excerpt=lines,
        hint="`--html FILE` writes all output; `--image NAME` tests on one image only",
    )


def list_untestable(
    wheels: Sequence[Path], entries: Sequence[MatrixEntry], portables: Sequence[PortablePython]
) -> dict[str, str]:
    """Return the reason for each wheel that this machine cannot run with any installed programs and images."""
    untestable: dict[str, str] = {}
    for wheel in wheels:
        target = wheel_target(wheel)
        if target.os != "linux":
            blocker = find_blocker(wheel.name, target)
            if blocker is not None:
                untestable[wheel.name] = blocker[1]
            continue
        wheel_entries = [entry for entry in entries if entry.wheel == wheel]
        versions = sorted({version for entry in wheel_entries for version in list_pythons(entry, portables)})
        if wheel_entries and (reason := explain_no_python(wheel.name, versions, "on any of its images")):
            untestable[wheel.name] = reason
    return untestable


def check_required_runs(wheels: Sequence[Path], results: Sequence[SmokeResult], untestable: Mapping[str, str]) -> None:
    """Raise SmokeError for wheels that did not pass on any system, except those that this machine cannot run."""
    ran = {result.wheel for result in results if result.state in PASSED_STATES}
    missed = [wheel.name for wheel in wheels if wheel.name not in ran and wheel.name not in untestable]
    if not missed:
        return
    lines = [f"{name}: {_explain([result for result in results if result.wheel == name])}" for name in missed]
    lines += [f"not counted: {name}: {reason}" for name, reason in untestable.items()]
    raise SmokeError(
        f"{len(missed)} of {_count(len(wheels), 'wheel')} did not pass on any system, as --require-run requires",
        excerpt=lines,
        hint="`everywheel doctor` checks this machine, `everywheel images list` shows where images come from",
    )


def _explain(results: Sequence[SmokeResult]) -> str:
    """Return why a wheel was not run on any image."""
    return "; ".join(_count_reasons(results)) or "it claims none of the selected images"


def _count_reasons(results: Sequence[SmokeResult]) -> list[str]:
    """Return each reason once, with the number of results that have it."""
    counts = Counter(
        ("static only" if result.state is SmokeState.STATIC else "not run", result.reason) for result in results
    )
    return [f"{state} in {_count(count, 'smoke test')}: {reason}" for (state, reason), count in counts.items()]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"
