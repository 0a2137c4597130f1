"""Cells: what became of one wheel on one system, and what to call the columns that they stand in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from everywheel.wheels.wheel import split_filename


class State(StrEnum):
    """How one cell is.

    `static only` means that the symbols were checked for want of an image, `no interpreter` that no image could have helped,
    `not run here` that this machine has nothing that runs such a wheel, and `could not run` that the attempt itself failed.
    """

    PASSED = "passed"
    FAILED = "failed"
    UNDER_WINE = "passed under Wine"
    STATIC = "static only"
    NO_PYTHON = "no interpreter"
    SKIPPED = "not run here"
    ERROR = "could not run"


BAD = (State.FAILED, State.ERROR)
RAN = (State.PASSED, State.UNDER_WINE)
"""What counts as run; only the former counts as smoked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeResult:
    """One wheel on one image, or on the system that its tag names where no image can be of it.

    `seconds` is the wall time of all of it, `test_seconds` that of the smoke command; `why` is one sentence, `evidence` the
    lines behind it, and `lack` what there would have to be for the wheel to be run. `found` is the C library that was
    there, `loaded` names all libraries that the command loaded, and `libraries` those of them from outside wheel,
    interpreter and promise.
    """

    wheel: str
    target: str
    image: str
    libc: str
    arch: str
    state: State
    emulated: bool = False
    cpu: str = ""
    python: str = ""
    seconds: float = 0.0
    test_seconds: float = 0.0
    why: str = ""
    lack: str = ""
    evidence: tuple[str, ...] = ()
    found: str = ""
    loaded: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """All of it in one sentence: what lacked, and what was seen."""
        return "; ".join(part for part in (self.lack, self.why) if part)

    @property
    def through(self) -> str:
        """What ran it in the place of a processor or a system: QEMU, by the processor where it was narrowed, or Wine."""
        if self.state is State.UNDER_WINE:
            return "Wine"
        return (self.cpu or "QEMU") if self.emulated else ""


def name_columns(cells: Sequence[SmokeResult]) -> dict[str, str]:
    """Return what to call each wheel: its target, with the Python that it is for where two wheels have the same."""
    targets = {cell.wheel: cell.target for cell in cells}
    shared = {target for target in targets.values() if list(targets.values()).count(target) > 1}
    return {
        wheel: f"{'-'.join(split_filename(wheel)[-3:-1])} {target}" if target in shared else target
        for wheel, target in targets.items()
    }
