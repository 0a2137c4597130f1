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
from everywheel.cli.source_check import check_command
from everywheel.cli.source_selection import find_source_settings, select_recipes
from everywheel.cli.store_lease import open_store
from everywheel.errors import UsageError, count_noun
from everywheel.sources.bundle import bundle_sources, check_output
from everywheel.sources.bundle_import import import_bundle
from everywheel.sources.fetch import fetch_sources
from everywheel.sources.locations import find_locations
from everywheel.sources.request import PinnedFile, list_source_files
from everywheel.store.local import Store

recipe_argument = click.argument("names", nargs=-1, metavar="[RECIPE]...")
_FILES_ARE_KEPT = "files that arrived are in the store, and the next run fetches the others"


def _fetch_files(
    root: Path,
    files: Sequence[PinnedFile],
    store: Store,
    *,
    offline: bool,
    timeout: float,
    quiet: bool = False,
) -> Mapping[str, Path]:
    """Fetch files into the store, with a display of the progress; return their paths by sha256."""
    with open_display(make_console(), quiet=quiet) as display, describe_interruption(_FILES_ARE_KEPT):
        return fetch_sources(
            files,
            store=store.root,
            locations=find_locations(find_source_settings(root)),
            offline=offline,
            timeout=timeout,
            progress=display.fetch,
        )


@click.group("sources", short_help="Fetch, check and bundle sources and patches.")
def sources_group() -> None:
    """Fetch sources and patches into the store, transfer them between machines, or try their locations.

    Example: everywheel sources fetch
    """


sources_group.add_command(check_command)


@sources_group.command("fetch", short_help="Fetch every source and patch into the store.")
@recipe_argument
@target_option
@target_set_option
@offline_option
@timeout_option
@verbose_option
@json_option
@click.pass_obj
def fetch_command(
    root: Path,
    names: tuple[str, ...],
    targets: tuple[str, ...],
    target_set: str,
    offline: bool,
    timeout: int,
    as_json: bool,
) -> None:
    """Fetch every source and patch of the plan into the store, and check each against its pinned sha256.

    With recipe names, fetch those of these recipes and of all that they require.

    Locations are tried in this order: the store, the mirrors in EVERYWHEEL_MIRRORS and in the project's settings, the
    distribution's package client, upstream URLs, the distribution's snapshot service.

    Example: everywheel sources fetch --timeout 600
    """
    files = list_source_files(select_recipes(root, names, targets, target_set))
    paths = _fetch_files(root, files, open_store(), offline=offline, timeout=timeout, quiet=as_json)
    if as_json:
        rows = [
            {"name": file.filename, "for": file.label, "sha256": file.sha256, "path": str(paths[file.sha256])}
            for file in files
        ]
        echo(json.dumps(rows, indent=1))
    else:
        echo(f"{count_noun(len(paths), 'source or patch is', 'sources and patches are')} in the store")


@sources_group.command("bundle", short_help="Pack every source and patch into one archive or folder.")
@recipe_argument
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default="sources.tar",
    show_default=True,
    metavar="PATH",
    help="An archive if it ends with .tar, else a folder.",
)
@click.option(
    "--sign-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Sign with this OpenSSH key; that of an agent by its public key.",
)
@target_option
@target_set_option
@offline_option
@timeout_option
@verbose_option
@click.pass_obj
def bundle_command(
    root: Path,
    names: tuple[str, ...],
    output: Path,
    sign_key: Path | None,
    targets: tuple[str, ...],
    target_set: str,
    offline: bool,
    timeout: int,
) -> None:
    """Pack every source and patch of the plan into one bundle, for machines without a network.

    With recipe names, pack those of these recipes and of all that they require. A bundle is an archive, or a folder that a
    web server can provide as a mirror. It also contains the recipes with their patches and overlays: together they are the
    complete source of the libraries, which licenses such as the LGPL require to be provided with the wheels.

    Example: everywheel sources bundle libvips --target musllinux_1_2_x86_64 --output mirror
    """
    if any(name.endswith(".tar") for name in names):
        raise UsageError(
            f"there is no recipe '{names[0]}'", hint=f"`--output {names[0]}` names the bundle; arguments are recipes"
        )
    check_output(output, sign_key)
    recipes = select_recipes(root, names, targets, target_set)
    files = list_source_files(recipes)
    store = open_store()
    _fetch_files(root, files, store, offline=offline, timeout=timeout)
    packed = bundle_sources(files, output, store=store.root, recipes=recipes, key=sign_key)
    size = sum(file.size for file in packed) / 1e6
    sources = count_noun(len(packed), "source or patch", "sources and patches")
    state = "" if sign_key is None else ", signed"
    echo(f"{output}: {sources}, {count_noun(len(recipes), 'recipe')}, {size:.1f} MB{state}")


@sources_group.command("import", short_help="Copy the files of a bundle into the store.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--public-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Refuse a bundle that is not signed by one of the OpenSSH keys in this file.",
)
def import_command(bundle: Path, public_key: Path | None) -> None:
    """Copy the files of a bundle, an archive or a folder, into the store, each checked against its sha256 first.

    Example: everywheel sources import sources.tar --public-key release.pub
    """
    files = import_bundle(bundle, store=open_store().root, public_key=public_key)
    state = "" if public_key is None else f", from a bundle that is signed by a key in {public_key}"
    echo(f"{count_noun(len(files), 'file is', 'files are')} in the store{state}")


COMMAND = sources_group
