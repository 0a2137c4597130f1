"""plan and build."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click
from rich.table import Table

from everywheel.cli.options import (
    engine_option,
    jobs_option,
    json_option,
    linkage_option,
    offline_option,
    profile_option,
    target_option,
    timeout_option,
)
from everywheel.cli.progress import ProgressDisplay, make_console, show_failures
from everywheel.cli.run_plan import choose_for, exit_code, run_targets
from everywheel.cli.tables import print_table
from everywheel.config.project import Project, load_project, wheel_name
from everywheel.config.recipe import Linkage
from everywheel.errors import UsageError
from everywheel.execution.jobserver import default_jobs
from everywheel.execution.scheduler import Outcome, Result
from everywheel.libraries.features import can_run
from everywheel.pipeline import BuildOptions, find_missing, plan_targets
from everywheel.planning.plan import finish_plan
from everywheel.planning.steps import Plan, Step, WheelStep
from everywheel.platforms.target import Target
from everywheel.smoke.matrix_entries import is_for_this_python
from everywheel.store.local import Store, default_store
from everywheel.toolchains.compilers import EngineName
from everywheel.wheels.wheelhouse import export_wheels


@click.command("plan", short_help="Show what would be built, and what is in the store already.")
@target_option
@engine_option
@profile_option
@linkage_option
@json_option
@click.pass_obj
def plan_command(
    root: Path, targets: tuple[str, ...], engine: str, profiles: tuple[str, ...], linkage: str, as_json: bool
) -> None:
    """Show every step of a build with its key, and whether the store has it already. Nothing is done.

    Example: everywheel plan --target musllinux_1_2_aarch64
    """
    project, name = load_project(root, profiles, Linkage(linkage)), EngineName(engine)
    _show_plan(project, choose_for(name, project, targets), name, as_json=as_json)


def _show_plan(project: Project, targets: Sequence[Target], engine: EngineName, *, as_json: bool) -> None:
    store = Store(default_store())
    in_containers = engine is EngineName.CONTAINER
    plan = _plan_containers(project, targets) if in_containers else plan_targets(project, targets, engine)
    missing = find_missing(plan, store).steps
    states = {
        id: "build" if id in missing else "cached" if store.find(step.key) else "not needed"
        for id, step in plan.steps.items()
    }
    if as_json:
        steps = [
            {
                "id": id,
                "kind": step.kind,
                "name": step.name,
                "version": step.version,
                "target": step.platform,
                "key": step.key,
                "state": states[id],
                "requires": list(step.requires),
            }
            for id, step in plan.steps.items()
        ]
        click.echo(json.dumps({"steps": steps}, indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("step", "version", "target", "key", ""):
        table.add_column(column, no_wrap=True)
    for id, step in plan.steps.items():
        table.add_row(step.name, step.version, step.platform, step.key[:12], states[id])
    print_table(table)
    click.echo(f"{len(plan.steps)} steps, {len(missing)} to build")


@click.command("build", short_help="Build the wheels: libraries, extension, repair, audit.")
@target_option
@click.option(
    "--targets",
    "which",
    type=click.Choice(["project", "release", "all"]),
    default="project",
    show_default=True,
    help="Without --target: the project's `targets`, its `release-targets`, or all and the source distribution.",
)
@jobs_option
@offline_option
@timeout_option
@click.option("--keep-workspaces", "keep", is_flag=True, help="Keep the workspaces of finished steps.")
@click.option("--dry-run", is_flag=True, help="Show what would be built and stop.")
@engine_option
@profile_option
@linkage_option
@click.option("--runtime", metavar="NAME", help="For containers: docker or podman [default: whichever answers].")
@json_option
@click.pass_context
def build_command(
    ctx: click.Context,
    targets: tuple[str, ...],
    which: str,
    jobs: int | None,
    offline: bool,
    timeout: int,
    keep: bool,
    dry_run: bool,
    engine: str,
    profiles: tuple[str, ...],
    linkage: str,
    runtime: str | None,
    as_json: bool,
) -> None:
    """Build the project's wheel for every target (or those named), each repaired and audited, into its wheelhouse.

    What the store has is not built again. What fails stops only what depends on it.

    Example: everywheel build --target manylinux_2_28_aarch64
    """
    project, name = load_project(ctx.obj, profiles, Linkage(linkage)), EngineName(engine)
    everything = which == "all" and not targets
    if which == "project" or targets:
        chosen = choose_for(name, project, targets)
    else:
        chosen = project.every_target if everything else project.released
    if dry_run:
        _show_plan(project, chosen, name, as_json=as_json)
        return
    if name is EngineName.CONTAINER and project.linkage is Linkage.SYSTEM:
        raise UsageError(
            "wheels that open the system's libraries are not built in containers", hint="leave out `--engine`"
        )
    store = Store(default_store())
    options = BuildOptions(jobs=jobs or default_jobs(), engine=name, offline=offline, keep=keep, timeout=timeout)
    if name is EngineName.CONTAINER:
        plan, results = _run_containers(project, chosen, store, options, runtime, quiet=as_json)
    else:
        plan, results = run_targets(project, chosen, store, options, quiet=as_json)
    wheels = export_wheels(plan, store, _wheelhouse(project, name))
    # A wheel from a container has passed its tests there; one that takes its libraries from the system asks for a system
    # that has them, which this machine need not be.
    elsewhere = name is EngineName.CONTAINER or project.linkage is Linkage.SYSTEM
    here = {} if elsewhere else {id: (plan.steps[id].target, path) for id, path in wheels.items()}
    smoked = smoke_runnable(project, here, store, offline=offline)
    if as_json:
        click.echo(json.dumps(_describe(results, plan, wheels), indent=1))
    else:
        _print_wheels(project, plan, results, wheels, smoked)
    code = exit_code(results)
    if everything and code == 0 and name is EngineName.ZIG:
        from everywheel.cli.release import make_sdist

        sdist, code = make_sdist(project, chosen[0], store, replace(options, keep=False), quiet=as_json)
        if sdist is not None and not as_json:
            click.echo(f"built: {_relative(sdist)} ({sdist.stat().st_size / 1e6:.2f} MB)")
    ctx.exit(code)


def _print_wheels(
    project: Project, plan: Plan, results: Sequence[Result], wheels: Mapping[str, Path], smoked: Sequence[str]
) -> None:
    built = {result.id for result in results if result.outcome is Outcome.DONE}
    for id, step in plan.steps.items():
        if id in wheels:
            state = "built" if id in built else "up to date"
            used = ", installed and used here" if id in smoked else ""
            click.echo(f"{state}: {_relative(wheels[id])} ({wheels[id].stat().st_size / 1e6:.2f} MB){used}")
        elif isinstance(step, WheelStep):
            click.echo(f"missing: {wheel_name(project, step.target, step.python)}")


def _wheelhouse(project: Project, engine: EngineName) -> Path:
    """Return where wheels go: only zig's shared ones are released, and no other may be taken for one of them."""
    released = engine is EngineName.ZIG and project.linkage is Linkage.SHARED
    return project.wheelhouse if released else project.wheelhouse / f"{engine}-{project.linkage}"


