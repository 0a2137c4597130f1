"""Command `sdk`: libraries for programs in other languages."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path

import click

from everywheel.cli.options import Selection, build_options, library_selection_options, target_set_option
from everywheel.cli.output import echo
from everywheel.cli.project_source import find_recipe_project
from everywheel.cli.run_plan import choose_targets, exit_code, list_target_set, run_plan
from everywheel.cli.store_lease import open_store
from everywheel.config.collection import suggest_recipe
from everywheel.config.project import Project
from everywheel.config.recipe import Linkage
from everywheel.config.target_settings import TargetSettings
from everywheel.errors import UsageError, count_noun
from everywheel.pipeline import BuildOptions
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import finish_plan, plan_libraries
from everywheel.planning.step_keys import Identities
from everywheel.planning.steps import Plan, Step
from everywheel.platforms.target import Target, build_machine_target, parse_target
from everywheel.sdk.assembly import assemble_sdk
from everywheel.sdk.documents import MANIFEST
from everywheel.sdk.packing import pack_all
from everywheel.sdk.verification import verify_program, verify_sdk
from everywheel.toolchains.compilers import EngineName
from everywheel.wheels.wheelhouse import open_unfinished

PROFILE = "sdk"
"""The profile of a recipe that an SDK has by default."""


@click.command("sdk", short_help="Build archives of libraries for programs in other languages.")
@click.argument("recipes", nargs=-1, metavar="[RECIPE]...")
@library_selection_options
@target_set_option
@build_options
@click.option(
    "--output-dir",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("sdk"),
    show_default=True,
    metavar="DIR",
    help="Folder for the archives.",
)
@click.option("--wheel", is_flag=True, help="Also write a wheel: `python -m RECIPE_sdk --pkg-config-path`.")
@click.option("--npm", is_flag=True, help="Also write an npm package.")
@click.option(
    "--check", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Check an unpacked SDK instead."
)
@click.option(
    "--program", "programs", type=click.Path(path_type=Path), multiple=True, help="With --check, also a linked program."
)
@click.pass_context
def sdk_command(
    ctx: click.Context,
    recipes: tuple[str, ...],
    selection: Selection,
    target_set: str,
    options: BuildOptions,
    output_dir: Path,
    wheel: bool,
    npm: bool,
    folder: Path | None,
    programs: tuple[Path, ...],
) -> None:
    """Build an archive for each target: shared libraries, archives, headers, files for pkg-config and CMake.

    Without recipe names, it has the shared libraries of the project. With names, no project is needed: outside of one, the
    built-in recipes are used.

    Example: everywheel sdk libvips --target musllinux_1_2_x86_64
    """
    if folder is not None:
        _check_sdk(folder, selection.targets, programs)
        return
    if programs:
        raise UsageError("--program needs an SDK", hint="name its folder with --check")
    if selection.engine is EngineName.CONTAINER:
        raise UsageError("the container engine builds no SDK", hint="`everywheel sdk` without --engine")
    project = selection.load_project(find_recipe_project(ctx, ctx.obj, has_recipes=bool(recipes)))
    roots = _choose_recipes(project, recipes)
    targets = choose_targets(
        project, selection.targets or _list_default_tags(project, recipes, target_set), selection.engine
    )
    store, identities = open_store(), find_identities(selection.engine)
    chosen = dict(choice.split("=", 1) for choice in selection.profiles)
    profile = chosen.get(roots[0], PROFILE)
    plans = {}
    for linkage in (Linkage.STATIC, Linkage.SHARED):
        changed = prepare_project(project, roots, linkage, chosen)
        plan = plan_sdk(changed, targets, roots, identities)
        run_options = dataclasses.replace(options, engine=selection.engine, results=tuple(plan.libraries))
        if code := exit_code(run_plan(plan, changed, store, run_options)):
            ctx.exit(code)
        plans[linkage] = plan
    for target in targets:
        facts, entries = assemble_sdk(plans, target, roots, "" if profile == PROFILE else profile, store)
        for name, content in pack_all(facts, entries, wheel=wheel, npm=npm):
            with open_unfinished(output_dir / name) as unfinished:
                unfinished.write_bytes(content)
            echo(f"{output_dir / name}: {len(content) / 1e6:.1f} MB, sha256 {hashlib.sha256(content).hexdigest()}")


def _check_sdk(folder: Path, tags: Sequence[str], programs: Sequence[Path]) -> None:
    if len(tags) > 1:
        raise UsageError("an SDK is for one target", hint="name one with --target")
    manifest = verify_sdk(folder, parse_target(tags[0]) if tags else None)
    for program in programs:
        verify_program(program, folder, manifest)
    echo(f"{manifest.title}: {count_noun(len(manifest.files), 'file')} as in {MANIFEST}")


def _list_default_tags(project: Project, recipes: Sequence[str], target_set: str) -> tuple[str, ...]:
    """Return the tags of the targets without --target: of this machine for named recipes, else those of a target set."""
    return (
        (build_machine_target().tag,) if recipes and target_set == "project" else list_target_set(project, target_set)
    )


def _choose_recipes(project: Project, recipes: Sequence[str]) -> tuple[str, ...]:
    for recipe in recipes:
        if recipe not in project.recipes:
            raise UsageError(f"there is no recipe '{recipe}'", hint=suggest_recipe(recipe, project.recipes))
    roots = tuple(dict.fromkeys(recipes)) or tuple(r for r in project.requires if r in project.shared)
    if not roots:
        raise UsageError("the project has no shared library", hint="name a recipe: `everywheel sdk RECIPE`")
    return roots


def prepare_project(project: Project, roots: Sequence[str], linkage: Linkage, chosen: Collection[str] = ()) -> Project:
    """Return the project with an SDK's recipes in one linkage, and with their profile for it, unless they are in `chosen`."""
    profiles = {
        name: recipe.profiles[PROFILE]
        for name in roots
        if name not in chosen and PROFILE in (recipe := project.recipes[name]).profiles
    }
    settings = TargetSettings(requires=tuple(roots), shared=tuple(roots) if linkage is Linkage.SHARED else ())
    return dataclasses.replace(
        project,
        linkage=linkage,
        target_settings=settings,
        overrides=(),
        features={**project.features, **profiles},
    )


def plan_sdk(project: Project, targets: Sequence[Target], roots: Sequence[str], identities: Identities) -> Plan:
    """Plan the recipes of an SDK with their requirements, in the linkage of the project."""
    steps: dict[str, Step] = {}
    for target in targets:
        steps |= plan_libraries(project, target, roots, identities)
    return finish_plan(steps)


COMMAND = sdk_command
