"""Wheels for systems that nothing on this machine runs: looked at, never run, and said to be so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from builder.audit import audit_wheel, describe_finding
from builder.smoke.matrix import Cell, State, wheel_target
from builder.target import Target

_NAMES = MappingProxyType({"darwin": "macOS", "windows": "Windows"})


def split_wheels(wheels: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the wheels for Linux, which images can run, and all others."""
    here = tuple(wheel for wheel in wheels if wheel_target(wheel).os == "linux")
    return here, tuple(wheel for wheel in wheels if wheel not in here)


def look_at(wheel: Path) -> Cell:
    """Return the cell of a wheel for macOS or Windows: what its audit found, and that nothing was run."""
    target = wheel_target(wheel)
    findings = audit_wheel(wheel).findings
    why = f"nothing on this machine runs {_NAMES[target.os]}; the structure alone was checked"
    return Cell(
        wheel=wheel.name,
        target=target.tag,
        image=system_name(target),
        libc="",
        arch=target.arch.name,
        state=State.FAILED if findings else State.STATIC,
        why=f"{why}, and it is wrong" if findings else why,
        evidence=tuple(line for finding in findings for line in describe_finding(finding)),
    )


def system_name(target: Target) -> str:
    """Return what people call the oldest system of a target: `macOS 11.0`, `Windows`."""
    version = ".".join(map(str, target.os_version)) if target.os == "darwin" else ""
    return f"{_NAMES[target.os]} {version}".strip()
