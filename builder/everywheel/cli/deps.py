"""Command `deps`: the libraries without the extension."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path

import click

from everywheel.cli.options import Selection, build_options, selection_options
from everywheel.cli.output import echo
from everywheel.cli.project_source import find_recipe_project
from everywheel.cli.run_plan import choose_targets, exit_code, run_plan
from everywheel.cli.store_lease import open_store
from everywheel.config.collection import suggest_recipe
from everywheel.config.project import Project
from everywheel.errors import UsageError, count_noun
from everywheel.pipeline import BuildOptions
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import finish_plan, plan_libraries
from everywheel.planning.step_keys import Identities
from everywheel.planning.steps import ANY_PLATFORM, Plan, Step, StepKind
from everywheel.platforms.target import Target, build_machine_target
from everywheel.store.local import Store
from everywheel.toolchains.compilers import EngineName
from everywheel.wheels.build_env import remove_bundled_archives


@click.command("deps", short_help="Build the libraries only, and unpack them as a prefix.")
@click.argument("recipes", nargs=-1, metavar="[RECIPE]...")
@selection_options
@build_options
@click.option(
    "--output-dir", "-o", type=click.Path(path_type=Path), metavar="DIR", help="Unpack each target's prefix as DIR/TAG."
)
@click.option(
    "--prefix", type=click.Path(path_type=Path), metavar="DIR", help="Unpack a single target's prefix to DIR."
)
@click.option(
    "--image-identity",
    hidden=True,
    help="Identity of the build image that this command runs in, for the keys of the native engine.",
)
@click.pass_context
def deps_command(
    ctx: click.Context,
    recipes: tuple[str, ...],
    selection: Selection,
    options: BuildOptions,
    output_dir: Path | None,
    prefix: Path | None,
    image_identity: str | None,
) -> None:
    """Build every library that the extension links against, and unpack them as a prefix on request.

    With recipe names, build these and their requirements instead, for this machine unless a target is named. This needs
    no project: outside of one, the built-in recipes are used.

    Example: everywheel deps --target musllinux_1_2_x86_64 --output-dir prefixes
    """
    if selection.engine is EngineName.CONTAINER:
        raise UsageError(
            "the container engine does not build libraries without a wheel",
            hint="`everywheel build --engine container`",
        )
    project = selection.load_project(find_recipe_project(ctx, ctx.obj, has_recipes=bool(recipes)))
    for recipe in recipes:
        if recipe not in project.recipes:
            raise UsageError(f"there is no recipe '{recipe}'", hint=suggest_recipe(recipe, project.recipes))
    tags = selection.targets
    if recipes and not tags and selection.engine is EngineName.ZIG:
        tags = (build_machine_target().tag,)
    targets = choose_targets(project, tags, selection.engine)
    if prefix is not None and len(targets) != 1:
        raise UsageError(
            f"--prefix is for one target, not {len(targets)}", hint="name one with --target, or use --output-dir"
        )
    store = open_store()
    plan = _plan_deps(project, targets, find_identities(selection.engine, image_identity), recipes)
    # A prefix consists of all libraries, also of those that others contain.
    needed = tuple(id for id, step in plan.libraries.items() if step.kind is StepKind.LIBRARY)
    results = run_plan(plan, project, store, dataclasses.replace(options, engine=selection.engine, results=needed))
    if exit_code(results) == 0:
        for target in targets:
            folder = prefix if prefix is not None else output_dir / target.tag if output_dir is not None else None
            count = _unpack_prefix(plan, target, store, folder, project.for_target(target).requires)
            echo(f"{target.tag}: {count_noun(count, 'library', 'libraries')} in {folder or 'the store'}")
    ctx.exit(exit_code(results))


def _plan_deps(project: Project, targets: Sequence[Target], identities: Identities, recipes: Sequence[str]) -> Plan:
    """Plan the libraries that the extension links against, or the named recipes with their requirements.

    The headers of Python are not planned: a build of the extension has those of its own Python.
    """
    steps: dict[str, Step] = {}
    for target in targets:
        steps |= plan_libraries(project, target, recipes or project.for_target(target).requires, identities)
    return finish_plan(steps)


def _unpack_prefix(plan: Plan, target: Target, store: Store, folder: Path | None, keep: Collection[str]) -> int:
    """Unpack a target's libraries into a folder, if there is one, and return their number."""
    platforms = (target.tag, ANY_PLATFORM)
    steps = [s for s in plan.libraries.values() if s.platform in platforms and s.kind is StepKind.LIBRARY]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for step in steps:
            store.unpack(step.key, folder)
        remove_bundled_archives(plan, steps, folder, keep=keep)
    return len(steps)


COMMAND = deps_command
