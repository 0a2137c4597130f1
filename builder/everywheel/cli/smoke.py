"""Command `smoke`: run wheels on the distribution images that their tags claim."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from everywheel.audit.wheel_contents import read_wheel_contents
from everywheel.cli.options import (
    collect_options,
    jobs_option,
    json_option,
    offline_option,
    runtime_option,
    verbose_option,
)
from everywheel.cli.output import echo, make_table, print_table
from everywheel.cli.progress import make_console, open_display
from everywheel.cli.project_source import config_option
from everywheel.cli.smoke_project import open_smoke_project
from everywheel.cli.smoke_statements import StatementOptions, statement_options
from everywheel.cli.store_lease import open_store
from everywheel.cli.wheel_arguments import list_wheels
from everywheel.config.project import Project
from everywheel.containers.catalog import Catalog, find_catalog, load_catalog
from everywheel.containers.image_provider import ImageProvider
from everywheel.containers.runtime import find_runtime
from everywheel.errors import NothingSelectedError, UsageError, find_page
from everywheel.execution.jobserver import default_jobs
from everywheel.smoke.html_report import check_writable, write_html_report
from everywheel.smoke.matrix import SmokeContext, make_smoke_tasks, run_smoke_tasks
from everywheel.smoke.matrix_entries import MatrixEntry, make_entries, split_wheels, wheel_target
from everywheel.smoke.modules import list_modules
from everywheel.smoke.non_linux import find_blocker, make_non_linux_tasks
from everywheel.smoke.result import PASSED_STATES, SmokeResult, SmokeState, name_columns
from everywheel.smoke.summary import check_required_runs, check_results, list_notes, list_untestable
from everywheel.smoke.wine import WineContext
from everywheel.toolchains.build_tools import ensure_tools

_STYLES = {SmokeState.PASSED: "green", SmokeState.FAILED: "bold red", SmokeState.ERROR: "bold red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeOptions:
    """Options of a run of wheels: `timeout` in seconds, `memory` and `tmpfs_size` in megabytes, each for one container."""

    images: tuple[str, ...]
    runtime: str | None
    jobs: int | None
    offline: bool
    timeout: int
    memory: int
    tmpfs_size: int
    command: str | None
    index_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelSelection:
    """The wheels of a run: those for Linux with their matrix entries, and `non_linux` ones for macOS and Windows."""

    project: Project
    catalog: Catalog
    linux: tuple[Path, ...]
    non_linux: tuple[Path, ...]
    entries: tuple[MatrixEntry, ...]

    def check(self) -> None:
        """Raise NothingSelectedError when the tag of no Linux wheel claims a selected image."""
        if self.linux and not self.entries:
            raise NothingSelectedError(
                "no wheel is for any of the selected images", hint="`everywheel images list` lists the images"
            )


_RUN_OPTIONS = (
    click.option("--image", "-i", "images", multiple=True, metavar="NAME", help="Use only this image; repeatable."),
    click.option("--command", metavar="TEXT", help="Run this instead of the project's smoke command."),
    click.option(
        "--timeout",
        type=click.IntRange(1),
        default=900,
        show_default=True,
        metavar="SECONDS",
        help="Time limit for one container.",
    ),
    click.option(
        "--memory",
        type=click.IntRange(64),
        default=2048,
        show_default=True,
        metavar="MB",
        help="Memory limit for one container.",
    ),
    click.option(
        "--tmpfs-size",
        type=click.IntRange(16),
        default=1024,
        show_default=True,
        metavar="MB",
        help="Size of /tmp in a container.",
    ),
    runtime_option,
    jobs_option,
    offline_option,
    verbose_option,
)
_index_url_option = click.option(
    "--index-url", default="", metavar="URL", help="Install by name from this index, not from files."
)
run_options = collect_options("options", SmokeOptions, *_RUN_OPTIONS)
smoke_options = collect_options("options", SmokeOptions, *_RUN_OPTIONS, _index_url_option)


@click.command("smoke", short_help="Run wheels on the distributions that their tags claim.")
@click.argument("wheels", nargs=-1, required=True, type=click.Path(path_type=Path))
@smoke_options
@config_option
@click.option("--require-run", is_flag=True, help="Fail unless every wheel that this machine can run passed.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the matrix as an HTML page.")
@statement_options
@click.option("--dry-run", is_flag=True, help="List wheels and images, and stop.")
@json_option
@click.pass_obj
def smoke_command(
    root: Path,
    wheels: tuple[Path, ...],
    options: SmokeOptions,
    config: Path | None,
    require_run: bool,
    html: Path | None,
    statements: StatementOptions,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import wheels' modules on every system that their tags claim; run a project's smoke command.

    Example: everywheel smoke wheelhouse/*.whl --html smoke.html
    """
    with open_smoke_project(root, config) as project:
        selection = select_wheels(root, project, wheels, options)
        if not (dry_run and selection.non_linux):
            selection.check()
        if dry_run:
            _print_entries(selection, as_json=as_json)
            return
        if html is not None:
            check_writable(html)
        smoke_wheels(selection, options, statements, require_run=require_run, html=html, as_json=as_json)


