"""Entries of the smoke matrix: the images that each wheel must run on, and the Pythons that can install it on each image.

Pure functions of wheel names and the catalog.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everywheel.containers.catalog import PortablePython, SmokeImage
from everywheel.containers.native_arches import is_native
from everywheel.errors import UsageError
from everywheel.platforms.tags import TagFamily, parse_platforms
from everywheel.platforms.target import Target, parse_target
from everywheel.smoke.python_tags import is_for_python
from everywheel.smoke.result import SmokeResult, SmokeState
from everywheel.wheels.wheel import split_filename


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixEntry:
    """A wheel, its target, and an image that its platform tag claims."""

    wheel: Path
    target: Target
    image: SmokeImage

    @property
    def id(self) -> str:
        return f"{self.wheel.name} on {self.image.name}"

    @property
    def cpu(self) -> str:
        """QEMU's name of the processor to emulate; empty if the image does not set one."""
        return self.image.cpu.get(self.target.arch.name, "")

    def make_result(self, state: SmokeState, **details: Any) -> SmokeResult:
        """Return a result of this entry with further fields of `SmokeResult`."""
        arch = self.target.arch
        return SmokeResult(
            wheel=self.wheel.name,
            target=self.target.tag,
            image=self.image.name,
            libc=self.image.libc_label,
            arch=arch.name,
            state=state,
            emulated=not is_native(arch) or bool(self.image.cpu),
            cpu=self.cpu,
            **details,
        )


def split_wheels(wheels: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the wheels for Linux, which images can run, and all others; without duplicates.

    Raises UsageError for a file that is not a wheel of a supported system, and for two wheels of the same name.
    """
    by_name: dict[str, Path] = {}
    for wheel in dict.fromkeys(wheels):
        if by_name.setdefault(wheel.name, wheel) != wheel:
            raise UsageError(
                f"two wheels have the name {wheel.name}",
                details={"first": by_name[wheel.name], "second": wheel},
                hint="test them in two runs",
            )
    linux = tuple(wheel for wheel in by_name.values() if wheel_target(wheel).os == "linux")
    return linux, tuple(wheel for wheel in by_name.values() if wheel not in linux)


def make_entries(wheels: Sequence[Path], images: Sequence[SmokeImage]) -> tuple[MatrixEntry, ...]:
    """Return an entry for each wheel and each image that its platform tag claims."""
    targets = {wheel: wheel_target(wheel) for wheel in wheels}
    return tuple(
        MatrixEntry(wheel=wheel, target=target, image=image)
        for wheel, target in targets.items()
        for image in images
        if image.is_claimed_by(target)
    )


def wheel_target(wheel: Path) -> Target:
    """Return the target that a wheel's file name claims; raise UsageError for any other file name, and for pure wheels."""
    try:
        tag = parse_platforms(split_filename(wheel.name)[-1])[0]
    except ValueError as error:
        raise UsageError(f"{wheel}: {error}", hint="name a wheel (PEP 427)") from None
    if tag.family is TagFamily.ANY:
        raise UsageError(f"{wheel}: a pure wheel claims no particular system", hint="name wheels with a platform tag")
    return parse_target(tag.text)


def list_portables(entry: MatrixEntry, portables: Sequence[PortablePython]) -> list[PortablePython]:
    """Return the portable interpreters for an entry's C library and architecture, those that can install its wheel first."""
    suitable = [p for p in portables if p.libc == entry.image.libc and entry.target.arch.name in p.sha256]
    return sorted(suitable, key=lambda portable: not is_for_python(entry.wheel.name, portable.version))


def list_pythons(entry: MatrixEntry, portables: Sequence[PortablePython]) -> tuple[str, ...]:
    """Return the versions of Python that can be available on an entry's image: its own, portable ones, or either.

    An image that has its own gets a portable one only if it is pulled, since images in registries have no Python.
    """
    own_python = entry.image.bootstrap.python if entry.image.bootstrap is not None else ""
    versions = [own_python] if own_python else []
    if not own_python or entry.image.pinned_reference(entry.target.arch):
        versions += [portable.version for portable in list_portables(entry, portables)]
    return tuple(dict.fromkeys(versions))


def explain_no_python(wheel: str, versions: Sequence[str], where: str = "on the image") -> str:
    """Return why none of these versions of Python can install a wheel; empty if one can."""
    if any(is_for_python(wheel, version) for version in versions):
        return ""
    listed = " and ".join(filter(None, [", ".join(versions[:-1]), *versions[-1:]]))
    available = (
        f", only Python {listed}" if versions else ": it has no Python of its own, and no portable one exists for it"
    )
    return f"no interpreter for {_name_python(wheel)} {where}{available}"


def _name_python(wheel: str) -> str:
    """Return the Python that a wheel is for: `cp314t`, `cp311-abi3`."""
    *_, python, abi, _ = split_filename(wheel)
    return abi if abi.startswith("cp") else f"{python}-{abi}"
