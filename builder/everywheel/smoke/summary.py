"""What failed and what was not run, and why: in words for everybody, and as an error. Values in, values out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from everywheel.containers.catalog import PortablePython
from everywheel.errors import SmokeError
from everywheel.smoke.matrix_entries import MatrixEntry, explain_no_python, list_pythons, wheel_target
from everywheel.smoke.non_linux import find_blocker
from everywheel.smoke.result import BAD, RAN, SmokeResult, State


def list_notes(cells: Sequence[SmokeResult]) -> tuple[str, ...]:
    """Return a line for every wheel of another system that no such system ran, and one for every lack of the others."""
    notes = []
    for cell in cells:
        if cell.state is State.UNDER_WINE:
            notes.append(f"{cell.wheel}: not smoked, since no Windows is here; {cell.why}")
        elif not cell.libc and cell.state in (State.SKIPPED, State.NO_PYTHON):
            notes.append(f"not run: {cell.wheel}: {cell.words}")
    return (*notes, *_count_lacks([cell for cell in cells if cell.libc and cell.lack and cell.state not in BAD]))


def check_results(cells: Sequence[SmokeResult]) -> None:
    """Raise SmokeError for cells that failed, or that could not run."""
    bad = [cell for cell in cells if cell.state in BAD]
    if not bad:
        return
    lines: list[str] = []
    for cell in bad:
        lines.append(f"{cell.wheel} on {cell.image}: {cell.words}")
        lines += [f"    {line}" for line in cell.evidence[:6]]
    raise SmokeError(
        f"{len(bad)} of {len(cells)} cells failed",
        excerpt=lines,
        hint="`--html FILE` writes everything that was seen; `--image NAME` tries one image alone",
    )


def list_untestable(
    wheels: Sequence[Path], pairs: Sequence[MatrixEntry], portables: Mapping[str, PortablePython]
) -> dict[str, str]:
    """Return, for each wheel that nothing could run here whatever was installed or answered, why that is so."""
    beyond: dict[str, str] = {}
    for wheel in wheels:
        target = wheel_target(wheel)
        if target.os != "linux":
            hindrance = find_blocker(wheel.name, target)
            if hindrance is not None:
                beyond[wheel.name] = hindrance[1]
            continue
        versions = [version for one in pairs if one.wheel == wheel for version in list_pythons(one, portables)]
        claims = any(one.wheel == wheel for one in pairs)
        if claims and (lack := explain_no_python(wheel.name, sorted(set(versions)), "on any of its images")):
            beyond[wheel.name] = lack
    return beyond


def check_required_runs(wheels: Sequence[Path], cells: Sequence[SmokeResult], beyond: Mapping[str, str]) -> None:
    """Raise SmokeError for wheels that passed nowhere, those `beyond` all that could be done aside."""
    ran = {cell.wheel for cell in cells if cell.state in RAN}
    missed = [wheel.name for wheel in wheels if wheel.name not in ran and wheel.name not in beyond]
    if not missed:
        return
    lines = [f"{name}: {_sum_up([cell for cell in cells if cell.wheel == name])}" for name in missed]
    lines += [f"not counted: {name}: {why}" for name, why in beyond.items()]
    raise SmokeError(
        f"{len(missed)} of {_count(len(wheels), 'wheel')} passed nowhere, and --require-run asks for it",
        excerpt=lines,
        hint="`everywheel doctor` says what this machine lacks, `everywheel images list` where images come from",
    )


def _sum_up(cells: Sequence[SmokeResult]) -> str:
    """Return why a wheel was run nowhere."""
    return "; ".join(_count_lacks(cells)) or "it claims none of the images that were asked for"


def _count_lacks(cells: Sequence[SmokeResult]) -> list[str]:
    """Return what cells lacked, each lack once, with how many had it."""
    lacks = Counter(("static only" if cell.state is State.STATIC else "not run", cell.lack) for cell in cells)
    return [f"{state} in {_count(count, 'cell')}: {lack}" for (state, lack), count in lacks.items()]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"
