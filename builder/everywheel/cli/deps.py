"""deps and shell: the libraries without the extension, and where one of them is built."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import click

from everywheel.cli.options import (
    engine_option,
    jobs_option,
    linkage_option,
    offline_option,
    profile_option,
    target_option,
    timeout_option,
)
from everywheel.cli.run_plan import choose_for, exit_code, run_plan
from everywheel.config.project import Project, load_project
from everywheel.config.recipe import Linkage, suggest
from everywheel.errors import NothingSelectedError, UsageError
from everywheel.execution.jobserver import default_jobs
from everywheel.execution.process import run_interactive
from everywheel.libraries.build import prepare_workspace
from everywheel.libraries.context import BuildContext
from everywheel.pipeline import BuildOptions, find_missing, plan_targets
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import finish_plan, plan_libraries
from everywheel.planning.steps import ANY_PLATFORM, Plan, Step, StepKind
from everywheel.platforms.target import Target, build_machine_target, parse_target
from everywheel.sources import fetch_sources, find_locations, list_source_files
from everywheel.store.local import Store, default_store
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.engines import start_engine
from everywheel.wheels.build_env import remove_bundled_archives


@click.command("deps", short_help="Build the libraries only and lay out a prefix.")
@click.argument("recipes", nargs=-1, metavar="[RECIPE]...")
@target_option
@jobs_option
@offline_option
@timeout_option
@click.option(
    "--output-dir", "-o", type=click.Path(path_type=Path), help="Unpack the prefix of each target below this folder."
)
@click.option("--prefix", type=click.Path(path_type=Path), help="Unpack the only target's prefix as this very folder.")
@engine_option
@profile_option
@linkage_option
@click.pass_context
def deps_command(
    ctx: click.Context,
    recipes: tuple[str, ...],
    targets: tuple[str, ...],
    jobs: int | None,
    offline: bool,
    timeout: int,
    output_dir: Path | None,
    prefix: Path | None,
    engine: str,
    profiles: tuple[str, ...],
    linkage: str,
) -> None:
    """Build all that the extension links against, without the extension, and optionally unpack it.

    With the names of recipes, build these and what they require instead: for this machine unless a target is named.

    Example: everywheel deps --target musllinux_1_2_x86_64 --output-dir prefixes
    """
    name = EngineName(engine)
    if name is EngineName.CONTAINER:
        raise UsageError("libraries alone are not built in containers", hint="`everywheel build --engine container`")
    project = load_project(ctx.obj, profiles, Linkage(linkage))
    for recipe in recipes:
        if recipe not in project.recipes:
            raise UsageError(f"there is no recipe '{recipe}'", hint=suggest(recipe, project.recipes))
    if recipes and not targets and name is EngineName.ZIG:
        targets = (build_machine_target().tag,)
    chosen = choose_for(name, project, targets)
    if prefix is not None and len(chosen) != 1:
        raise UsageError(
            f"--prefix is for one target, not {len(chosen)}", hint="name one with --target, or use --output-dir"
        )
    store = Store(default_store())
    libraries = _plan_deps(project, chosen, name, recipes)
    options = BuildOptions(jobs=jobs or default_jobs(), engine=name, offline=offline, timeout=timeout)
    results = run_plan(libraries, project, store, options)
    if exit_code(results) == 0:
        for target in chosen:
            place = prefix if prefix is not None else output_dir / target.tag if output_dir is not None else None
            count = _lay_out(libraries, target, store, place)
            click.echo(f"{target.tag}: {count} libraries in {place or 'the store'}")
    ctx.exit(exit_code(results))


def _plan_deps(project: Project, targets: Sequence[Target], engine: EngineName, recipes: Sequence[str]) -> Plan:
    """Plan what the extension links against, or the named recipes with what they require."""
    if not recipes:
        # The headers of two Pythons would lie in one place.
        plan = plan_targets(dataclasses.replace(project, pythons=project.pythons[:1]), targets, engine)
        return plan.select(id for id, step in plan.steps.items() if step.kind is StepKind.LIBRARY)
    identities = find_identities(engine)
    steps: dict[str, Step] = {}
    for target in targets:
        steps |= plan_libraries(project, target, recipes, identities)
    return finish_plan(steps)


def _lay_out(libraries: Plan, target: Target, store: Store, place: Path | None) -> int:
    """Unpack a target's libraries as a prefix that an extension can be linked against; return how many there are."""
    platforms = (target.tag, ANY_PLATFORM)
    steps = [s for s in libraries.libraries.values() if s.platform in platforms and s.kind is StepKind.LIBRARY]
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
        for step in steps:
            store.unpack(step.key, place)
        remove_bundled_archives(libraries, steps, place)
    return len(steps)


@click.command("shell", short_help="Open a shell in a recipe's workspace.")
@click.argument("recipe")
@click.option("--target", "-t", metavar="TAG", help="The target [default: the project's first].")
@click.option("--run", "command", help="Run this command there instead of an interactive shell.")
@offline_option
@click.pass_context
def shell_command(ctx: click.Context, recipe: str, target: str | None, command: str | None, offline: bool) -> None:
    """Open a shell where a recipe is built: its patched source, its prefix, and the compilers of the target on PATH.

    A workspace that a failed build left is opened as it is; otherwise a new one is made.

    Example: everywheel shell libvips --target musllinux_1_2_aarch64
    """
    project = load_project(ctx.obj)
    if recipe not in project.recipes:
        raise UsageError(f"there is no recipe '{recipe}'", hint=suggest(recipe, project.recipes))
    chosen = parse_target(target) if target else project.targets[0]
    store = Store(default_store())
    plan = finish_plan(plan_libraries(project, chosen, [recipe], find_identities()))
    step = next((s for s in plan.libraries.values() if s.name == recipe), None)
    if step is None:
        raise NothingSelectedError(f"nothing builds '{recipe}' for {chosen.tag}")
    needs = find_missing(plan.select(step.requires), store)
    if needs.steps:
        options = BuildOptions(jobs=default_jobs(), offline=offline)
        results = run_plan(plan.select(step.requires), project, store, options)
        if exit_code(results):
            ctx.exit(exit_code(results))
    tools = ensure_tools(store.root, offline=offline)
    engine = start_engine(EngineName.ZIG, store, tools)
    context = BuildContext(store=store, engine=engine, tools=tools, sources={}, environment={})
    workspace = context.workspace(step)
    if (workspace / "toolchain").is_dir():
        click.echo(f"kept workspace: {workspace}", err=True)
    else:
        wanted = list_source_files([project.recipes[recipe]])
        sources = fetch_sources(wanted, store=store.root, locations=find_locations(), offline=offline)
        prepare_workspace(dataclasses.replace(context, sources=sources), step, plan)
        click.echo(f"new workspace: {workspace}", err=True)
    ours = (workspace / "toolchain" / "bin", workspace / "build-prefix" / "bin", tools.bin)
    path = os.pathsep.join([*map(str, ours), os.environ.get("PATH", "")])
    cache = str(store.root / "zig")
    environment = {**os.environ, "PATH": path, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    shell = os.environ.get("SHELL", "/bin/sh")
    words = [shell, "-c", command] if command else [shell]
    ctx.exit(run_interactive(words, cwd=workspace, env=environment))


COMMANDS = (deps_command, shell_command)
