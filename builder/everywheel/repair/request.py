"""What a repair is told: the wheel's target, the prefix with its libraries, and where to work."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.platforms.target import Target
from everywheel.wheels.wheel import Wheel


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairRequest:
    """What a repair takes beside the wheel.

    `prefix` holds the target's libraries, `patchelf` is the program, `leave_out` names recipes of the prefix of which
    nothing ends up in the wheel (the Python headers), `module_exports` are globs of the symbols that extension modules
    may let out, `epoch` is the time of every file in the result, `work` a folder for what is in the making. Without
    `python` and `abi` the wheel keeps its own tags. `native` says that the wheel was built by this machine's own tools, so
    that they repair it as well.
    """

    target: Target
    prefix: Path
    patchelf: Path
    work: Path
    log: Path
    epoch: int
    leave_out: Collection[str] = ()
    module_exports: Sequence[str] = ("PyInit_*",)
    python: str = ""
    abi: str = ""
    native: bool = False

    def describe(self, wheel: Wheel) -> str:
        """How messages name it: `webpencode 0.1.0 for manylinux_2_17_x86_64`."""
        return f"{wheel.name} {wheel.version} for {self.target.tag}"
