"""Command `build`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from everywheel.cli.backend_interpreters import provide_interpreters
from everywheel.cli.debug_symbols import build_debug_symbols, check_debug_symbols
from everywheel.cli.failures import describe_interruption
from everywheel.cli.options import (
    Selection,
    build_and_keep_options,
    json_option,
    runtime_option,
    selection_options,
    shard_option,
    target_set_option,
)
from everywheel.cli.output import echo
from everywheel.cli.plan import show_plan
from everywheel.cli.progress import make_console, open_display, show_failures
from everywheel.cli.project_source import find_project
from everywheel.cli.run_plan import STEPS_ARE_KEPT, apply_target_set, choose_targets, exit_code
from everywheel.cli.run_targets import choose_machines, run_targets
from everywheel.cli.sdist import make_sdist
from everywheel.cli.store_lease import open_store
from everywheel.cli.trace import TraceFiles, trace_options
from everywheel.cli.wheel_tests import check_wheels
from everywheel.config.file_names import wheel_name
from everywheel.config.project import Project
from everywheel.config.recipe import Linkage
from everywheel.config.settings_file import SETTINGS_FILE
from everywheel.errors import UsageError
from everywheel.execution.scheduler import Outcome, Result
from everywheel.pipeline import BuildOptions
from everywheel.planning.shards import ShardNumber
from everywheel.planning.steps import Plan, WheelStep
from everywheel.platforms.target import Target
from everywheel.recognition.rust import reject_rust
from everywheel.store.local import Store
from everywheel.toolchains.compilers import EngineName
from everywheel.wheels.wheelhouse import export_wheels


@dataclass(frozen=True, slots=True, kw_only=True)
class _Build:
    """A finished build: its plan, the results of the steps that ran, and the exported wheels by step."""

    plan: Plan
    results: tuple[Result, ...]
    wheels: Mapping[str, Path]


@click.command("build", short_help="Build the wheels: libraries, extension, repair, audit.")
@click.argument("project_name", metavar="[PATH|SDIST|NAME==VERSION]", required=False)
@selection_options
@target_set_option
@build_and_keep_options
@shard_option
@click.option(
    "--executor",
    metavar="URL",
    help="Cluster that builds: dask://127.0.0.1:8786, or tls://HOST:8786 beyond this machine.",
)
@click.option(
    "--step-timeout",
    type=click.IntRange(1),
    default=3600,
    metavar="SECONDS",
    hidden=True,
    help="With --executor: time after which another worker builds a step.",
)
@click.option(
    "--wheelhouse",
    "-w",
    type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
    metavar="DIR",
    help="Directory for the wheels [default: wheelhouse].",
)
@click.option("--debug-symbols", is_flag=True, help="Also write debug files by build id, next to the wheels for Linux.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@runtime_option
@trace_options
@json_option
@click.pass_context
@describe_interruption(STEPS_ARE_KEPT)
def build_command(
    ctx: click.Context,
    project_name: str | None,
    selection: Selection,
    options: BuildOptions,
    target_set: str,
    shard: ShardNumber | None,
    executor: str | None,
    step_timeout: int,
    wheelhouse: Path | None,
    debug_symbols: bool,
    dry_run: bool,
    runtime: str | None,
    files: TraceFiles,
    as_json: bool,
) -> None:
    """Build, repair and audit the wheels of a folder, an sdist or a project on the index.

    Example: everywheel build --target manylinux_2_28_aarch64
    """
    root = find_project(project_name, offline=options.offline) if project_name else ctx.obj
    with_sdist = shard is None and target_set == "all" and not selection.targets and selection.engine is EngineName.ZIG
    selection = apply_target_set(selection, target_set, root)
    if dry_run:
        show_plan(root, selection, as_json=as_json, shard=shard)
        return
    project = _load_project(selection, root, wheelhouse)
    targets = choose_targets(project, selection.targets, selection.engine)
    store = open_store()
    options = dataclasses.replace(options, engine=selection.engine)
    where = choose_machines(shard, executor, selection, step_timeout)
    check_debug_symbols(options.engine, where, is_requested=debug_symbols)
    if options.engine is EngineName.CONTAINER:
        _check_container_options(project, files)
    else:
        project = provide_interpreters(project, store, options, quiet=as_json)
    if options.engine is EngineName.CONTAINER and where is None:
        plan, results = _run_containers(project, targets, store, options, runtime, quiet=as_json)
    else:
        plan, results = run_targets(project, targets, store, options, quiet=as_json, files=files, where=where)
    wheels = export_wheels(plan, store, wheelhouse or choose_wheelhouse(project, options.engine))
    build = _Build(plan=plan, results=results, wheels=wheels)
    code = _finish(project, build, store, options, debug_symbols=debug_symbols, as_json=as_json)
    if with_sdist and code == 0:
        code = _build_sdist(project, targets[0], store, options, quiet=as_json)
    ctx.exit(code)


def _finish(
    project: Project, build: _Build, store: Store, options: BuildOptions, *, debug_symbols: bool, as_json: bool
) -> int:
    """Test the wheels, write their debug files if requested, and print the results; return the exit code."""
    tested = _test_locally(project, build, store, options)
    if not as_json:
        _print_wheels(project, build, tested)
    code = exit_code(build.results)
    debug: Mapping[str, Sequence[Path]] = {}
    try:
        if debug_symbols and code == 0:
            code, debug = build_debug_symbols(build.plan, project, store, options, build.wheels, quiet=as_json)
    finally:
        if as_json:
            echo(json.dumps(_describe(build, store, debug), indent=1))
    return code


def _build_sdist(project: Project, target: Target, store: Store, options: BuildOptions, *, quiet: bool) -> int:
    """Build the source distribution next to the wheels, and return the exit code."""
    sdist, code = make_sdist(project, target, store, dataclasses.replace(options, keep=False), quiet=quiet)
    if sdist is not None and not quiet:
        echo(f"built: {_relative(sdist)} ({sdist.stat().st_size / 1e6:.2f} MB)")
    return code


def _load_project(selection: Selection, root: Path, wheelhouse: Path | None) -> Project:
    """Load the project, with `wheelhouse` for its wheels if it is given; raise UsageError for modules in Rust."""
    project = selection.load_project(root)
    reject_rust(project.name, project.backend)
    return project if wheelhouse is None else dataclasses.replace(project, wheelhouse=wheelhouse)


def choose_wheelhouse(project: Project, engine: EngineName) -> Path:
    """Return the folder for wheels; only zig's `shared` wheels are released, so all others have folders of their own."""
    released = engine is EngineName.ZIG and project.linkage is Linkage.SHARED
    return project.wheelhouse if released else project.wheelhouse / f"{engine}-{project.linkage}"


