"""Results of the smoke matrix: one for each wheel on each system, and the column headings of their table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from everywheel.wheels.wheel import split_filename


class SmokeState(StrEnum):
    """Outcome of one smoke test.

    `static only`: no image was available, the wheel's symbols were checked instead. `no interpreter`: no available Python
    can install the wheel. `not run here`: nothing on this machine can run a wheel for that system. `could not run`: the
    attempt failed because of this machine, not because of the wheel.
    """

    PASSED = "passed"
    FAILED = "failed"
    UNDER_WINE = "passed under Wine"
    STATIC = "static only"
    NO_PYTHON = "no interpreter"
    SKIPPED = "not run here"
    ERROR = "could not run"


FAILED_STATES = (SmokeState.FAILED, SmokeState.ERROR)
PASSED_STATES = (SmokeState.PASSED, SmokeState.UNDER_WINE)
"""States in which imports and smoke command succeeded; only PASSED is a test on the real system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeResult:
    """Result of one wheel on one image, or, for macOS and Windows, on the system that its tag names.

    `libc` is the C library that the catalog lists for the image (empty for systems other than Linux), `actual_libc` the one
    in the image. `seconds` is the wall time of the whole test, `test_seconds` that of the imports and the smoke command.
    `reason` is the reason why the wheel was not run, `message` the observation, each in one sentence; `evidence` are the lines
    of output that show it. `imported` are the extension modules that were imported, `not_imported` maps those that require a
    package that is not installed to its name. `loaded_libraries` are all libraries that were loaded, `system_libraries` those
    of them that are neither in the wheel nor in the interpreter and that the platform tag does not promise. `image_digest` is
    the image's id, `image_reference` its name and digest in a registry; both are empty if the wheel was not run in an image.
    """

    wheel: str
    target: str
    image: str
    libc: str
    arch: str
    state: SmokeState
    emulated: bool = False
    cpu: str = ""
    python: str = ""
    seconds: float = 0.0
    test_seconds: float = 0.0
    message: str = ""
    reason: str = ""
    evidence: tuple[str, ...] = ()
    imported: tuple[str, ...] = ()
    not_imported: Mapping[str, str] = field(default_factory=dict)
    actual_libc: str = ""
    loaded_libraries: tuple[str, ...] = ()
    system_libraries: tuple[str, ...] = ()
    image_digest: str = ""
    image_reference: str = ""

    @property
    def description(self) -> str:
        """Reason and message in one sentence."""
        return "; ".join(part for part in (self.reason, self.message) if part)

    @property
    def is_linux(self) -> bool:
        return bool(self.libc)

    @property
    def emulator(self) -> str:
        """Emulator that ran the wheel: QEMU, named by its processor if one was set, or Wine; empty without one."""
        if self.state is SmokeState.UNDER_WINE:
            return "Wine"
        return (self.cpu or "QEMU") if self.emulated else ""


def name_columns(results: Sequence[SmokeResult]) -> dict[str, str]:
    """Return the heading of each wheel's column: its target, preceded by its Python if two wheels share a target."""
    targets = {result.wheel: result.target for result in results}
    shared = {target for target in targets.values() if list(targets.values()).count(target) > 1}
    return {
        wheel: f"{'-'.join(split_filename(wheel)[-3:-1])} {target}" if target in shared else target
        for wheel, target in targets.items()
    }