def select_wheels(root: Path, project: Project, wheels: Sequence[Path], options: SmokeOptions) -> WheelSelection:
    """Match wheels with the images that they claim; raise UsageError for a missing wheel or one with nothing to test."""
    if options.command:
        smoke = dataclasses.replace(project.smoke, command=tuple(shlex.split(options.command)))
        project = dataclasses.replace(project, smoke=smoke)
    paths = list_wheels(wheels, hint="`everywheel build` writes finished wheels to wheelhouse/")
    catalog = load_catalog(find_catalog(root))
    linux, non_linux = split_wheels(paths)
    entries = make_entries(linux, catalog.select(options.images))
    _check_purpose(project, paths)
    return WheelSelection(project=project, catalog=catalog, linux=linux, non_linux=non_linux, entries=entries)


def smoke_wheels(
    selection: WheelSelection,
    options: SmokeOptions,
    statements: StatementOptions | None = None,
    *,
    require_run: bool = False,
    html: Path | None = None,
    as_json: bool = False,
) -> None:
    """Run wheels and print the matrix; raise SmokeError when one fails."""
    statements = statements or StatementOptions()
    if statements.statements is not None and options.index_url:
        raise UsageError("--statements is about files, which --index-url does not test", hint="leave out one of them")
    hashes = statements.start((*selection.linux, *selection.non_linux))
    results = _run(selection, options, quiet=as_json)
    # The reports come before any error, so that they are complete when a result fails the run.
    statements.write(hashes, results, selection.project.smoke)
    if html is not None:
        write_html_report(results, html, f"{selection.project.name} {selection.project.version}")
    if as_json:
        echo(json.dumps([dataclasses.asdict(result) for result in results], indent=1))
    else:
        print_table(make_matrix_table(results))
    for note in list_notes(results):
        echo(note, err=True)
    check_results(results)
    if require_run:
        wheels = (*selection.linux, *selection.non_linux)
        check_required_runs(
            wheels, results, list_untestable(wheels, selection.entries, selection.catalog.portable_pythons)
        )
    if not selection.linux and not any(result.state in PASSED_STATES for result in results):
        pages = f"{find_page('macos.md')} and {find_page('windows.md')}"
        hint = f"{pages} describe how to test wheels on macOS and Windows machines"
        raise NothingSelectedError("no wheel was run", hint=hint)


def _check_purpose(project: Project, wheels: Sequence[Path]) -> None:
    """Raise UsageError for a wheel with nothing to import, or that cannot be read, if there is no smoke command either."""
    for wheel in wheels if not project.smoke.command else ():
        if not list_modules(wheel, project.smoke):
            contents, findings = read_wheel_contents(wheel)
            if contents is None:
                raise UsageError(f"{wheel}: {findings[0].message}", hint="build the wheel again")
            raise UsageError(
                f"{wheel}: no extension module to import, and [tool.everywheel] has no smoke command",
                hint='add `smoke = { requires = ["pytest"], command = ["python", "-m", "pytest", "tests"] }`',
            )


def _run(selection: WheelSelection, options: SmokeOptions, *, quiet: bool) -> tuple[SmokeResult, ...]:
    """Run the matrix entries in containers, and the wheels for other systems under Wine or as an audit."""
    store = open_store()
    wine = WineContext(project=selection.project, store=store, timeout=options.timeout, offline=options.offline)
    with ExitStack() as stack:
        tasks = make_non_linux_tasks(selection.non_linux, wine)
        if selection.entries:
            runtime = stack.enter_context(find_runtime(options.runtime))
            runtime.remove_orphaned_containers()
            context = SmokeContext(
                project=selection.project,
                catalog=selection.catalog,
                runtime=runtime,
                store=store,
                image_provider=ImageProvider(runtime.images, store, offline=options.offline),
                tools=ensure_tools(store.root, offline=options.offline),
                timeout=options.timeout,
                memory=options.memory << 20,
                tmpfs_size=options.tmpfs_size << 20,
                offline=options.offline,
                index=options.index_url,
            )
            tasks = (*make_smoke_tasks(selection.entries, context), *tasks)
        display = stack.enter_context(open_display(make_console(), total=len(tasks), quiet=quiet))
        return run_smoke_tasks(tasks, options.jobs or default_jobs(), display)


def _print_entries(selection: WheelSelection, *, as_json: bool) -> None:
    if as_json:
        rows = [{"wheel": entry.wheel.name, "image": entry.image.name} for entry in selection.entries]
        echo(json.dumps([*rows, *({"wheel": wheel.name, "image": None} for wheel in selection.non_linux)], indent=1))
        return
    for entry in selection.entries:
        echo(entry.id)
    for wheel in selection.non_linux:
        echo(f"{wheel.name}: audit{'' if find_blocker(wheel.name, wheel_target(wheel)) else ', Wine'}")


def make_matrix_table(results: Sequence[SmokeResult]) -> Table:
    """Return images as rows and wheels as columns; a cell has the Python version that ran, or why the wheel did not run."""
    columns = name_columns(results)
    table = make_table("image", "libc", *columns.values())
    for image in dict.fromkeys(result.image for result in results):
        row = {result.wheel: result for result in results if result.image == image}
        libc = next(iter(row.values())).libc
        table.add_row(image, libc, *(_format_cell(row.get(wheel)) for wheel in columns))
    return table


def _format_cell(result: SmokeResult | None) -> Text:
    if result is None:
        return Text("·", style="dim")
    style = _STYLES.get(result.state, "yellow")
    if result.state not in PASSED_STATES:
        return Text(result.state.value, style=style)
    passed = "ok" if result.state is SmokeState.PASSED else ""
    parts = (passed, result.python, result.emulator, f"{result.test_seconds:.1f}s")
    return Text(" ".join(part for part in parts if part), style=style)


COMMAND = smoke_command
