"""store: list, verify and gc."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click
from rich.table import Table

from everywheel.cli.options import json_option
from everywheel.cli.tables import print_table
from everywheel.config.project import load_project
from everywheel.errors import BuildError, UsageError
from everywheel.pipeline import plan_targets
from everywheel.store.local import Store, default_store, find_garbage, remove_garbage

DAY = 86400.0


@click.group("store", short_help="Look at the store, check it, clean it.")
def store_group() -> None:
    """Work with the store of sources, artifacts and wheels.

    It is in $EVERYWHEEL_STORE, or in `everywheel` of the user's cache folder.

    Example: everywheel store list
    """


@store_group.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List what the store has.

    Example: everywheel store list --json
    """
    store = Store(default_store())
    entries = store.entries()
    if as_json:
        click.echo(json.dumps([asdict(entry) for entry in entries], indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("kind", "name", "version", "target", "key", "size", "used"):
        table.add_column(column, no_wrap=True)
    for e in entries:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(e.used))
        table.add_row(e.kind, e.name, e.version, e.target, e.key[:12], f"{e.size / 1e6:.2f} MB", used)
    print_table(table)
    sources = list((store.root / "sources").iterdir())
    total = sum(e.size for e in entries) + sum(path.stat().st_size for path in sources)
    click.echo(f"{store.root}: {len(entries)} entries, {len(sources)} sources, {total / 1e6:.1f} MB")


@store_group.command("verify")
def verify_command() -> None:
    """Check the bytes of everything in the store against their hashes.

    Example: everywheel store verify
    """
    store = Store(default_store())
    damaged = [f"{e.name} {e.version} for {e.target}: {e.file}" for e in store.verify()]
    damaged += [f"source {path.name}" for path in store.verify_sources()]
    if damaged:
        raise BuildError(
            f"{len(damaged)} damaged in the store",
            details={"store": store.root},
            excerpt=damaged,
            hint="`everywheel store gc --damaged` drops them; the next build makes or fetches them again",
        )
    click.echo(f"{len(store.entries())} entries and {len(list((store.root / 'sources').iterdir()))} sources are sound")


@store_group.command("gc")
@click.option(
    "--older-than", type=click.FloatRange(0), default=30.0, show_default=True, help="Days since the last use."
)
@click.option("--all", "everything", is_flag=True, help="Also what the project's plan needs.")
@click.option("--damaged", is_flag=True, help="Drop only what `verify` finds damaged.")
@click.option("--dry-run", is_flag=True, help="Show what would be dropped and stop.")
@click.pass_obj
def gc_command(root: Path, older_than: float, everything: bool, damaged: bool, dry_run: bool) -> None:
    """Drop artifacts and wheels that the project's plan does not need and nobody used lately.

    Sources stay: they are what cannot be made again. What killed runs left goes as well.

    Example: everywheel store gc --older-than 7 --dry-run
    """
    store = Store(default_store())
    if damaged:
        _drop_damaged(store, dry_run)
        return
    keep: set[str] = set()
    if not everything:
        try:
            project = load_project(root)
            keep = {step.key for step in plan_targets(project, project.targets).steps.values()}
        except UsageError as error:
            error.hint = "run in the project's folder, or say --all to keep nothing for a project"
            raise
    garbage = find_garbage(store, keep=keep, older_than=older_than * DAY)
    for entry in garbage.entries:
        click.echo(f"{entry.kind} {entry.name} {entry.version} for {entry.target} ({entry.size / 1e6:.2f} MB)")
    for folder in garbage.folders:
        click.echo(f"left behind: {folder}")
    if not dry_run:
        remove_garbage(store, garbage)
    words = "would be dropped" if dry_run else "dropped"
    click.echo(f"{len(garbage.entries) + len(garbage.folders)} {words}, {garbage.size / 1e6:.1f} MB")


def _drop_damaged(store: Store, dry_run: bool) -> None:
    entries, sources = store.verify(), store.verify_sources()
    if not dry_run:
        for entry in entries:
            store.drop(entry)
        for path in sources:
            path.unlink()
    click.echo(f"{len(entries) + len(sources)} damaged {'would be dropped' if dry_run else 'dropped'}")


COMMANDS = (store_group,)
