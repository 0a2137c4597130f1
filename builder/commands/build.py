"""plan, build, deps and shell."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from rich.table import Table

from builder.build import Options, build_plan, default_jobs, find_missing, put_wheels, start_engine
from builder.check import can_run
from builder.commands.printing import print_table
from builder.compatible import is_for_this_python
from builder.engine import EngineName
from builder.engine.library import Site, prepare
from builder.engine.native import native_facts, native_target
from builder.errors import NothingSelectedError, UsageError
from builder.execute import Outcome, Result
from builder.finish import drop_inside
from builder.identity import packaging_identity, toolchain_identity
from builder.plan import Kind, Plan, Step, finish_plan, make_plan, plan_libraries
from builder.project import Project, load_project, wheel_name
from builder.recipe import Linkage, suggest
from builder.report import Screen, make_console, show_failures
from builder.sources import fetch_sources, find_places, list_wanted
from builder.store import Store, default_store
from builder.target import Target, build_machine_target, parse_target
from builder.tools import ensure_tools

target_option = click.option(
    "--target", "-t", "targets", multiple=True, metavar="TAG", help="Only this target; may be given several times."
)
jobs_option = click.option(
    "--jobs", "-j", type=click.IntRange(1), help="Jobs for the whole machine [default: processors]."
)
offline_option = click.option("--offline", is_flag=True, help="Use the store alone, never the network.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print machine-readable JSON on standard output.")
engine_option = click.option(
    "--engine", type=click.Choice([name.value for name in EngineName]), default=EngineName.ZIG.value, show_default=True,
    help="Where steps run: zig cross-compiles here, container builds in build images, native with this machine's compilers.",
)  # fmt: skip
profile_option = click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="RECIPE=NAME",
    help="Another profile of a recipe than the project's.",
)
linkage_option = click.option(
    "--linkage", type=click.Choice([name.value for name in Linkage]), default=Linkage.SHARED.value, show_default=True,
    help="How libraries reach the module: as the project's `shared` says, all inside it, or none: it opens the system's.",
)  # fmt: skip
timeout_option = click.option(
    "--timeout", type=click.IntRange(1), default=1800, show_default=True, help="Seconds for all downloads together."
)


def choose_targets(project: Project, targets: Sequence[str]) -> tuple[Target, ...]:
    """Return the targets named on the command line, else the project's own; raise UsageError for an unknown one."""
    return tuple(dict.fromkeys(parse_target(tag) for tag in targets)) or project.targets


def plan_project(project: Project, targets: Sequence[Target], engine: EngineName = EngineName.ZIG) -> Plan:
    """Plan a project for an engine that works on this very machine."""
    facts = native_facts() if engine is EngineName.NATIVE else ""
    return make_plan(project, targets, toolchain=toolchain_identity(engine, facts), packaging=packaging_identity())


def run_plan(
    plan: Plan,
    project: Project,
    store: Store,
    *,
    jobs: int | None,
    offline: bool,
    timeout: int,
    keep: bool,
    quiet: bool,
    engine: EngineName = EngineName.ZIG,
) -> tuple[Result, ...]:
    """Build a plan with progress; print every failure."""
    missing = find_missing(plan, store)
    console = make_console()
    options = Options(jobs=jobs or default_jobs(), engine=engine, offline=offline, timeout=timeout, keep=keep)
    with Screen(console, len(missing.steps), len(plan.steps) - len(missing.steps), quiet) as screen:
        results = build_plan(plan, store, options, screen, project=project, progress=screen.fetch)
    if any(result.error is not None for result in results):
        show_failures(console, results)
    return results


