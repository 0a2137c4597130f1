"""The settings of a project: `[tool.everywheel]` of its pyproject.toml, an everywheel.toml next to it, or defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everywheel.config.toml_reader import Table, read_toml
from everywheel.errors import UsageError, find_page

SETTINGS_FILE = "everywheel.toml"
_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
_NO_SETTINGS: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table with the settings, and the folder that its paths are relative to."""

    table: Table
    folder: Path


def find_settings(root: Path, config: Path | None = None, options: Mapping[str, Any] = _NO_SETTINGS) -> Settings:
    """Return the settings of the project in `root`: those of the file `config`, else its own, else the defaults.

    `options` replace keys of the table. Raises UsageError when `root` has no project, and when it has settings in two files.
    """
    _check_project(root)
    if config is not None:
        table = read_toml(config, "--config names a file with the keys of [tool.everywheel] at its top level")
        return Settings(table=table.replace(options), folder=config.absolute().parent)
    pyproject, own = root / "pyproject.toml", root / SETTINGS_FILE
    table = Table({}, pyproject, "tool.everywheel")
    if pyproject.exists():
        tool = read_toml(pyproject).table("tool", {})
        if tool.has("everywheel"):
            table = tool.table("everywheel")
            if own.exists():
                raise UsageError(
                    "the project has settings in two files",
                    details={"table": table.location, "file": own},
                    hint="keep one of them",
                )
    if own.exists():
        table = read_toml(own)
    return Settings(table=table.replace(options), folder=root)


def has_project(root: Path) -> bool:
    """Return whether a folder has a Python project, or settings of one whose extension is in another folder."""
    return any((root / name).exists() for name in (*_PROJECT_FILES, SETTINGS_FILE))


def _check_project(root: Path) -> None:
    """Raise UsageError when a folder has no Python project."""
    hint = "run in the project's folder or name it with --project"
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder", hint=hint)
    if not has_project(root):
        raise UsageError(
            f"{root}: not a Python project: it has neither a pyproject.toml nor a setup.py",
            hint=f"{hint}; {find_page('recipes.md')} describes the settings",
        )
