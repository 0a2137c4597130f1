"""smoke: each wheel on each system that it claims."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from builder.build import default_jobs
from builder.commands.options import jobs_option, json_option, offline_option
from builder.commands.printing import print_table
from builder.errors import NothingSelectedError, SmokeError, UsageError
from builder.images.catalog import find_catalogue, load_catalogue
from builder.images.supply import Supply
from builder.project import Project, load_project
from builder.report import Screen, make_console
from builder.runtime import find_runtime
from builder.smoke.elsewhere import look_at, split_wheels
from builder.smoke.matrix import Bench, Cell, State, name_columns, pair, smoke_matrix, wheel_target
from builder.smoke.page import check_writable, write_page
from builder.smoke.wine import try_wheel
from builder.store import Store, default_store
from builder.tools import ensure_tools

runtime_option = click.option("--runtime", metavar="NAME", help="docker or podman [default: whichever answers].")
_STYLES = {State.PASSED: "green", State.FAILED: "bold red", State.STATIC: "yellow", State.BROKEN: "bold red"}


@click.command("smoke", short_help="Try wheels on the systems that they claim.")
@click.argument("wheels", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--image", "-i", "images", multiple=True, metavar="NAME", help="Only on this image; may be repeated.")
@runtime_option
@jobs_option
@offline_option
@click.option("--timeout", type=click.IntRange(1), default=900, show_default=True, help="Seconds for one container.")
@click.option("--memory", type=click.IntRange(64), default=2048, show_default=True, help="Megabytes for one container.")
@click.option("--scratch", type=click.IntRange(16), default=1024, show_default=True, help="Megabytes of /tmp in one.")
@click.option("--command", help="Another command than the project's; `python` in it is the image's.")
@click.option("--index", default="", metavar="URL", help="Install by name from this package index, not from the files.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the matrix as a page.")
@click.option("--dry-run", is_flag=True, help="Show which wheel would be tried on which image and stop.")
@json_option
@click.pass_obj
def smoke_command(
    root: Path, wheels: tuple[Path, ...], images: tuple[str, ...], runtime: str | None, jobs: int | None, offline: bool,
    timeout: int, memory: int, scratch: int, command: str | None, index: str, html: Path | None, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Install wheels, without network, on every system that their tags claim, and run the project's smoke command there.

    Systems are container images: pulled by digest where the catalogue has one, made from packages where it says how.
    Where neither can be had, the symbols that the wheel needs are looked up in that C library, and the cell says so. Wheels
    for macOS and Windows are audited, those for Windows run under Wine where it is installed, and never counted as tried.

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
    catalogue = load_catalogue(find_catalogue(root))
    runnable, others = split_wheels(wheels)
    elsewhere = () if dry_run else tuple(map(look_at, others))
    under_wine = [_try_elsewhere(project, *one, offline=offline) for one in zip(others, elsewhere, strict=False)]
    if others and not runnable and not dry_run:
        _fail(elsewhere)
        if any(under_wine):
            return
        hint = "docs/macos.md and docs/windows.md say how runners of its own system try a wheel"
        raise NothingSelectedError("no wheel was run", hint=hint)
    pairs = pair(runnable, catalogue.choose(images))
    if not pairs and not (dry_run and others):
        raise NothingSelectedError("no wheel claims any of these images", hint="`everywheel images list` shows them")
    if dry_run:
        for one in pairs:
            click.echo(one.id)
        for wheel in others:
            click.echo(f"{wheel.name}: its audit{', and Wine' if wheel_target(wheel).os == 'windows' else ''}")
        return
    if html is not None:
        check_writable(html)
    store = Store(default_store())
    console = make_console()
    with find_runtime(runtime) as engine, Screen(console, len(pairs), quiet=as_json) as screen:
        bench = Bench(
            project=project, catalogue=catalogue, runtime=engine, store=store, supply=Supply(engine, store, offline=offline),
            tools=ensure_tools(store.root, offline=offline), timeout=timeout, memory=memory << 20, scratch=scratch << 20,
            offline=offline, index=index,
        )  # fmt: skip
        cells = (*smoke_matrix(pairs, bench, jobs or default_jobs(), screen), *elsewhere)
    if html is not None:
        write_page(cells, html, f"{project.name} {project.version}")
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(cell) for cell in cells], indent=1))
    else:
        _print_matrix(cells)
    _fail(cells)


def _try_elsewhere(project: Project, wheel: Path, cell: Cell, *, offline: bool) -> bool:
    """Say of a wheel for another system what was looked at; run one for Windows under Wine, and return whether it ran."""
    if cell.state is State.STATIC and wheel_target(wheel).os == "windows":
        tried = try_wheel(project, wheel, wheel_target(wheel), Store(default_store()), offline=offline)
        if tried.ran:
            click.echo(f"{wheel.name}: not smoked, since no Windows is here; {tried.words}", err=True)
        else:
            click.echo(f"not run: {wheel.name}: {cell.why}; {tried.words}", err=True)
        return tried.ran
    click.echo(f"not run: {wheel.name}: {cell.why}", err=True)
    return False


def _print_matrix(cells: Sequence[Cell]) -> None:
    """Print systems by wheels: a cell shows the Python that ran, or what kept it from running."""
    columns = name_columns(cells)
    table = Table(box=None, pad_edge=False)
    for column in ("image", "libc", *columns.values()):
        table.add_column(column, no_wrap=True)
    for image in dict.fromkeys(cell.image for cell in cells):
        row = {cell.wheel: cell for cell in cells if cell.image == image}
        libc = next(iter(row.values())).libc
        table.add_row(image, libc, *(_mark(row.get(wheel)) for wheel in columns))
    print_table(table)


def _mark(cell: Cell | None) -> Text:
    if cell is None or cell.state is State.UNCLAIMED:
        return Text("·", style="dim")
    if cell.state is not State.PASSED:
        return Text(cell.state.value, style=_STYLES[cell.state])
    through = f" {cell.cpu or 'QEMU'}" if cell.emulated else ""
    return Text(f"ok {cell.python}{through} {cell.test_seconds:.1f}s", style=_STYLES[cell.state])


def _fail(cells: Sequence[Cell]) -> None:
    bad = [cell for cell in cells if cell.state in (State.FAILED, State.BROKEN)]
    if not bad:
        return
    lines: list[str] = []
    for cell in bad:
        lines.append(f"{cell.wheel} on {cell.image}: {cell.why}")
        lines += [f"    {line}" for line in cell.evidence[:6]]
    raise SmokeError(
        f"{len(bad)} of {len(cells)} cells failed", excerpt=lines,
        hint="`--html FILE` writes everything that was seen; `--image NAME` tries one image alone",
    )  # fmt: skip


COMMANDS = (smoke_command,)
