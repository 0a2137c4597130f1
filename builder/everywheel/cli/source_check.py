"""Command `sources check`: every location of every pinned file, as a table or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

import click
from rich.table import Table
from rich.text import Text

from everywheel.cli.failures import describe_interruption
from everywheel.cli.options import json_option, timeout_option, verbose_option
from everywheel.cli.output import echo, make_table, print_table
from everywheel.cli.progress import make_console, open_display
from everywheel.cli.source_selection import find_source_settings, list_checked_recipes
from everywheel.cli.store_lease import open_store
from everywheel.config.recipe import Recipe, ResolvedRecipe
from everywheel.errors import SourceError, count_noun, printable_line
from everywheel.sources.check import CheckOptions, check_sources
from everywheel.sources.check_result import ORIGINS, Answer, CheckedFile, CheckedLocation, list_units
from everywheel.sources.locations import LocationKind, find_locations
from everywheel.sources.request import list_source_files

_STYLES = {Answer.RIGHT: "green", Answer.WRONG: "bold red", Answer.MISSING: "yellow", Answer.UNREACHABLE: "yellow"}
_KINDS = {kind.replace(" ", "-"): kind for kind in LocationKind}
_ENOUGH = 2  # independent locations
_ORIGIN_HINT = (
    "save what the store has: `everywheel sources bundle`; then pin files that exist: `everywheel recipes update`"
)
_COPY_HINT = (
    "`everywheel sources bundle --output FOLDER` writes the files of a mirror, and `sources fetch` those of the store"
)


@click.command("check", short_help="Try every location of every pinned file.")
@click.argument("names", nargs=-1, metavar="[RECIPE]...")
@click.option(
    "--location",
    "names_of_kinds",
    multiple=True,
    type=click.Choice(list(_KINDS)),
    metavar="KIND",
    help=f"Only these: {', '.join(_KINDS)}; repeatable.",
)
@click.option(
    "--jobs", "-j", type=click.IntRange(1), default=8, show_default=True, metavar="N", help="Parallel downloads."
)
@timeout_option
@verbose_option
@json_option
@click.pass_context
def check_command(
    ctx: click.Context, names: tuple[str, ...], names_of_kinds: tuple[str, ...], jobs: int, timeout: int, as_json: bool
) -> None:
    """Download every pinned file from each of its locations, and compare the bytes with the pinned sha256.

    Checks the recipes of the project's plan and its own recipes; outside of a project, the built-in ones. The last column of
    the table is the number of independent locations with the right bytes. The store and mirrors do not count, and
    neither does a second URL of the same operator. At most two files are fetched from one host at the same time. Right
    files that the store did not have are kept in it.

    The exit code is 4 if a file is at no independent location; with --location, if it is at none of these.

    Example: everywheel sources check libpng expat --location snapshot-service
    """
    kinds = tuple(_KINDS[name] for name in names_of_kinds)
    options = CheckOptions(
        locations=find_locations(find_source_settings(ctx.obj)),
        kinds=kinds or tuple(LocationKind),
        jobs=jobs,
        timeout=timeout,
    )
    files = _check(list_checked_recipes(ctx.obj, names), options, quiet=as_json)
    lost = [file for file in files if not file.is_available]
    if as_json:
        echo(json.dumps({"files": [_make_row(file) for file in files], "summary": _count(files)}, indent=1))
        ctx.exit(4 if lost else 0)
    print_table(_make_table(files))
    for line in _list_problems(files):
        echo(printable_line(line))
    echo(_summarize(files))
    if lost:
        raise _report(lost, kinds)


def _check(
    recipes: Iterable[Recipe | ResolvedRecipe], options: CheckOptions, *, quiet: bool
) -> tuple[CheckedFile, ...]:
    """Check the files of recipes, with a display of the progress."""
    store = open_store()
    with (
        open_display(make_console(), quiet=quiet, noun="locations") as display,
        describe_interruption("right files that arrived are in the store"),
    ):
        return check_sources(
            list_units(list_source_files(recipes)),
            store.root,
            options,
            on_begin=display.expect_total,
            on_answer=lambda answer: display.advance(*_describe(answer)),
            progress=display.fetch,
        )


def _report(lost: Sequence[CheckedFile], kinds: Sequence[LocationKind]) -> SourceError:
    number = count_noun(len(lost), "pinned file is", "pinned files are")
    return SourceError(
        f"{number} not available from: {', '.join(kinds)}" if kinds else f"{number} at no independent location",
        excerpt=[f"{file.unit.file.title}  sha256 {file.unit.file.sha256}" for file in lost],
        hint=_COPY_HINT if kinds and not ORIGINS & set(kinds) else _ORIGIN_HINT,
    )


def _describe(answer: CheckedLocation) -> tuple[str, str]:
    """Return a line of progress and its style."""
    reason = f": {answer.reason}" if answer.reason else ""
    return f"{answer.unit.file.title}: {answer.name}: {answer.answer}{reason}", _STYLES.get(answer.answer, "dim")


def _make_table(files: Sequence[CheckedFile]) -> Table:
    """Return files as rows and kinds of locations as columns; a cell has the answers of all locations of a kind."""
    kinds = [kind for kind in LocationKind if any(kind is at.kind for file in files for at in file.locations)]
    table = make_table("recipe", "file", *kinds, "independent")
    for file in files:
        cells = [_make_cell([at.answer for at in file.locations if at.kind is kind]) for kind in kinds]
        number = len(file.operators)
        style = "green" if number >= _ENOUGH else "yellow" if number else "bold red"
        name = file.unit.file.filename
        if file.unit.patches:
            name += f" ({count_noun(len(file.unit.patches), 'patch', 'patches')})"
        table.add_row(file.unit.file.label, name, *cells, Text(str(number), style=style))
    return table


def _make_cell(answers: Sequence[Answer]) -> Text:
    """Return the answers of the locations of one kind; with several, those that differ with their numbers."""
    if not answers:
        return Text("-", style="dim")
    best = next((answer for answer in Answer if answer in answers), Answer.NONE)
    style = _STYLES[Answer.WRONG] if Answer.WRONG in answers else _STYLES.get(best, "dim")
    if len(answers) == 1:
        return Text(answers[0], style=style)
    counts = {answer: answers.count(answer) for answer in Answer if answer in answers}
    return Text(", ".join(f"{number} {answer}" for answer, number in counts.items()), style=style)


def _list_problems(files: Sequence[CheckedFile]) -> Iterator[str]:
    """Yield a line for each answer of a server that was not the right bytes, and for each pin that does not fit."""
    for file in files:
        if file.fault:
            yield f"{file.unit.file.title}: {file.fault}"
        for at in file.locations:
            is_usual = at.answer is Answer.MISSING and at.kind not in ORIGINS
            if at.answer in (Answer.WRONG, Answer.MISSING, Answer.UNREACHABLE) and not is_usual:
                yield f"{file.unit.file.title}: {at.name}: {at.reason}"


def _count(files: Sequence[CheckedFile]) -> dict[str, int]:
    """Return the numbers of files by their independent locations, and of locations with other bytes."""
    numbers = [len(file.operators) for file in files]
    return {
        "files": len(files),
        "two or more": sum(number >= _ENOUGH for number in numbers),
        "one": numbers.count(1),
        "none": numbers.count(0),
        "wrong": sum(at.answer is Answer.WRONG for file in files for at in file.locations),
        "faults": sum(bool(file.fault) for file in files),
    }


def _summarize(files: Sequence[CheckedFile]) -> str:
    counts = _count(files)
    text = (
        f"{count_noun(counts['files'], 'file')}: {counts['two or more']} with two or more independent locations, "
        f"{counts['one']} with one, {counts['none']} with none"
    )
    return text + (f"; {count_noun(counts['wrong'], 'location')} with wrong bytes" if counts["wrong"] else "")


def _make_row(file: CheckedFile) -> Mapping[str, object]:
    return {
        "name": file.unit.file.filename,
        "for": file.unit.file.label,
        "sha256": file.unit.file.sha256,
        "patches": [{"name": patch.filename, "sha256": patch.sha256} for patch in file.unit.patches],
        "fault": file.fault,
        "independent": len(file.operators),
        "locations": [
            {"kind": at.kind, "name": at.name, "operator": at.operator, "answer": at.answer, "reason": at.reason}
            for at in file.locations
        ],
    }
