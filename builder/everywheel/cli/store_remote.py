"""Command `store ls`, and `store gc` for remote stores."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

import click

from everywheel.cli.options import json_option, remote_option
from everywheel.cli.output import echo, make_table, print_table
from everywheel.cli.store_transfer import find_remotes
from everywheel.errors import MachineError, UsageError, count_noun
from everywheel.remote.exchange import Exchange
from everywheel.remote.garbage import RemoteGarbage, collect_remote_garbage, read_entries
from everywheel.remote.opening import RemoteOptions
from everywheel.sources.request import Unavailable


@click.command("ls", short_help="List the artifacts and wheels of remote stores.")
@remote_option
@json_option
@click.pass_obj
def ls_command(root: Path, remote: tuple[str, ...], as_json: bool) -> None:
    """List the artifacts and wheels of remote stores. Their signatures are checked when they are used.

    Example: everywheel store ls --remote s3://bucket/store
    """
    options = RemoteOptions(addresses=remote)
    rows: list[dict[str, object]] = []
    for exchange in find_remotes(root, options, checks_signatures=False):
        try:
            records = exchange.list_records()
            entries = sorted(read_entries(exchange, records).values(), key=lambda e: (e.kind, e.name, e.target, e.key))
        except Unavailable as reason:
            raise _report(exchange, "listed", reason) from None
        if as_json:
            rows += [asdict(entry) | {"remote": exchange.name} for entry in entries]
            continue
        table = make_table("kind", "name", "version", "target", "key", "size", "uploaded")
        for e in entries:
            uploaded = records[e.key].modified
            date = time.strftime("%Y-%m-%d %H:%M", time.localtime(uploaded)) if uploaded else ""
            table.add_row(e.kind, e.name, e.version, e.target, e.key[:12], f"{e.size / 1e6:.2f} MB", date)
        print_table(table)
        size = sum(entry.size for entry in entries) / 1e6
        echo(f"{exchange.name}: {count_noun(len(entries), 'entry', 'entries')}, {size:.1f} MB")
    if as_json:
        echo(json.dumps(rows, indent=1))


def collect_garbage_of_remotes(
    root: Path,
    options: RemoteOptions,
    *,
    keep: Collection[str],
    older_than: float,
    largest: int | None,
    dry_run: bool,
) -> None:
    """Remove entries that are too old or too many from each remote store, and print them."""
    for exchange in find_remotes(root, options, checks_signatures=False):
        if not exchange.can_change:
            raise UsageError(f"{exchange.name} is only read", hint="name its folder or bucket, without `#read-only`")
        try:
            garbage = collect_remote_garbage(
                exchange, keep=keep, older_than=older_than, largest=largest, dry_run=dry_run
            )
        except Unavailable as reason:
            raise _report(exchange, "cleaned", reason) from None
        _print_garbage(exchange, garbage, "would be removed" if dry_run else "removed")


def _print_garbage(exchange: Exchange, garbage: RemoteGarbage, state: str) -> None:
    for entry in garbage.entries:
        echo(f"{entry.label} ({entry.size / 1e6:.2f} MB)")
    entries = count_noun(len(garbage.entries), "entry", "entries")
    echo(
        f"{exchange.name}: {entries} and {count_noun(len(garbage.files), 'file')} {state}, {garbage.size / 1e6:.1f} MB"
    )


def _report(exchange: Exchange, verb: str, reason: Unavailable) -> MachineError:
    return MachineError(
        f"the remote store {exchange.name} cannot be {verb}",
        details={"reason": reason},
        hint="check its address, its permissions and the network",
    )