def exit_code(results: Sequence[Result]) -> int:
    """Return the exit code of the first failure, or 0."""
    return next((result.error.exit_code for result in results if result.error is not None), 0)


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
    project = load_project(root, profiles, Linkage(linkage))
    store = Store(default_store())
    chosen = _choose_for(EngineName(engine), project, targets)
    if engine == EngineName.CONTAINER:
        plan = _plan_containers(project, chosen)
    else:
        plan = plan_project(project, chosen, EngineName(engine))
    missing = find_missing(plan, store).steps
    states = {
        id: "build" if id in missing else "cached" if store.find(step.key) else "not needed"
        for id, step in plan.steps.items()
    }
    if as_json:
        steps = [
            {"id": id, "kind": step.kind, "name": step.name, "version": step.version, "target": step.place,
             "key": step.key, "state": states[id], "requires": list(step.requires)}
            for id, step in plan.steps.items()
        ]  # fmt: skip
        click.echo(json.dumps({"steps": steps}, indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("step", "version", "target", "key", ""):
        table.add_column(column, no_wrap=True)
    for id, step in plan.steps.items():
        table.add_row(step.name, step.version, step.place, step.key[:12], states[id])
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
@click.option("--keep", is_flag=True, help="Keep the workspaces of finished steps.")
@click.option("--dry-run", is_flag=True, help="Show what would be built and stop.")
@engine_option
@profile_option
@linkage_option
@click.option("--runtime", metavar="NAME", help="For containers: docker or podman [default: whichever answers].")
@json_option
@click.pass_context
def build_command(
    ctx: click.Context, targets: tuple[str, ...], which: str, jobs: int | None, offline: bool, timeout: int, keep: bool,
    dry_run: bool, engine: str, profiles: tuple[str, ...], linkage: str, runtime: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Build the project's wheel for every target (or those named), each repaired and audited, into its wheelhouse.

    What the store has is not built again. What fails stops only what depends on it.

    Example: everywheel build --target manylinux_2_28_aarch64
    """
    everything = which == "all" and not targets
    if which != "project" and not targets:
        known = load_project(ctx.obj)
        targets = tuple(target.tag for target in (known.every_target if everything else known.released))
    if dry_run:
        ctx.invoke(plan_command, targets=targets, engine=engine, profiles=profiles, linkage=linkage, as_json=as_json)
        return
    project = load_project(ctx.obj, profiles, Linkage(linkage))
    name = EngineName(engine)
    if name is EngineName.CONTAINER and project.linkage is Linkage.SYSTEM:
        raise UsageError(
            "wheels that open the system's libraries are not built in containers", hint="leave out `--engine`"
        )
    chosen = _choose_for(name, project, targets)
    store = Store(default_store())
    if name is EngineName.CONTAINER:
        options = Options(jobs=jobs or default_jobs(), engine=name, offline=offline, timeout=timeout)
        plan, results = _run_containers(project, chosen, store, options, runtime, quiet=as_json)
    else:
        plan = plan_project(project, chosen, name)
        results = run_plan(
            plan, project, store, jobs=jobs, offline=offline, timeout=timeout, keep=keep, quiet=as_json, engine=name
        )
    wheels = put_wheels(plan, store, _wheelhouse(project, name))
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
        from builder.commands.release import make_sdist

        sdist, code = make_sdist(
            project, chosen[0], store, jobs=jobs, offline=offline, timeout=timeout, quiet=as_json
        )  # fmt: skip
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
        elif step.python is not None:
            click.echo(f"missing: {wheel_name(project, step.target, step.python)}")


def _choose_for(engine: EngineName, project: Project, targets: Sequence[str]) -> tuple[Target, ...]:
    """Return the targets; the native engine builds for its own machine unless told otherwise."""
    if engine is EngineName.NATIVE and not targets:
        return (native_target(),)
    return choose_targets(project, targets)


def _wheelhouse(project: Project, engine: EngineName) -> Path:
    """Return where wheels go: only zig's shared ones are released, and no other may be taken for one of them."""
    released = engine is EngineName.ZIG and project.linkage is Linkage.SHARED
    return project.wheelhouse if released else project.wheelhouse / f"{engine}-{project.linkage}"


def _plan_containers(project: Project, targets: Sequence[Target]) -> Plan:
    from builder.build_containers import choose_image, plan_container
    from builder.images.catalog import find_catalogue, load_catalogue
    from builder.runtime import find_runtime

    catalogue = load_catalogue(find_catalogue(project.root))
    steps: dict[str, Step] = {}
    with find_runtime() as runtime:
        for target in targets:
            steps |= plan_container(project, choose_image(target, catalogue, runtime, pull=False)).steps
    return finish_plan(steps)


def _run_containers(
    project: Project, targets: Sequence[Target], store: Store, options: Options, runtime: str | None, *, quiet: bool
) -> tuple[Plan, tuple[Result, ...]]:
    # Imported here: no other build needs a container's client.
    from builder.build_containers import build_containers
    from builder.engine.container import check_extension
    from builder.images.catalog import find_catalogue, load_catalogue
    from builder.runtime import find_runtime

    check_extension(project)
    console = make_console()
    catalogue = load_catalogue(find_catalogue(project.root))
    with find_runtime(runtime) as client, Screen(console, len(targets), quiet=quiet) as screen:
        plan, results = build_containers(
            project, targets, catalogue, store, client, options, screen, progress=screen.fetch
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
        from builder.smoke import smoke_here

        for path in runnable.values():
            smoke_here(project, path, store, offline=offline)
    return tuple(runnable) if project.smoke.command else ()


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _describe(results: Sequence[Result], plan: Plan, wheels: Mapping[str, Path]) -> dict[str, object]:
    return {
        "steps": [
            {"id": result.id, "outcome": result.outcome, "seconds": round(result.seconds, 2),
             "error": result.error.render() if result.error else None}
            for result in results
        ],
        "wheels": [
            {"target": plan.steps[id].target.tag, "path": str(path), "size": path.stat().st_size}
            for id, path in wheels.items()
        ],
    }  # fmt: skip


@click.command("deps", short_help="Build the libraries only and lay out a prefix.")
@click.argument("recipes", nargs=-1, metavar="[RECIPE]...")
@target_option
@jobs_option
@offline_option
@timeout_option
@click.option("--into", type=click.Path(path_type=Path), help="Unpack the prefix of each target below this folder.")
@click.option("--prefix", type=click.Path(path_type=Path), help="Unpack the only target's prefix as this very folder.")
@engine_option
@profile_option
@linkage_option
@click.pass_context
def deps_command(
    ctx: click.Context, recipes: tuple[str, ...], targets: tuple[str, ...], jobs: int | None, offline: bool, timeout: int,
    into: Path | None, prefix: Path | None, engine: str, profiles: tuple[str, ...], linkage: str,
) -> None:  # fmt: skip
    """Build all that the extension links against, without the extension, and optionally unpack it.

    With the names of recipes, build these and what they require instead: for this machine unless a target is named.

    Example: everywheel deps --target musllinux_1_2_x86_64 --into prefixes
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
    chosen = _choose_for(name, project, targets)
    if prefix is not None and len(chosen) != 1:
        raise UsageError(f"--prefix is for one target, not {len(chosen)}", hint="name one with --target, or use --into")
    store = Store(default_store())
    libraries = _plan_deps(project, chosen, name, recipes)
    results = run_plan(
        libraries, project, store, jobs=jobs, offline=offline, timeout=timeout, keep=False, quiet=False, engine=name
    )
    if exit_code(results) == 0:
        for target in chosen:
            place = prefix if prefix is not None else into / target.tag if into is not None else None
            count = _lay_out(libraries, target, store, place)
            click.echo(f"{target.tag}: {count} libraries in {place or 'the store'}")
    ctx.exit(exit_code(results))


def _plan_deps(project: Project, targets: Sequence[Target], engine: EngineName, recipes: Sequence[str]) -> Plan:
    """Plan what the extension links against, or the named recipes with what they require."""
    if not recipes:
        # The headers of two Pythons would lie in one place.
        plan = plan_project(dataclasses.replace(project, pythons=project.pythons[:1]), targets, engine)
        return plan.select(id for id, step in plan.steps.items() if step.kind is Kind.LIBRARY)
    toolchain = toolchain_identity(engine, native_facts() if engine is EngineName.NATIVE else "")
    steps: dict[str, Step] = {}
    for target in targets:
        steps |= plan_libraries(project, target, recipes, toolchain=toolchain)
    return finish_plan(steps)


def _lay_out(libraries: Plan, target: Target, store: Store, place: Path | None) -> int:
    """Unpack a target's libraries as a prefix that an extension can be linked against; return how many there are."""
    steps = [s for s in libraries.steps.values() if s.place in (target.tag, "any") and s.kind is Kind.LIBRARY]
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
        for step in steps:
            store.unpack(step.key, place)
        drop_inside(libraries, [step.id for step in steps], place)
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
    steps = plan_libraries(project, chosen, [recipe], toolchain=toolchain_identity())
    plan = finish_plan(steps)
    step = next((s for s in plan.steps.values() if s.name == recipe), None)
    if step is None:
        raise NothingSelectedError(f"nothing builds '{recipe}' for {chosen.tag}")
    needs = find_missing(plan.select(step.requires), store)
    if needs.steps:
        results = run_plan(
            plan.select(step.requires),
            project,
            store,
            jobs=None,
            offline=offline,
            timeout=1800,
            keep=False,
            quiet=False,
        )
        if exit_code(results):
            ctx.exit(exit_code(results))
    tools = ensure_tools(store.root, offline=offline)
    engine = start_engine(EngineName.ZIG, store, tools)
    site = Site(store=store, engine=engine, tools=tools, sources={}, environment={})
    workspace = site.workspace(step)
    if (workspace / "toolchain").is_dir():
        click.echo(f"kept workspace: {workspace}", err=True)
    else:
        wanted = list_wanted([project.recipes[recipe]])
        sources = fetch_sources(wanted, store=store.root, places=find_places(), offline=offline)
        prepare(dataclasses.replace(site, sources=sources), step, plan)
        click.echo(f"new workspace: {workspace}", err=True)
    ours = (workspace / "toolchain" / "bin", workspace / "build-prefix" / "bin", tools.bin)
    path = os.pathsep.join([*map(str, ours), os.environ.get("PATH", "")])
    cache = str(store.root / "zig")
    environment = {**os.environ, "PATH": path, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    shell = os.environ.get("SHELL", "/bin/sh")
    words = [shell, "-c", command] if command else [shell]
    ctx.exit(subprocess.run(words, cwd=workspace, env=environment, check=False).returncode)


COMMANDS = (plan_command, build_command, deps_command, shell_command)
