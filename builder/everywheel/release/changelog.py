"""Changelogs as towncrier keeps them: a file, and fragments in a folder that say what is new until a release does."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.config.toml_reader import read_toml
from everywheel.errors import ReleaseError, UsageError

# What towncrier has where its configuration says nothing, and what it never takes for a fragment.
_TYPES = ("feature", "bugfix", "doc", "removal", "misc")
_OTHERS = (".gitignore", ".gitkeep", ".keep", "readme", "readme.md", "readme.rst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changelog:
    """A changelog: its file, the folder of its fragments, the types that these may have, and names that are none."""

    file: Path
    folder: Path
    types: tuple[str, ...]
    ignored: tuple[str, ...] = _OTHERS


def load_changelog(root: Path, config: Path) -> Changelog:
    """Return the changelog that `[tool.towncrier]` of a file describes; its paths are relative to the project's root."""
    tool = read_toml(root / config).table("tool", {})
    if not tool.has("towncrier"):
        raise UsageError(
            f"{config} has no [tool.towncrier], which says where a changelog and its fragments are",
            hint="write it, or name the file that has it with --changelog",
        )
    table = tool.table("towncrier")
    types = tuple(one.text("directory") for one in table.tables("type")) or tuple(table.table("fragment", {}))
    return Changelog(
        file=root / table.text("filename", "NEWS.rst"),
        folder=root / table.text("directory", "newsfragments"),
        types=types or _TYPES,
        ignored=(*_OTHERS, *(name.lower() for name in table.texts("ignore"))),
    )


def is_fragment(name: str, types: Sequence[str]) -> bool:
    """Tell whether towncrier takes a file for a fragment: a part of its name behind the first is a type.

    >>> [is_fragment(name, ["fix"]) for name in ("+word.fix.md", "12.fix", "+word.bugfix.md", "fix.md")]
    [True, True, False, False]
    """
    return any(part in types for part in name.split(".")[1:])


def check_changes(changelogs: Sequence[Changelog], root: Path) -> None:
    """Raise ReleaseError when a changelog has no fragment, or a file is there that towncrier would pass over in silence."""
    for changelog in changelogs:
        names = sorted(path.name for path in changelog.folder.glob("*"))
        asked = [name for name in names if not any(fnmatch.fnmatch(name.lower(), other) for other in changelog.ignored)]
        if strange := [name for name in asked if not is_fragment(name, changelog.types)]:
            raise ReleaseError(
                f"the changelog would lack {', '.join(strange)}: fragments of no known type are passed over",
                details={"looked in": changelog.folder.relative_to(root), "types": ", ".join(changelog.types)},
                hint=f"name it +word.{changelog.types[0]}.md",
            )
        if not asked:
            folder = changelog.folder.relative_to(root)
            raise ReleaseError(
                f"{changelog.file.relative_to(root)} would say nothing: there is no fragment that says what is new",
                details={"looked in": folder},
                hint=f"write {folder}/+word.{changelog.types[0]}.md",
            )
