"""Locations of sources in a project's settings: `mirrors` and `snapshot` of its table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from everywheel.config.text_rules import MIRROR, SNAPSHOT
from everywheel.config.toml_reader import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """The mirrors, as URLs or absolute paths, and the base URL of the snapshot service: empty for the default, or `none`."""

    mirrors: tuple[str, ...] = ()
    snapshot: str = ""


def load_source_settings(table: Table, folder: Path) -> SourceSettings:
    """Read the locations in a project's table, in which paths are relative to `folder`."""
    mirrors = table.texts("mirrors", rule=MIRROR)
    return SourceSettings(
        mirrors=tuple(mirror if "://" in mirror else str(folder / mirror) for mirror in mirrors),
        snapshot=table.text("snapshot", "", rule=SNAPSHOT),
    )
