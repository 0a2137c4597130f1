"""Errors: the messages that a user sees, each with an exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


class EverywheelError(Exception):
    """A failure with a fact, its evidence and the next step; `render` returns the text that a user sees.

    `details` are evidence with a label for each line, `excerpt` is quoted output of a tool, `log` the file that contains
    all of it, and `hint` what to type or change next.
    """

    exit_code = 1

    def __init__(
        self,
        fact: str,
        *,
        details: Mapping[str, object] | None = None,
        excerpt: Sequence[str] = (),
        log: Path | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(fact)
        self.fact = fact
        self.details = dict(details or {})
        self.excerpt = tuple(excerpt)
        self.log = log
        self.hint = hint

    def render(self) -> str:
        """Return the message: lower case, one fact, then evidence, then the next step."""
        lines = [f"error: {self.fact}"]
        lines += [f"  {label}: {value}" for label, value in self.details.items()]
        lines += [f"  | {line}".rstrip() for line in self.excerpt]
        if self.log is not None:
            lines.append(f"  log: {self.log}")
        if self.hint is not None:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class BuildError(EverywheelError):
    """A step failed: a command, or a check of its result."""

    exit_code = 1


class UsageError(EverywheelError):
    """The command line, a recipe or the project's table is invalid."""

    exit_code = 2


class NothingSelectedError(EverywheelError):
    """The selection matches nothing."""

    exit_code = 3


class SourceError(EverywheelError):
    """A source or patch is not available, or differs from the pinned one."""

    exit_code = 4


class AuditError(EverywheelError):
    """A finished wheel has findings."""

    exit_code = 5


class SmokeError(EverywheelError):
    """A wheel failed on a system that its tag claims."""

    exit_code = 6


class MachineError(EverywheelError):
    """The build machine does not have something: disk space, a tool, a permission."""

    exit_code = 7


class ReleaseError(EverywheelError):
    """A release is incomplete, or an index rejects it."""

    exit_code = 8
