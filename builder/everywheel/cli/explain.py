"""Command `explain`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from everywheel.cli.options import json_option
from everywheel.cli.output import echo
from everywheel.errors import UsageError, printable_line

if TYPE_CHECKING:
    from everywheel.explain.explanation import Explanation
    from everywheel.explain.messages import MessageExplanation

    Result = Explanation | tuple[MessageExplanation, ...]


@click.command("explain", short_help="Show where a file or wheel runs, and why not elsewhere.")
@click.argument("subjects", nargs=-1, required=True, metavar="FILE...")
@json_option
@click.option("--short", is_flag=True, help="Print the short answer only.")
@click.option("--lower", is_flag=True, help="Print what would have to change for older systems, symbol by symbol.")
@click.option("--size", "by_size", is_flag=True, help="Print what takes the space.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page with the details.")
@click.option(
    "--wheel",
    "pattern",
    default="",
    metavar="GLOB",
    help="Wheel of NAME==VERSION [default: the one that pip would install].",
)
def explain_command(
    subjects: tuple[str, ...], as_json: bool, short: bool, lower: bool, by_size: bool, html: Path | None, pattern: str
) -> None:
    """Explain where compiled files run, where they do not, and why.

    FILE is an ELF, Mach-O or PE file, a wheel, a folder, the name of an installed package, or NAME==VERSION for a wheel from
    the package index; of this project or of any other. Nothing is run. Instead of a file, a quoted message of a loader
    ("version `GLIBC_2.34' not found") is explained with its cause and cure; `-` reads it from standard input.

    Example: everywheel explain numpy==2.3.0
    """
    needs_code = not (lower or by_size) or as_json or html is not None
    results = [_explain(text, pattern, disassemble=needs_code) for text in subjects]
    if html is not None:
        _write_page(results, html)
    if as_json:
        from everywheel.explain.json_values import make_json

        echo(json.dumps([make_json(result) for result in results], indent=1))
        return
    for number, result in enumerate(results):
        for line in (*([""] if number else []), *_render(result, short=short, lower=lower, by_size=by_size)):
            echo(printable_line(line))


def _render(result: Result, *, short: bool, lower: bool, by_size: bool) -> Iterator[str]:
    from everywheel.explain.option_text import render_lower, render_size
    from everywheel.explain.size import measure
    from everywheel.explain.text import render_messages, render_text

    if isinstance(result, tuple):
        yield from render_messages(result)
        return
    if lower:
        yield from render_lower(result)
    if by_size:
        yield from render_size(measure(result.subject))
    if not (lower or by_size):
        yield from render_text(result, details=not short)


def _write_page(results: Sequence[Result], path: Path) -> None:
    from everywheel.execution.files import translate_os_errors
    from everywheel.explain.html_page import render_page

    with translate_os_errors(path):
        path.write_text(render_page([result for result in results if not isinstance(result, tuple)]), encoding="utf-8")


def _explain(text: str, pattern: str, *, disassemble: bool) -> Result:
    from everywheel.explain.explanation import explain
    from everywheel.explain.index import read_index_wheel
    from everywheel.explain.subjects import read_subject
    from everywheel.sources.index_wheel import find_index_name

    if text == "-":
        return _explain_text(sys.stdin.read())
    if not Path(text[:4096]).exists():
        if _is_message(text):
            return _explain_text(text)
        if name := find_index_name(text):
            return explain(read_index_wheel(*name, pattern), disassemble=disassemble)
    return explain(read_subject(text), disassemble=disassemble)


def _is_message(text: str) -> bool:
    return any(character.isspace() for character in text.strip())


def _explain_text(text: str) -> tuple[MessageExplanation, ...]:
    from everywheel.explain.messages import explain_messages

    explanations = explain_messages(text)
    if not explanations:
        raise UsageError(
            f"the text contains no known message of a loader: {printable_line(text.strip())[:200]}",
            hint="quote the line with the error, or name the file: `everywheel explain FILE`",
        )
    return explanations


COMMAND = explain_command
