"""sources: fetch, bundle and import."""

from __future__ import annotations

import json
from pathlib import Path

import click

from everywheel.cli.options import json_option, offline_option, target_option, timeout_option
from everywheel.cli.progress import ProgressDisplay, make_console
from everywheel.cli.run_plan import choose_targets
from everywheel.config.project import load_project
from everywheel.config.recipe import ResolvedRecipe
from everywheel.pipeline import plan_targets
from everywheel.sources import bundle_sources, fetch_sources, find_locations, import_bundle, list_source_files
from everywheel.store.local import Store, default_store


def list_plan_recipes(root: Path, targets: tuple[str, ...]) -> tuple[ResolvedRecipe, ...]:
    """Return every recipe that the project's plan needs."""
    project = load_project(root)
    return plan_targets(project, choose_targets(project, targets)).recipes


@click.group("sources", short_help="Fetch sources, or carry them to another machine.")
def sources_group() -> None:
    """Get sources and patches into the store.

    Example: everywheel sources fetch
    """


@sources_group.command("fetch")
@target_option
@offline_option
@timeout_option
@json_option
@click.pass_obj
def fetch_command(root: Path, targets: tuple[str, ...], offline: bool, timeout: int, as_json: bool) -> None:
    """Fetch every source and patch of the plan into the store; each is checked against its pinned sha256.

    Tried in this order: the store, the mirrors in EVERYWHEEL_MIRRORS, the distribution's package client, upstream.

    Example: everywheel sources fetch --timeout 600
    """
    wanted = list_source_files(list_plan_recipes(root, targets))
    store = Store(default_store())
    with ProgressDisplay(make_console(), quiet=as_json) as screen:
        found = fetch_sources(
            wanted,
            store=store.root,
            locations=find_locations(),
            offline=offline,
            timeout=timeout,
            progress=screen.fetch,
        )
    if as_json:
        rows = [{"name": w.filename, "for": w.label, "sha256": w.sha256, "path": str(found[w.sha256])} for w in wanted]
        click.echo(json.dumps(rows, indent=1))
    else:
        click.echo(f"{len(found)} sources and patches are in the store")


@sources_group.command("bundle")
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False))
@target_option
@offline_option
@timeout_option
@click.pass_obj
def bundle_command(root: Path, archive: Path, targets: tuple[str, ...], offline: bool, timeout: int) -> None:
    """Pack every source and patch of the plan into one archive, for machines that can fetch nothing.

    The recipes are in it too, with the patches and build files that lie beside them: with the sources, that is all that the
    libraries are made of, as their licences may ask for.

    Example: everywheel sources bundle sources.tar
    """
    recipes = list_plan_recipes(root, targets)
    wanted = list_source_files(recipes)
    store = Store(default_store())
    with ProgressDisplay(make_console()) as screen:
        fetch_sources(
            wanted,
            store=store.root,
            locations=find_locations(),
            offline=offline,
            timeout=timeout,
            progress=screen.fetch,
        )
    files = bundle_sources(wanted, archive, store=store.root, recipes=recipes)
    click.echo(
        f"{archive}: {len(files)} sources and patches, {len(recipes)} recipes, {archive.stat().st_size / 1e6:.1f} MB"
    )


@sources_group.command("import")
@click.argument("archive", type=click.Path(path_type=Path))
def import_command(archive: Path) -> None:
    """Take a bundle's files into the store; each is checked against its sha256 first.

    Example: everywheel sources import sources.tar
    """
    files = import_bundle(archive, store=Store(default_store()).root)
    click.echo(f"{len(files)} files are in the store")


COMMANDS = (sources_group,)
