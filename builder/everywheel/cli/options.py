"""Options that several commands have."""

from __future__ import annotations

import click

from everywheel.config.recipe import Linkage
from everywheel.toolchains.compilers import EngineName

target_option = click.option(
    "--target", "-t", "targets", multiple=True, metavar="TAG", help="Only this target; may be given several times."
)
jobs_option = click.option(
    "--jobs", "-j", type=click.IntRange(1), help="Jobs for the whole machine [default: processors]."
)
offline_option = click.option("--offline", is_flag=True, help="Use the store alone, never the network.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print machine-readable JSON on standard output.")
engine_option = click.option(
    "--engine",
    type=click.Choice([name.value for name in EngineName]),
    default=EngineName.ZIG.value,
    show_default=True,
    help="Where steps run: zig cross-compiles here, container builds in build images, native with this machine's compilers.",
)
profile_option = click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="RECIPE=NAME",
    help="Another profile of a recipe than the project's.",
)
linkage_option = click.option(
    "--linkage",
    type=click.Choice([name.value for name in Linkage]),
    default=Linkage.SHARED.value,
    show_default=True,
    help="How libraries reach the module: as the project's `shared` says, all inside it, or none: it opens the system's.",
)
timeout_option = click.option(
    "--timeout", type=click.IntRange(1), default=1800, show_default=True, help="Seconds for all downloads together."
)
