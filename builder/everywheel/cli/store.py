"""Command group `store`: list, verify and clean the store."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from everywheel.cli.options import json_option
from everywheel.cli.tables import make_table, print_table
from everywheel.config.project import load_project
from everywheel.errors import BuildError, UsageError
from everywheel.pipeline import plan_targets
from everywheel.store.local import Store, default_store, find_garbage, remove_garbage
from everywheel.wheels.build_lock import find_build_lock

DAY = 86400.0  # seconds  # seconds


@click.group("store", short_help="List, verify and clean the store.")
def store_group() -> None:
    """Work with the store of sources, artifacts and wheels.

    It is in $EVERYWHEEL_STORE, or in `everywheel` in the user's cache directory.

    Example: everywheel store list
    """


@store_group.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the artifacts and wheels in the store.

    Example: everywheel store list --json
    """
    store = Store(default_store())
    entries = store.entries()
    if as_json:
        click.echo(json.dumps([asdict(entry) for entry in entries], indent=1))
        return
    table = make_table("kind", "name", "version", "target", "key", "size", "used")
    for e in entries:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(e.used))
        table.add_row(e.kind, e.name, e.version, e.target, e.key[:12], f"{e.size / 1e6:.2f} MB", used)
    print_table(table)
    sources = list((store.root / "sources").iterdir())
    total = sum(e.size for e in entries) + sum(path.stat().st_size for path in sources)
    click.echo(f"{store.root}: {len(entries)} entries, {len(sources)} sources, {total / 1e6:.1f} MB")


@store_group.command("verify")
def verify_command() -> None:
    """Check every file in the store against its hash.

    Example: everywheel store verify
    """
    store = Store(default_store())
    damaged = [f"{e.name} {e.version} for {e.target}: {e.file}" for e in store.verify()]
    damaged += [f"source {path.name}" for path in store.verify_sources()]
    if damaged:
        raise BuildError(
            f"damaged files in the store: {len(damaged)}",
            details={"store": store.root},
            excerpt=damaged,
            hint="`everywheel store gc --damaged` removes them; the next build builds or fetches them again",
        )
    click.echo(f"{len(store.entries())} entries and {len(list((store.root / 'sources').iterdir()))} sources are intact")


@store_group.command("gc")
@click.option(
    "--older-than", type=click.FloatRange(0), default=30.0, show_default=True, help="Days since the last use."
)
@click.option("--all", "everything", is_flag=True, help="Also remove entries that the project's plan needs.")
@click.option("--damaged", is_flag=True, help="Remove only the files that `store verify` reports.")
@click.option("--dry-run", is_flag=True, help="List what would be removed, and stop.")
@click.pass_obj
def gc_command(root: Path, older_than: float, everything: bool, damaged: bool, dry_run: bool) -> None:
    """Remove artifacts and wheels that the project's plan does not need and that were not used recently.

    Workspaces and temporary files of killed runs are removed as well. Sources are kept, as they cannot be built again.

    Example: everywheel store gc --older-than 7 --dry-run
    """
    store = Store(default_store())
    state = "would be removed" if dry_run else "removed"
    if damaged:
        click.echo(f"{_remove_damaged(store, dry_run=dry_run)} damaged {state}")
        return
    keep: set[str] = set()
    if not everything:
        try:
            project = find_build_lock(load_project(root), store)
            keep = {step.key for step in plan_targets(project, project.targets).steps.values()}
        except UsageError as error:
            error.hint = "run this in the project's directory, or add --all to keep nothing for a project"
            raise
    garbage = find_garbage(store, keep=keep, older_than=older_than * DAY)
    for entry in garbage.entries:
        click.echo(f"{entry.kind} {entry.name} {entry.version} for {entry.target} ({entry.size / 1e6:.2f} MB)")
    for folder in garbage.folders:
        click.echo(f"left by a killed run: {folder}")
    if not dry_run:
        remove_garbage(store, garbage)
    click.echo(f"{len(garbage.entries) + len(garbage.folders)} {state}, {garbage.size / 1e6:.1f} MB")


def _remove_damaged(store: Store, *, dry_run: bool) -> int:
    """Remove the damaged files of the store, unless this is a dry run, and return their number."""
    entries, sources = store.verify(), store.verify_sources()
    if not dry_run:
        for entry in entries:
            store.remove(entry)
        for path in sources:
            path.unlink()
    return len(entries) + len(sources)


COMMAND = store_group
