"""The result of one check of the build machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CheckState(StrEnum):
    """Result of a check; `optional` means missing, but not required for builds."""

    OK = "ok"
    MISSING = "missing"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCheck:
    """One check of the machine; `advice` is the command or step that fixes it, empty when there is nothing to fix."""

    name: str
    state: CheckState
    message: str
    advice: str = ""


def ok(name: str, message: str) -> MachineCheck:
    return MachineCheck(name=name, state=CheckState.OK, message=message)


def missing_part(name: str, message: str, advice: str) -> MachineCheck:
    return MachineCheck(name=name, state=CheckState.MISSING, message=message, advice=advice)


def optional(name: str, message: str, advice: str) -> MachineCheck:
    return MachineCheck(name=name, state=CheckState.OPTIONAL, message=message, advice=advice)
