"""Changelogs kept by towncrier: a file, and a directory of fragments, each with the text of one change."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.config.toml_reader import read_toml
from everywheel.errors import ReleaseError, UsageError

# The defaults of towncrier: types of fragments, and file names that are not fragments.
_TYPES = ("feature", "bugfix", "doc", "removal", "misc")
_IGNORED = (".gitignore", ".gitkeep", ".keep", "readme", "readme.md", "readme.rst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changelog:
    """A changelog file, the directory and the types of its fragments, and patterns of names that are not fragments."""

    file: Path
    folder: Path
    types: tuple[str, ...]
    ignored: tuple[str, ...] = _IGNORED


def load_changelog(root: Path, config: Path) -> Changelog:
    """Return the changelog that `[tool.towncrier]` of a file describes; its paths are relative to the project's root."""
    tool = read_toml(root / config).table("tool", {})
    if not tool.has("towncrier"):
        raise UsageError(
            f"{config} has no [tool.towncrier] table, which names a changelog and its fragments",
            hint="add it, or name another file with --changelog",
        )
    table = tool.table("towncrier")
    types = tuple(row.text("directory") for row in table.tables("type")) or tuple(table.table("fragment", {}))
    return Changelog(
        file=root / table.text("filename", "NEWS.rst"),
        folder=root / table.text("directory", "newsfragments"),
        types=types or _TYPES,
        ignored=(*_IGNORED, *(name.lower() for name in table.texts("ignore"))),
    )


def is_fragment(name: str, types: Sequence[str]) -> bool:
    """Return whether towncrier treats a file as a fragment: a part of the name after the first dot must be a type.

    >>> [is_fragment(name, ["fix"]) for name in ("+name.fix.md", "12.fix", "+name.bugfix.md", "fix.md")]
    [True, True, False, False]
    """
    return any(part in types for part in name.split(".")[1:])


def list_fragments(changelog: Changelog) -> list[str]:
    """Return the names of the files in a changelog's directory that are not ignored."""
    names = sorted(path.name for path in changelog.folder.glob("*"))
    return [name for name in names if not any(fnmatch.fnmatch(name.lower(), pattern) for pattern in changelog.ignored)]


def check_fragments(changelogs: Sequence[Changelog], root: Path) -> None:
    """Raise ReleaseError when a changelog has no fragment, or has a file that towncrier would ignore without a message."""
    for changelog in changelogs:
        folder = changelog.folder.relative_to(root)
        fragments = list_fragments(changelog)
        if unknown := [name for name in fragments if not is_fragment(name, changelog.types)]:
            raise ReleaseError(
                f"towncrier would ignore {', '.join(unknown)}: the type is unknown",
                details={"directory": folder, "types": ", ".join(changelog.types)},
                hint=f"rename it to +name.{changelog.types[0]}.md",
            )
        if not fragments:
            raise ReleaseError(
                f"{changelog.file.relative_to(root)} has no entries for this release: there is no fragment",
                details={"directory": folder},
                hint=f"write {folder}/+name.{changelog.types[0]}.md",
            )
