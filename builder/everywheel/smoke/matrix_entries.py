"""Pairing: which wheel claims which image, and which Python could run it there. Values in, values out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everywheel.containers.catalog import PortablePython, SmokeImage
from everywheel.containers.runtime import is_native
from everywheel.errors import UsageError
from everywheel.platforms.tags import TagFamily, parse_platforms
from everywheel.platforms.target import Target, parse_target
from everywheel.smoke.result import SmokeResult, State
from everywheel.wheels.wheel import split_filename


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixEntry:
    """A wheel, its target, and an image that it claims to run on."""

    wheel: Path
    target: Target
    image: SmokeImage

    @property
    def id(self) -> str:
        return f"{self.wheel.name} on {self.image.name}"

    @property
    def cpu(self) -> str:
        """The processor that the image is narrowed to, by QEMU's name."""
        return self.image.cpu.get(self.target.arch.name, "")

    def cell(self, state: State, **more: Any) -> SmokeResult:
        """Return the pair's cell in a state, with what more is known."""
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
            **more,
        )


def split_wheels(wheels: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the wheels for Linux, which images can run, and all others; each once.

    Raises UsageError for what is no wheel of a known system, and for two wheels of one name.
    """
    named: dict[str, Path] = {}
    for wheel in dict.fromkeys(wheels):
        if named.setdefault(wheel.name, wheel) != wheel:
            raise UsageError(
                f"two wheels are called {wheel.name}",
                details={"one": named[wheel.name], "other": wheel},
                hint="try them one after the other",
            )
    here = tuple(wheel for wheel in named.values() if wheel_target(wheel).os == "linux")
    return here, tuple(wheel for wheel in named.values() if wheel not in here)


def make_entries(wheels: Sequence[Path], images: Sequence[SmokeImage]) -> tuple[MatrixEntry, ...]:
    """Return every pair of a wheel and an image that it claims to run on."""
    targets = {wheel: wheel_target(wheel) for wheel in wheels}
    return tuple(
        MatrixEntry(wheel=wheel, target=target, image=image)
        for wheel, target in targets.items()
        for image in images
        if image.is_claimed_by(target)
    )


def wheel_target(wheel: Path) -> Target:
    """Return the target that a wheel's file name claims; raise UsageError for a name that is no wheel's of any."""
    try:
        tag = parse_platforms(split_filename(wheel.name)[-1])[0]
    except ValueError as error:
        raise UsageError(f"{wheel}: {error}", hint="name a wheel (PEP 427)") from None
    if tag.family is TagFamily.ANY:
        raise UsageError(f"{wheel}: a pure wheel claims no system in particular", hint="name wheels for Linux")
    return parse_target(tag.text)


def list_pythons(one: MatrixEntry, portables: Mapping[str, PortablePython]) -> tuple[str, ...]:
    """Return the versions of Python that there can be on a pair's image: its own, a portable one, or either.

    An image that has its own is given the portable one only where it is pulled, since registries have it without.
    """
    portable, arch = portables.get(one.image.libc), one.target.arch
    own = one.image.bootstrap.python if one.image.bootstrap is not None else ""
    found = [own] if own else []
    if portable is not None and arch.name in portable.sha256 and (not own or one.image.pinned(arch)):
        found.append(portable.version)
    return tuple(dict.fromkeys(found))


def explain_no_python(wheel: str, versions: Sequence[str], where: str = "there") -> str:
    """Return why none of these versions of Python takes a wheel; nothing where one does."""
    if any(is_for_python(wheel, version) for version in versions):
        return ""
    known = (
        f", only Python {' and '.join(versions)}" if versions else ": the image has none, and no portable one is for it"
    )
    return f"no interpreter for {_name_python(wheel)} {where}{known}"


def _name_python(wheel: str) -> str:
    """Return the Python that a wheel is for: `cp314t`, `cp311-abi3`."""
    *_, python, abi, _ = split_filename(wheel)
    return abi if abi.startswith("cp") else f"{python}-{abi}"


def is_for_python(wheel: str, version: str) -> bool:
    """Tell whether a wheel's tags take a CPython of a version such as `3.13` (PEP 425; every system's own has a GIL)."""
    minor = int(version.split(".")[1])
    *_, pythons, abis, _ = split_filename(wheel)
    for python in pythons.split("."):
        for abi in abis.split("."):
            match = re.fullmatch(r"cp3(\d+)", python)
            if match is None:
                if python in ("py3", f"py3{minor}") and abi in ("none", "abi3"):
                    return True
            elif abi == "abi3" or (abi == "none" and int(match[1]) <= minor):
                if int(match[1]) <= minor:
                    return True
            elif abi == f"cp3{minor}" and int(match[1]) == minor:
                return True
    return False
