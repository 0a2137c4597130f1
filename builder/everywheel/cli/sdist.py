"""Command `sdist`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from everywheel.cli.options import build_options
from everywheel.cli.output import echo
from everywheel.cli.run_plan import exit_code, run_plan
from everywheel.cli.store_lease import open_store
from everywheel.config.project import Project
from everywheel.pipeline import BuildOptions, plan_targets
from everywheel.planning.plan import wheel_id
from everywheel.platforms.target import Target, parse_target
from everywheel.recognition.project_loader import load_project
from everywheel.store.local import Store
from everywheel.toolchains.compilers import EngineName
from everywheel.wheels.build_lock import ensure_build_lock


def make_sdist(
    project: Project, target: Target, store: Store, options: BuildOptions, *, quiet: bool = False
) -> tuple[Path | None, int]:
    """Build the source distribution with a target's libraries; return its path (None after a failure) and exit code."""
    # Slow to import, and other commands have this one as a part.
    from everywheel.libraries.context import BuildContext, project_logs
    from everywheel.toolchains.build_tools import ensure_tools
    from everywheel.toolchains.engines import open_engine
    from everywheel.wheels.sdist import build_sdist

    project = ensure_build_lock(project, store, offline=options.offline)
    plan = plan_targets(project, [target])
    step = plan.wheels[wheel_id(project, target, project.python)]
    requirements = plan.select(step.requires)
    results = run_plan(requirements, project, store, replace(options, results=step.requires), quiet=quiet)
    if code := exit_code(results):
        return None, code
    tools = ensure_tools(store.root, offline=options.offline)
    with open_engine(EngineName.ZIG, store, tools) as engine:
        context = BuildContext(
            store=store,
            logs=project_logs(store, project),
            engine=engine,
            tools=tools,
            sources={},
            environment={},
            offline=options.offline,
        )
        return build_sdist(context, step, plan, project, project.wheelhouse), 0


@click.command("sdist", short_help="Build the source distribution.")
@click.option("--target", "-t", metavar="TAG", help="Target whose libraries are used [default: the project's first].")
@build_options
@click.pass_context
def sdist_command(ctx: click.Context, target: str | None, options: BuildOptions) -> None:
    """Build the extension's source distribution into the wheelhouse.

    The same sources always produce the same bytes. The libraries are built first, because a build backend may need them to
    collect the files.

    Example: everywheel sdist
    """
    project = load_project(ctx.obj)
    chosen = parse_target(target) if target else project.targets[0]
    path, code = make_sdist(project, chosen, open_store(), options)
    if path is not None:
        echo(f"built: {path.relative_to(project.root)} ({path.stat().st_size / 1e6:.2f} MB)")
    ctx.exit(code)


COMMAND = sdist_command