def _run_containers(
    project: Project,
    targets: Sequence[Target],
    store: Store,
    options: BuildOptions,
    runtime: str | None,
    *,
    quiet: bool,
) -> tuple[Plan, tuple[Result, ...]]:
    # Imported here: no other engine needs a container runtime.
    from everywheel.containers.build_wheels import ContainerContext, build_wheels_in_containers
    from everywheel.containers.catalog import find_catalog, load_catalog
    from everywheel.containers.runtime import find_runtime

    console = make_console()
    catalog = load_catalog(find_catalog(project.root))
    with find_runtime(runtime) as client, open_display(console, total=len(targets), quiet=quiet) as display:
        client.remove_orphaned_containers()
        context = ContainerContext(project=project, catalog=catalog, store=store, runtime=client, options=options)
        plan, results = build_wheels_in_containers(context, targets, display, progress=display.fetch)
    show_failures(console, results)
    return plan, results


def _check_container_options(project: Project, files: TraceFiles) -> None:
    """Raise UsageError for options that the container engine does not support.

    A command in a container has no settings but those of the project's pyproject.toml.
    """
    from everywheel.containers.cibuildwheel import check_cibuildwheel_config

    for option, file in (("--trace", files.trace), ("--html", files.page)):
        if file is not None:
            raise UsageError("the container engine writes no trace", hint=f"leave out `{option}`")
    if project.linkage is Linkage.SYSTEM:
        raise UsageError("the container engine does not build `system` wheels", hint="leave out `--engine`")
    if project.settings_folder != project.root or (project.root / SETTINGS_FILE).exists():
        raise UsageError(
            "the container engine needs the settings in [tool.everywheel] of pyproject.toml",
            hint="move them there, or leave out `--engine`",
        )
    if project.environment or project.overrides:
        raise UsageError(
            "the container engine does not support `environment` and `overrides`",
            hint="use `environment` and `overrides` of [tool.cibuildwheel], or leave out `--engine`",
        )
    check_cibuildwheel_config(project)


def _test_locally(project: Project, build: _Build, store: Store, options: BuildOptions) -> Mapping[str, str]:
    """Smoke-test the wheels that this machine and this interpreter can run; return what was tested by step."""
    if project.linkage is Linkage.SYSTEM:
        return {}  # it needs libraries that this machine may not have
    if options.engine is EngineName.CONTAINER:
        from everywheel.containers.user_settings import has_test_command

        if has_test_command(project):
            return {}
    return check_wheels(
        project, {id: (path, build.plan.steps[id].target) for id, path in build.wheels.items()}, store, options
    )


def _print_wheels(project: Project, build: _Build, tested: Mapping[str, str]) -> None:
    built = {result.id for result in build.results if result.outcome is Outcome.DONE}
    for id, step in build.plan.steps.items():
        if id in build.wheels:
            wheel = build.wheels[id]
            state = "built" if id in built else "up to date"
            note = f", {tested[id]}" if id in tested else ""
            echo(f"{state}: {_relative(wheel)} ({wheel.stat().st_size / 1e6:.2f} MB){note}")
        elif isinstance(step, WheelStep):
            # Only the plan has a version that the backend determines.
            planned = dataclasses.replace(project, version=step.version)
            echo(f"missing: {wheel_name(planned, step.target, step.python)}")


def _describe(build: _Build, store: Store, debug: Mapping[str, Sequence[Path]]) -> dict[str, object]:
    """Return the results and wheels as JSON values; `debug` are the debug files by step."""
    return {
        "steps": [
            {
                "id": result.id,
                "outcome": result.outcome,
                "seconds": round(result.seconds, 2),
                "error": result.error.render() if result.error else None,
            }
            for result in build.results
        ],
        "wheels": [
            {
                "target": build.plan.steps[id].target.tag,
                "path": str(path),
                "size": path.stat().st_size,
                "debug": [str(file) for file in debug.get(id, ())],
                "resolution": entry.resolution if (entry := store.find(build.plan.steps[id].key)) else "",
            }
            for id, path in build.wheels.items()
        ],
    }


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


COMMAND = build_command
