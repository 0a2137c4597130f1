"""Command group `store`: list, verify and clean the store."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from everywheel.cli.options import json_option, remote_option
from everywheel.cli.output import echo, make_table, print_table
from everywheel.cli.store_remote import collect_garbage_of_remotes, ls_command
from everywheel.cli.store_transfer import pull_command, push_command
from everywheel.errors import BuildError, UsageError, count_noun
from everywheel.pipeline import plan_targets
from everywheel.recognition.project_loader import load_project
from everywheel.remote.opening import RemoteOptions
from everywheel.store.damage import DamageCheck, find_damage, remove_damage
from everywheel.store.garbage import collect_garbage
from everywheel.store.layout import Damage, file_size, list_folder
from everywheel.store.local import Store, default_store
from everywheel.toolchains.installed import count_installed_files, find_damaged_installations
from everywheel.wheels.build_lock import find_build_lock
from everywheel.wheels.resolutions import find_damaged_resolutions

DAY = 86400.0  # seconds


def _find_damaged_tools(store: Store) -> Iterator[Damage]:
    for path, files in find_damaged_installations(store.root).items():
        rest = f" and {len(files) - 1} more" if len(files) > 1 else ""
        label = f"directory {path.relative_to(store.root).as_posix()}"
        yield Damage(label=label, reason=f"is damaged: {files[0]}{rest}", path=path)


CHECKS: tuple[DamageCheck, ...] = (_find_damaged_tools, find_damaged_resolutions)
"""The checks of `store verify` in addition to those of directories, artifacts, wheels and sources."""


@click.group("store", short_help="List, verify and clean the store.")
def store_group() -> None:
    """Work with the store of sources, artifacts and wheels.

    It is in $EVERYWHEEL_STORE, or in `everywheel` in the user's cache directory.

    Example: everywheel store list
    """


@store_group.command("list", short_help="List the artifacts and wheels.")
@json_option
def list_command(as_json: bool) -> None:
    """List the artifacts and wheels in the store, without those whose record is damaged.

    Example: everywheel store list --json
    """
    store = Store(default_store(), create=False)
    entries = store.entries()
    if as_json:
        echo(json.dumps([asdict(entry) for entry in entries], indent=1))
        return
    table = make_table("kind", "name", "version", "target", "key", "size", "used")
    for e in entries:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(e.used))
        table.add_row(e.kind, e.name, e.version, e.target, e.key[:12], f"{e.size / 1e6:.2f} MB", used)
    print_table(table)
    sources = list_folder(store.root / "sources")
    total = sum(e.size for e in entries) + sum(map(file_size, sources))
    counts = f"{count_noun(len(entries), 'entry', 'entries')}, {count_noun(len(sources), 'source')}"
    echo(f"{store.root}: {counts}, {total / 1e6:.1f} MB")


@store_group.command("verify", short_help="Check every file against its hash.")
@json_option
@click.pass_context
def verify_command(ctx: click.Context, as_json: bool) -> None:
    """Check every file in the store against its hash, and the directories of the store; exit with 1 if any is damaged.

    Tools, build requirements and compiler caches are compared with their manifests, and packages with their RECORD.

    Example: everywheel store verify
    """
    store = Store(default_store(), create=False)
    damage = find_damage(store, CHECKS)
    checked = _count_checked(store)
    if as_json:
        rows = [_describe(store, item) for item in damage]
        echo(json.dumps({"checked": checked, "damaged": rows}, indent=1))
        ctx.exit(1 if damage else 0)
    if damage:
        raise BuildError(
            f"damaged files in the store: {len(damage)}",
            details={"store": store.root},
            excerpt=[f"{item.label} {item.reason}" for item in damage],
            hint="`everywheel store gc --damaged` removes them; the next build builds or fetches them again",
        )
    counts = [
        count_noun(checked["entries"], "entry", "entries"),
        count_noun(checked["sources"], "source"),
        count_noun(checked["resolutions"], "resolution"),
        f"{count_noun(checked['tool files'], 'file')} of {count_noun(checked['tools'], 'installed tool')}",
    ]
    echo(f"{', '.join(counts[:-1])} and {counts[-1]} are intact")


def _count_checked(store: Store) -> dict[str, int]:
    """Return the number of things of each kind that `store verify` compares with their hashes."""
    directories, files = count_installed_files(store.root)
    return {
        "entries": len(store.list_keys()),
        "sources": len(list_folder(store.root / "sources")),
        "resolutions": len(list_folder(store.root / "resolutions")),
        "tools": directories,
        "tool files": files,
    }


def _describe(store: Store, damage: Damage) -> dict[str, str]:
    """Return damage as JSON values; the path is relative to the store."""
    path = damage.path.relative_to(store.root).as_posix()
    return {"label": damage.label, "reason": damage.reason, "path": path, "key": damage.key}


@store_group.command("gc", short_help="Remove what is damaged or not used anymore.")
@click.option(
    "--older-than", type=click.FloatRange(0), default=30.0, show_default=True, help="Days since the last use."
)
@click.option(
    "--max-size",
    type=click.FloatRange(0),
    metavar="GB",
    help="Remove more entries, the oldest first, until the rest is smaller.",
)
@click.option("--all", "everything", is_flag=True, help="Also remove entries that the project's plan needs.")
@remote_option
@click.option("--damaged", is_flag=True, help="Remove only what `store verify` reports.")
@click.option("--dry-run", is_flag=True, help="List what would be removed, and stop.")
@click.pass_obj
def gc_command(
    root: Path,
    older_than: float,
    max_size: float | None,
    everything: bool,
    remote: tuple[str, ...],
    damaged: bool,
    dry_run: bool,
) -> None:
    """Remove artifacts and wheels that the project's plan does not need and that were not used recently.

    Workspaces, temporary files of killed runs, and old build tools, logs and locks are removed as well. What a running
    command uses is kept. Sources are kept, as they cannot be built again. In a remote store, the age is that of the upload.

    Example: everywheel store gc --older-than 7 --dry-run
    """
    state = "would be removed" if dry_run else "removed"
    if damaged:
        echo(f"{_remove_damaged(dry_run=dry_run)} damaged {state}")
        return
    store = Store(default_store())
    keep: set[str] = set()
    if not everything:
        try:
            project = find_build_lock(load_project(root), store)
            keep = {step.key for step in plan_targets(project, project.targets).steps.values()}
        except UsageError as error:
            error.hint = "run this in the project's directory, or add --all to keep nothing for a project"
            raise
    largest = None if max_size is None else int(max_size * 1e9)
    if remote:
        addresses = RemoteOptions(addresses=remote)
        collect_garbage_of_remotes(
            root, addresses, keep=keep, older_than=older_than * DAY, largest=largest, dry_run=dry_run
        )
        return
    garbage = collect_garbage(store, keep=keep, older_than=older_than * DAY, largest=largest, dry_run=dry_run)
    for entry in garbage.entries:
        echo(f"{entry.label} ({entry.size / 1e6:.2f} MB)")
    for path in garbage.leftovers:
        echo(f"not used anymore: {path}" if path not in garbage.kept else f"cannot be removed: {path}")
    count = len(garbage.entries) + len(garbage.leftovers) - len(garbage.kept)
    echo(f"{count} {state}, {garbage.size / 1e6:.1f} MB")


def _remove_damaged(*, dry_run: bool) -> int:
    """Remove what is damaged in the store, unless this is a dry run, and return the number."""
    store = Store(default_store(), create=False)
    damage = find_damage(store, CHECKS)
    removed = damage if dry_run else remove_damage(store, damage)
    for item in damage:
        echo(f"{item.label} {item.reason}" + ("" if item in removed else " (kept: it is in use, or behind a link)"))
    return len(removed)


store_group.add_command(push_command)
store_group.add_command(pull_command)
store_group.add_command(ls_command)

COMMAND = store_group
