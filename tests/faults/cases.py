"""A case: one damaged input, the commands that meet it, and what must be true afterward."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from sandbox import Canaries, RunResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """The folder of one case, which the driver removes afterward, and the canaries that its input may name."""

    folder: Path
    canaries: Canaries
    random: Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Commands that run one after another in `cwd` with the environment `variables`.

    `check` receives their results and returns what is wrong, or None. `description` states the damage.
    """

    description: str
    commands: Sequence[Sequence[str]]
    cwd: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[Sequence[RunResult]], str | None] = lambda results: None


def expect_exit(results: Sequence[RunResult], *expected: int) -> str | None:
    """Return a problem if the last command ended with another exit code than those expected."""
    code = results[-1].exit_code
    return None if code in expected else f"exit code {code} instead of {' or '.join(map(str, expected))}"
