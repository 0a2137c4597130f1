"""The list of well-known projects in projects.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

LOCKS = Path(__file__).with_name("locks")
MOST_LINES = 8
"""Lines of settings that a project may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A project's own tests: `requires` is installed next to the wheel, `command` runs in the source tree.

    `note` states which tests are left out, and why.
    """

    command: str
    requires: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownProject:
    """A project on PyPI: `settings` is its everywheel.toml, `use` a program that uses the installed wheel.

    A project with several entries, whose settings differ, has a `variant` in the others; each entry has results of its own.

    `use_requires` are packages that are installed next to the wheel for `use`; `use_exclude` are patterns of modules that only
    another package imports.

    `lock` is a file in locks/, the project's everywheel.lock, for one that fails with the newest build requirements.

    `without` has the targets that are not built, each with the reason; `note` states why there is no wheel for a Python.
    """

    name: str
    version: str
    sha256: str
    variant: str = ""
    settings: str = ""
    use: str = ""
    use_requires: tuple[str, ...] = ()
    use_exclude: tuple[str, ...] = ()
    quick: bool = False
    suite: Suite | None = None
    lock: str = ""
    note: str = ""
    without: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name of the entry in tables and on the command line, such as `pillow`, or `pillow-formats` for a variant."""
        return f"{self.name}-{self.variant}" if self.variant else self.name

    @property
    def lines(self) -> int:
        """The number of lines of the settings."""
        return sum(bool(line.strip()) for line in self.settings.splitlines())


def load_projects() -> list[KnownProject]:
    """Return all projects; raise ValueError for one with more lines of settings than allowed."""
    entries = tomllib.loads(Path(__file__).with_name("projects.toml").read_text(encoding="utf-8"))["projects"]
    projects = [_load_project(entry) for entry in entries]
    if too_long := [project.label for project in projects if project.lines > MOST_LINES]:
        raise ValueError(f"more than {MOST_LINES} lines of settings: {', '.join(too_long)}")
    return projects


def _load_project(entry: dict[str, object]) -> KnownProject:
    suite = entry.pop("suite", None)
    return KnownProject(**entry, suite=Suite(**suite) if isinstance(suite, dict) else None)  # type: ignore[arg-type]
