"""smoke: each wheel on each system that it claims."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from everywheel.cli.options import jobs_option, json_option, offline_option
from everywheel.cli.progress import ProgressDisplay, make_console
from everywheel.cli.tables import print_table
from everywheel.config.project import load_project
from everywheel.containers.catalog import find_catalog, load_catalog
from everywheel.containers.image_provider import ImageProvider
from everywheel.containers.runtime import find_runtime
from everywheel.errors import NothingSelectedError, UsageError
from everywheel.execution.jobserver import default_jobs
from everywheel.smoke.html_report import check_writable, write_html_report
from everywheel.smoke.matrix import SmokeContext, make_smoke_tasks, run_smoke_tasks
from everywheel.smoke.matrix_entries import MatrixEntry, make_entries, split_wheels, wheel_target
from everywheel.smoke.non_linux import find_blocker, make_non_linux_tasks
from everywheel.smoke.result import RAN, SmokeResult, State, name_columns
from everywheel.smoke.summary import check_required_runs, check_results, list_notes, list_untestable
from everywheel.smoke.wine import WineContext
from everywheel.store.local import Store, default_store
from everywheel.toolchains.build_tools import ensure_tools

runtime_option = click.option("--runtime", metavar="NAME", help="docker or podman [default: whichever answers].")
_STYLES = {State.PASSED: "green", State.FAILED: "bold red", State.ERROR: "bold red"}


@click.command("smoke", short_help="Try wheels on the systems that they claim.")
@click.argument("wheels", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--image", "-i", "images", multiple=True, metavar="NAME", help="Only on this image; may be repeated.")
@runtime_option
@jobs_option
@offline_option
@click.option(
    "--timeout", type=click.IntRange(1), default=900, show_default=True, help="Seconds for one container, or Wine."
)
@click.option("--memory", type=click.IntRange(64), default=2048, show_default=True, help="Megabytes for one container.")
@click.option(
    "--tmpfs-size", type=click.IntRange(16), default=1024, show_default=True, help="Megabytes of /tmp in one."
)
@click.option("--command", help="Another command than the project's; `python` in it is the image's.")
@click.option(
    "--index-url", default="", metavar="URL", help="Install by name from this package index, not from the files."
)
@click.option("--require-run", is_flag=True, help="Fail when a wheel passed nowhere that could have been run here.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the matrix as a page.")
@click.option("--dry-run", is_flag=True, help="Show which wheel would be tried on which image and stop.")
@json_option
@click.pass_obj
def smoke_command(
    root: Path,
    wheels: tuple[Path, ...],
    images: tuple[str, ...],
    runtime: str | None,
    jobs: int | None,
    offline: bool,
    timeout: int,
    memory: int,
    tmpfs_size: int,
    command: str | None,
    index_url: str,
    require_run: bool,
    html: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Install wheels, without network, on every system that their tags claim, and run the project's smoke command there.

    Systems are container images: pulled by digest where the catalog has one, made from packages where it says how.
    Where neither can be had, the symbols that the wheel needs are looked up in that C library, and the cell says so. Wheels
    for macOS and Windows are audited, those for Windows run under Wine where it is installed, and never counted as smoked.
    With --require-run a wheel that passed nowhere fails the run (exit code 6), unless nothing here could ever run its like.

    Example: everywheel smoke wheelhouse/*.whl --html smoke.html
    """
    project = load_project(root)
    if command:
        project = dataclasses.replace(
            project, smoke=dataclasses.replace(project.smoke, command=tuple(shlex.split(command)))
        )
    if not project.smoke.command:
        raise UsageError(
            f"{root / 'pyproject.toml'}: [tool.everywheel] has no smoke command",
            hint='add `smoke = { requires = ["pytest"], command = ["python", "-m", "pytest", "tests"] }`',
        )
    for missing in (wheel for wheel in wheels if not wheel.is_file()):
        raise UsageError(f"{missing}: no such file", hint="name a finished wheel, such as wheelhouse/*.whl")
    catalog = load_catalog(find_catalog(root))
    here, others = split_wheels(wheels)
    pairs = make_entries(here, catalog.select(images))
    if here and not pairs and not (dry_run and others):
        raise NothingSelectedError("no wheel claims any of these images", hint="`everywheel images list` shows them")
    if dry_run:
        _print_trials(pairs, others)
        return
    if html is not None:
        check_writable(html)
    store = Store(default_store())
    with ExitStack() as stack:
        trials = make_non_linux_tasks(
            others, WineContext(project=project, store=store, timeout=timeout, offline=offline)
        )
        if pairs:
            engine = stack.enter_context(find_runtime(runtime))
            context = SmokeContext(
                project=project,
                catalog=catalog,
                runtime=engine,
                store=store,
                image_provider=ImageProvider(engine.images, store, offline=offline),
                tools=ensure_tools(store.root, offline=offline),
                timeout=timeout,
                memory=memory << 20,
                tmpfs_size=tmpfs_size << 20,
                offline=offline,
                index=index_url,
            )
            trials = (*make_smoke_tasks(pairs, context), *trials)
        screen = stack.enter_context(ProgressDisplay(make_console(), len(trials), quiet=as_json))
        cells = run_smoke_tasks(trials, jobs or default_jobs(), screen)
    # Whatever the cells say, what was seen is told first.
    if html is not None:
        write_html_report(cells, html, f"{project.name} {project.version}")
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(cell) for cell in cells], indent=1))
    else:
        print_table(make_matrix_table(cells))
    for note in list_notes(cells):
        click.echo(note, err=True)
    check_results(cells)
    if require_run:
        check_required_runs((*here, *others), cells, list_untestable((*here, *others), pairs, catalog.pythons))
    if not here and not any(cell.state in RAN for cell in cells):
        hint = "docs/macos.md and docs/windows.md say how runners of its own system try a wheel"
        raise NothingSelectedError("no wheel was run", hint=hint)


def _print_trials(pairs: Sequence[MatrixEntry], others: Sequence[Path]) -> None:
    """Print what would be tried."""
    for one in pairs:
        click.echo(one.id)
    for wheel in others:
        click.echo(f"{wheel.name}: its audit{'' if find_blocker(wheel.name, wheel_target(wheel)) else ', and Wine'}")


def make_matrix_table(cells: Sequence[SmokeResult]) -> Table:
    """Return systems by wheels: a cell shows the Python that ran, or why none did."""
    columns = name_columns(cells)
    table = Table(box=None, pad_edge=False)
    for column in ("image", "libc", *columns.values()):
        table.add_column(column, no_wrap=True)
    for image in dict.fromkeys(cell.image for cell in cells):
        row = {cell.wheel: cell for cell in cells if cell.image == image}
        libc = next(iter(row.values())).libc
        table.add_row(image, libc, *(_mark(row.get(wheel)) for wheel in columns))
    return table


def _mark(cell: SmokeResult | None) -> Text:
    if cell is None:
        return Text("·", style="dim")
    if cell.state not in RAN:
        return Text(cell.state.value, style=_STYLES.get(cell.state, "yellow"))
    words = (*(("ok",) if cell.state is State.PASSED else ()), cell.python, cell.emulator, f"{cell.test_seconds:.1f}s")
    return Text(" ".join(word for word in words if word), style=_STYLES.get(cell.state, "yellow"))


COMMANDS = (smoke_command,)