def _plan_containers(project: Project, targets: Sequence[Target]) -> Plan:
    from everywheel.containers.build_wheels import choose_image, plan_container
    from everywheel.containers.catalog import find_catalog, load_catalog
    from everywheel.containers.runtime import find_runtime

    catalog = load_catalog(find_catalog(project.root))
    steps: dict[str, Step] = {}
    with find_runtime() as runtime:
        for target in targets:
            steps |= plan_container(project, choose_image(target, catalog, runtime.images, pull=False)).steps
    return finish_plan(steps)


def _run_containers(
    project: Project,
    targets: Sequence[Target],
    store: Store,
    options: BuildOptions,
    runtime: str | None,
    *,
    quiet: bool,
) -> tuple[Plan, tuple[Result, ...]]:
    # Imported here: no other build needs a container's client.
    from everywheel.containers.build_wheels import build_wheels_in_containers
    from everywheel.containers.catalog import find_catalog, load_catalog
    from everywheel.containers.cibuildwheel import check_extension
    from everywheel.containers.runtime import find_runtime

    check_extension(project)
    console = make_console()
    catalog = load_catalog(find_catalog(project.root))
    with find_runtime(runtime) as client, ProgressDisplay(console, len(targets), quiet=quiet) as screen:
        plan, results = build_wheels_in_containers(
            project, targets, catalog, store, client, options, screen, progress=screen.fetch
        )
    if any(result.error is not None for result in results):
        show_failures(console, results)
    return plan, results


def smoke_runnable(
    project: Project, wheels: Mapping[str, tuple[Target, Path]], store: Store, *, offline: bool
) -> tuple[str, ...]:
    """Install and use each wheel, by its step, that this machine and this very Python can run; return their steps."""
    runnable = {id: path for id, (target, path) in wheels.items() if can_run(target) and is_for_this_python(path.name)}
    if runnable:
        from everywheel.smoke import run_local_smoke_test

        for path in runnable.values():
            run_local_smoke_test(project, path, store, offline=offline)
    return tuple(runnable) if project.smoke.command else ()


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _describe(results: Sequence[Result], plan: Plan, wheels: Mapping[str, Path]) -> dict[str, object]:
    return {
        "steps": [
            {
                "id": result.id,
                "outcome": result.outcome,
                "seconds": round(result.seconds, 2),
                "error": result.error.render() if result.error else None,
            }
            for result in results
        ],
        "wheels": [
            {"target": plan.steps[id].target.tag, "path": str(path), "size": path.stat().st_size}
            for id, path in wheels.items()
        ],
    }


COMMANDS = (plan_command, build_command)
