"""Command group `sources`: fetch, bundle and import sources."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from everywheel.cli.failures import describe_interruption
from everywheel.cli.options import (
    json_option,
    offline_option,
    target_option,
    target_set_option,
    timeout_option,
    verbose_option,
)
from everywheel.cli.output import echo
from everywheel.cli.progress import make_console, open_display
from everywheel.cli.run_plan import choose_targets, list_target_set
from everywheel.cli.store_lease import open_store
from everywheel.config.project import load_project
from everywheel.config.recipe import ResolvedRecipe
from everywheel.errors import count_noun
from everywheel.pipeline import plan_targets
from everywheel.sources import (
    PinnedFile,
    bundle_sources,
    fetch_sources,
    find_locations,
    import_bundle,
    list_source_files,
)
from everywheel.store.local import Store

_FILES_ARE_KEPT = "files that arrived are in the store, and the next run fetches the others"


def list_plan_recipes(root: Path, tags: tuple[str, ...], target_set: str) -> tuple[ResolvedRecipe, ...]:
    """Return every recipe of the project's plan for the given targets; without tags, for a target set."""
    project = load_project(root)
    return plan_targets(project, choose_targets(project, tags or list_target_set(project, target_set))).recipes


def _fetch_files(
    files: Sequence[PinnedFile], store: Store, *, offline: bool, timeout: float, quiet: bool = False
) -> Mapping[str, Path]:
    """Fetch files into the store, with a display of the progress; return their paths by sha256."""
    with open_display(make_console(), quiet=quiet) as display, describe_interruption(_FILES_ARE_KEPT):
        return fetch_sources(
            files,
            store=store.root,
            locations=find_locations(),
            offline=offline,
            timeout=timeout,
            progress=display.fetch,
        )


@click.group("sources", short_help="Fetch sources, and bundle them for machines without a network.")
def sources_group() -> None:
    """Fetch sources and patches into the store, or transfer them between machines.

    Example: everywheel sources fetch
    """


@sources_group.command("fetch", short_help="Fetch every source and patch into the store.")
@target_option
@target_set_option
@offline_option
@timeout_option
@verbose_option
@json_option
@click.pass_obj
def fetch_command(
    root: Path, targets: tuple[str, ...], target_set: str, offline: bool, timeout: int, as_json: bool
) -> None:
    """Fetch every source and patch of the plan into the store, and check each against its pinned sha256.

    Locations are tried in this order: the store, the mirrors in EVERYWHEEL_MIRRORS, the distribution's package client,
    upstream URLs.

    Example: everywheel sources fetch --timeout 600
    """
    files = list_source_files(list_plan_recipes(root, targets, target_set))
    paths = _fetch_files(files, open_store(), offline=offline, timeout=timeout, quiet=as_json)
    if as_json:
        rows = [
            {"name": file.filename, "for": file.label, "sha256": file.sha256, "path": str(paths[file.sha256])}
            for file in files
        ]
        echo(json.dumps(rows, indent=1))
    else:
        echo(f"{count_noun(len(paths), 'source or patch is', 'sources and patches are')} in the store")


@sources_group.command("bundle", short_help="Pack every source and patch into one archive.")
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False))
@target_option
@target_set_option
@offline_option
@timeout_option
@verbose_option
@click.pass_obj
def bundle_command(
    root: Path, archive: Path, targets: tuple[str, ...], target_set: str, offline: bool, timeout: int
) -> None:
    """Pack every source and patch of the plan into one archive, for machines without a network.

    The archive also contains the recipes with their patches and overlays. Together they are the complete source of the
    libraries, which licenses such as the LGPL require to be provided with the wheels.

    Example: everywheel sources bundle sources.tar
    """
    recipes = list_plan_recipes(root, targets, target_set)
    files = list_source_files(recipes)
    store = open_store()
    _fetch_files(files, store, offline=offline, timeout=timeout)
    packed = bundle_sources(files, archive, store=store.root, recipes=recipes)
    size = archive.stat().st_size / 1e6
    sources = count_noun(len(packed), "source or patch", "sources and patches")
    echo(f"{archive}: {sources}, {count_noun(len(recipes), 'recipe')}, {size:.1f} MB")


@sources_group.command("import", short_help="Copy the files of a bundle into the store.")
@click.argument("archive", type=click.Path(path_type=Path))
def import_command(archive: Path) -> None:
    """Copy the files of a bundle into the store, each checked against its sha256 first.

    Example: everywheel sources import sources.tar
    """
    files = import_bundle(archive, store=open_store().root)
    echo(f"{count_noun(len(files), 'file is', 'files are')} in the store")


COMMAND = sources_group
