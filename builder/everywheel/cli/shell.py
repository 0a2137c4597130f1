"""Command `shell`: a recipe's workspace with its compilers on PATH."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

import click

from everywheel.cli.options import build_options
from everywheel.cli.output import echo
from everywheel.cli.project_source import config_option
from everywheel.cli.run_plan import exit_code, run_plan
from everywheel.cli.store_lease import open_store
from everywheel.config.collection import suggest_recipe
from everywheel.config.project import Project
from everywheel.errors import NothingSelectedError, UsageError
from everywheel.execution.process import run_interactive
from everywheel.libraries.build import prepare_workspace
from everywheel.libraries.context import BuildContext, project_logs
from everywheel.pipeline import BuildOptions
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import finish_plan, plan_libraries
from everywheel.planning.steps import LibraryStep, Plan
from everywheel.platforms.target import parse_target
from everywheel.recognition.project_loader import load_project
from everywheel.sources.fetch import fetch_sources
from everywheel.sources.locations import find_locations
from everywheel.sources.request import list_source_files
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.engines import open_engine


@click.command("shell", short_help="Open a shell in a recipe's workspace.")
@click.argument("recipe")
@click.option("--target", "-t", metavar="TAG", help="The target [default: the project's first].")
@click.option("--run", "command", help="Run this command in the workspace instead of an interactive shell.")
@config_option
@build_options
@click.pass_context
def shell_command(
    ctx: click.Context,
    recipe: str,
    target: str | None,
    command: str | None,
    config: Path | None,
    options: BuildOptions,
) -> None:
    """Open a shell in the workspace of a recipe: patched source, prefix, and the target's compilers on PATH.

    The workspace of a failed build is opened as it is; otherwise a new one is prepared, and the recipe's requirements are
    built.

    Example: everywheel shell libvips --target musllinux_1_2_aarch64
    """
    project = load_project(ctx.obj, config=config)
    if recipe not in project.recipes:
        raise UsageError(f"there is no recipe '{recipe}'", hint=suggest_recipe(recipe, project.recipes))
    chosen = parse_target(target) if target else project.targets[0]
    store = open_store()
    plan = finish_plan(plan_libraries(project, chosen, [recipe], find_identities()))
    step = next((step for step in plan.libraries.values() if step.name == recipe), None)
    if step is None:
        raise NothingSelectedError(f"recipe '{recipe}' is not built for {chosen.tag}")
    requirements = plan.select(step.requires)
    results = run_plan(requirements, project, store, dataclasses.replace(options, results=step.requires))
    if exit_code(results):
        ctx.exit(exit_code(results))
    tools, logs = ensure_tools(store.root, offline=options.offline), project_logs(store, project)
    with open_engine(EngineName.ZIG, store, tools) as engine:
        engine.prime_cache(step.target)
        context = BuildContext(store=store, logs=logs, engine=engine, tools=tools, sources={}, environment={})
        workspace, environment = _open_workspace(project, plan, step, context, options)
        shell = os.environ.get("SHELL", "/bin/sh")
        args = [shell, "-c", command] if command else [shell]
        code = run_interactive(args, cwd=workspace, env=environment)
    ctx.exit(code)


def _open_workspace(
    project: Project, plan: Plan, step: LibraryStep, context: BuildContext, options: BuildOptions
) -> tuple[Path, Mapping[str, str]]:
    """Return the workspace of a step, which is prepared if it does not exist, and the environment for programs in it."""
    workspace = context.workspace(step)
    if (workspace / "toolchain").is_dir():
        echo(f"kept workspace: {workspace}", err=True)
    else:
        sources = fetch_sources(
            list_source_files([project.recipes[step.name]]),
            store=context.store.root,
            locations=find_locations(project.sources),
            offline=options.offline,
            timeout=options.timeout,
        )
        prepare_workspace(dataclasses.replace(context, sources=sources), step, plan)
        echo(f"new workspace: {workspace}", err=True)
    bin_dirs = (workspace / "toolchain" / "bin", workspace / "build-prefix" / "bin", context.tools.bin)
    path = os.pathsep.join([*map(str, bin_dirs), os.environ.get("PATH", "")])
    return workspace, {**os.environ, "PATH": path, **context.engine.compilers(step.target).environment}


COMMAND = shell_command
