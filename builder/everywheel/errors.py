"""Errors: the messages that a user sees, each with an exit code."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

# Control characters except tab and newline, those that change the direction or the lines of text, and surrogates, which
# represent bytes that are not UTF-8.
_UNPRINTABLE = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_LONGEST_LINE = 1000  # characters
_DOCS = Path(__file__).with_name("docs")


def find_page(name: str) -> str:
    """Return where a page of the documentation is: its path in an installation, in a checkout its name below `docs/`.

    Wheels of the toolkit contain the pages, so that a message leads to them on a machine without a network as well.
    """
    page = _DOCS / name
    return str(page) if page.is_file() else f"docs/{name}"


def printable(text: str) -> str:
    """Return text for a terminal: control characters are escaped as in Python, such as `\\x1b`, except tab and newline.

    Text from outside (file names, recipes, metadata, answers of servers) could otherwise move the cursor, change colors, or
    show its characters in another order (https://trojansource.codes).
    """
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def printable_line(text: str) -> str:
    """Return text as one line of a message: control characters and newlines are escaped, and a long line is cut in its middle.

    A name or a value from a file may have any length, and a message is read at a glance.
    """
    line = printable(text).replace("\n", "\\n")
    if len(line) <= _LONGEST_LINE:
        return line
    half = _LONGEST_LINE // 2
    return f"{line[:half]}…{line[-half:]}"


def count_noun(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: `1 library`, `2 libraries`; the plural is the noun with an `s` if none is given."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


class EverywheelError(Exception):
    """The base class of all errors that are reported to the user; `exit_code` is the exit code of the process.

    Attributes:
        fact: one sentence that names the recipe, the target and the step.
        details: the evidence, as values by their labels.
        excerpt: lines quoted from the output of a tool.
        log: the file that contains the complete output.
        hint: the next step, such as a command to run or a setting to change.
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
        """Return the text that the user sees: the fact, then the evidence, then the hint; each is one line."""
        lines = [f"error: {self.fact}"]
        lines += [f"  {label}: {value}" for label, value in self.details.items()]
        lines += [f"  | {line}".rstrip() for line in self.excerpt]
        if self.log is not None:
            lines.append(f"  log: {self.log}")
        if self.hint is not None:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(map(printable_line, lines))


class BuildError(EverywheelError):
    """A command of a step failed, or its result did not pass a check."""

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
    """The audit of a finished wheel has findings, or a wheel needs a library that cannot be found."""

    exit_code = 5


class SmokeError(EverywheelError):
    """A wheel failed its smoke test on a system that its platform tag claims."""

    exit_code = 6


class MachineError(EverywheelError):
    """A prerequisite of the build machine is missing, such as disk space, a tool or a permission."""

    exit_code = 7


class ReleaseError(EverywheelError):
    """A release is incomplete, or an index rejects it."""

    exit_code = 8
