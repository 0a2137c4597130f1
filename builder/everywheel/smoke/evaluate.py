"""Judging: from how a container ended, and what the script inside wrote down, to the cell that is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from everywheel.audit.wheel_contents import read_wheel_contents
from everywheel.containers.catalog import SmokeImage
from everywheel.containers.runtime import ContainerResult
from everywheel.execution.process import excerpt
from everywheel.smoke.explain import Failure, FailureContext, explain
from everywheel.smoke.matrix_entries import MatrixEntry
from everywheel.smoke.result import SmokeResult, State


def evaluate_result(one: MatrixEntry, ended: ContainerResult, told: dict[str, Any] | None) -> SmokeResult:
    """Make a cell of how a container ended and what the script inside wrote down, if it came to that."""
    if told is None:
        words = ended.reason if ended.reason.startswith("it ") else ""
        failure = Failure(
            stage="start", exit_code=ended.exit_code, output=f"{ended.reason}\n{ended.output}", reason=words
        )
        return one.cell(
            State.FAILED,
            seconds=ended.seconds,
            why=explain(failure, FailureContext(target=one.target, image=one.image, cpu=one.cpu)),
            evidence=tuple(excerpt(failure.output)),
        )
    facts: dict[str, Any] = {
        "python": told["python"],
        "seconds": round(ended.seconds, 2),
        "test_seconds": round(next((s["seconds"] for s in told["stages"] if s["stage"] == "test"), 0.0), 2),
    }
    facts["found"] = told["libc"]
    facts["loaded"] = tuple(told["loaded"])
    last = told["stages"][-1]
    if last["exit"] != 0 and "unable to find CPU model" in last["output"]:
        return one.cell(
            State.ERROR, why=f"QEMU knows no processor '{one.cpu}'", evidence=tuple(excerpt(last["output"])), **facts
        )
    if last["exit"] != 0:
        failure = Failure(stage=last["stage"], exit_code=last["exit"], output=last["output"], reason=ended.reason)
        place = FailureContext(target=one.target, image=one.image, cpu=one.cpu, needed=list_needed(one.wheel))
        return one.cell(
            State.FAILED, why=explain(failure, place), evidence=tuple(excerpt(last["output"])[:12]), **facts
        )
    if not _same_libc(one.image, told["libc"]):
        why = f"the image has {told['libc']}, its entry in the catalog says {one.image.libc_label}"
        return one.cell(State.ERROR, why=why, **facts)
    if not told["loaded"]:
        why = "nobody could see what it loaded: the smoke command must be a Python that reads its site"
        return one.cell(State.ERROR, why=why, **facts)
    if told["strange"] and not one.image.packages:
        why = f"it loaded {', '.join(told['strange'])} from the system, which {one.target.wheel_tag} does not promise"
        return one.cell(State.FAILED, why=why, libraries=tuple(told["strange"]), **facts)
    told_last = tuple(last["output"].strip().splitlines()[-1:])
    # On an image with further packages they are what the wheel is to find there.
    return one.cell(State.PASSED, evidence=told_last, libraries=tuple(told["strange"]), **facts)


def list_needed(wheel: Path) -> frozenset[str]:
    """Return the names of all libraries that files in a wheel need; nothing for a wheel that cannot be read."""
    content, _ = read_wheel_contents(wheel) if wheel.is_file() else (None, ())
    return (
        frozenset(name for elf in content.elves.values() for name in elf.needed) if content is not None else frozenset()
    )


def _same_libc(image: SmokeImage, told: str) -> bool:
    name, _, version = told.partition(" ")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    return name == image.libc and numbers >= image.libc_version[:2]
