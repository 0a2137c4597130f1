"""Command `lock`."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import click
from packaging.utils import canonicalize_name

from everywheel.cli.options import verbose_option
from everywheel.cli.output import echo
from everywheel.cli.project_source import config_option
from everywheel.cli.store_lease import open_store
from everywheel.config.pins import Pin, PinError, parse_requirement
from everywheel.config.project import Project
from everywheel.config.suggestions import suggest
from everywheel.errors import UsageError, count_noun
from everywheel.recognition.project_loader import load_project
from everywheel.wheels.build_lock import read_lock, write_lock
from everywheel.wheels.requirement_resolver import make_lock
from everywheel.wheels.resolutions import LOCK
from everywheel.wheels.resolve import Upgrade


@click.command("lock", short_help="Pin the build requirements by hash.")
@click.argument("project", type=click.Path(path_type=Path), required=False)
@config_option
@click.option("--upgrade", "-U", is_flag=True, help="Choose the newest versions; otherwise pinned ones are kept.")
@click.option(
    "--upgrade-package", "-P", "names", multiple=True, metavar="NAME", help="Upgrade one package; repeatable."
)
@click.option("--check", is_flag=True, help="Write nothing; fail when the lock is missing or out of date.")
@click.option("--dry-run", is_flag=True, help="Show the changes and write nothing.")
@verbose_option
@click.pass_obj
def lock_command(
    root: Path,
    project: Path | None,
    config: Path | None,
    upgrade: bool,
    names: tuple[str, ...],
    check: bool,
    dry_run: bool,
) -> None:
    """Resolve the build requirements of the extension and write them to everywheel.lock next to the settings.

    The lock has every package in the environment of a build, with its version and the hashes of its files: the
    requirements of [build-system], those that the build backend adds, and all that these require. It holds on every
    build machine; builds install exactly these packages.

    Example: everywheel lock --upgrade-package meson-python
    """
    loaded = load_project(project or root, config=config)
    path = loaded.settings_folder / LOCK
    kept = read_lock(path)
    if check and kept is None:
        raise UsageError(f"{path} does not exist", hint="run `everywheel lock`, and commit the file")
    known = {pin.name for pin in kept or ()}
    for name in names:
        if canonicalize_name(name) not in known:
            raise UsageError(f"{LOCK} has no package '{name}'", hint=_hint_for_unlocked(loaded, name, known))
    echo("resolving the build requirements", err=True)
    new = make_lock(loaded, open_store(), kept=kept or (), upgrade=Upgrade(everything=upgrade, names=names))
    if new.not_queried is not None:
        echo(f"note: the backend could not be queried for further requirements: {new.not_queried.fact}", err=True)
    changes = list(_list_changes(kept or (), new.pins))
    if check:
        _check(path, changes, len(new.pins))
        return
    for change in changes:
        echo(change)
    if kept == new.pins:
        echo(f"{path} is up to date: {count_noun(len(new.pins), 'package')}")
    elif dry_run:
        echo("nothing was written")
    else:
        write_lock(path, new.pins)
        echo(f"written: {path}, {count_noun(len(new.pins), 'package')}")


def _hint_for_unlocked(project: Project, name: str, known: Collection[str]) -> str:
    """Return what to type instead of the upgrade of a package that the lock does not have."""
    with contextlib.suppress(PinError):  # a requirement that cannot be pinned is an error of `everywheel lock`
        required = {canonicalize_name(parse_requirement(text).name) for text in project.backend.requires}
        if canonicalize_name(name) in required:
            return "it is required but not locked yet: run `everywheel lock`"
    return suggest(name, known)


def _check(path: Path, changes: Sequence[str], count: int) -> None:
    """Raise UsageError when a lock would change."""
    if changes:
        raise UsageError(f"{path} is out of date", excerpt=changes, hint="run `everywheel lock`, and commit the file")
    echo(f"{path} is up to date: {count_noun(count, 'package')}")


def _list_changes(old: Sequence[Pin], new: Sequence[Pin]) -> Iterator[str]:
    """Yield a line for each package that was added, removed, or has another version, marker or set of files."""
    for name in sorted({pin.name for pin in (*old, *new)}):
        before, after = ([pin for pin in pins if pin.name == name] for pins in (old, new))
        if before == after:
            continue
        previous, version = (", ".join(dict.fromkeys(pin.version for pin in pins)) for pins in (before, after))
        if not before:
            yield f"{name}: added {version}"
        elif not after:
            yield f"{name}: removed {previous}"
        else:
            yield f"{name}: {previous} -> {version}" if previous != version else f"{name}: {version}, other files"


COMMAND = lock_command
