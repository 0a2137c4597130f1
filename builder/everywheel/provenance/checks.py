"""Results of checks: what is right, what is wrong, and what could not be checked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The result of a check."""

    OK = "ok"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check of a wheel with its result; `detail` is the evidence, or what is missing for the check."""

    name: str
    verdict: Verdict
    detail: str


def decide(name: str, right: bool, detail: str, fault: str) -> Check:
    """Return a check that is right with a detail, or failed with a fault."""
    return Check(name=name, verdict=Verdict.OK, detail=detail) if right else fail(name, fault)


def fail(name: str, detail: str) -> Check:
    return Check(name=name, verdict=Verdict.FAILED, detail=detail)


def skip(name: str, detail: str) -> Check:
    return Check(name=name, verdict=Verdict.NOT_CHECKED, detail=detail)
