"""Remote stores in a project's settings: `remote` and `remote-keys` of its table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from everywheel.config.text_rules import PATH, REMOTE
from everywheel.config.toml_reader import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSettings:
    """The addresses of remote stores, whose paths are relative to `folder`, and the file of the keys that sign entries."""

    folder: Path = Path()
    addresses: tuple[str, ...] = ()
    keys: Path | None = None


def load_remote_settings(table: Table, folder: Path) -> RemoteSettings:
    """Read the remote stores in a project's table, in which paths are relative to `folder`."""
    keys = table.text("remote-keys", "", rule=PATH) if table.has("remote-keys") else ""
    return RemoteSettings(
        folder=folder, addresses=table.texts("remote", rule=REMOTE), keys=folder / keys if keys else None
    )
