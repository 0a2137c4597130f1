"""The input of a repair: the wheel's target, the prefix with its libraries, and the directories to work in; and its result."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from everywheel.platforms.target import Target
from everywheel.wheels.wheel import Wheel


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelTags:
    """The build number and the tags of a finished wheel; each tag may be a compressed set (`py2.py3`, PEP 425)."""

    build: str = ""
    python: str
    abi: str
    platform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairRequest:
    """The options of a repair.

    Attributes:
        target: the target that the wheel is for.
        prefix: the directory with the target's libraries.
        patchelf: the path of patchelf.
        work: a directory for temporary files.
        log: the file that receives the commands and their output.
        epoch: the time of every file in the result, in seconds since 1970.
        exclude: recipes of the prefix that are not part of the wheel (the Python headers).
        tags: the build number and the tags of the result.
        module_exports: globs of the symbols that extension modules may export. None for a wheel of another project: its
            modules may export any symbol, and its metadata is kept if no library becomes part of it.
        native: whether the native engine built the wheel; on a Mac, delocate then repairs it.
        data: files and folders of the prefix that become part of the wheel, by their paths in it.
        linked: the names of the archives that files of the wheel are linked to, such as `libz.a`; None if that is not known.
        compressed: the directory of the store that keeps compressed libraries, or None.
    """

    target: Target
    prefix: Path
    patchelf: Path
    work: Path
    log: Path
    epoch: int
    tags: WheelTags
    exclude: Collection[str] = ()
    module_exports: Sequence[str] | None = ("PyInit_*",)
    native: bool = False
    data: Mapping[str, str] = field(default_factory=dict)
    linked: Collection[str] | None = None
    compressed: Path | None = None

    @property
    def is_foreign(self) -> bool:
        """True for a wheel of another project."""
        return self.module_exports is None

    def describe(self, wheel: Wheel) -> str:
        """Return the name of the wheel and its target in messages: `webpencode 0.1.0 for manylinux_2_17_x86_64`."""
        return f"{wheel.name} {wheel.version} for {self.target.tag}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairedWheel:
    """The path of a repaired wheel, and one sentence for each change or omission that the user may not expect."""

    path: Path
    notes: tuple[str, ...] = ()
