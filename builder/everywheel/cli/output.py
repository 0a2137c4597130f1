"""Lines and tables on standard output, with control characters escaped: they contain text from recipes, wheels and servers."""

from __future__ import annotations

import sys

import click
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from everywheel.cli.console import StreamConsole
from everywheel.errors import printable


def echo(message: object, *, err: bool = False) -> None:
    """Print a message on standard output, or on standard error."""
    click.echo(printable(str(message)), err=err)


class _Table(Table):
    """A table whose cells are plain text, without the markup of rich."""

    def add_row(self, *renderables: RenderableType | None, **options: object) -> None:
        super().add_row(*map(_escape, renderables), **options)  # type: ignore[arg-type]


def _escape(cell: RenderableType | None) -> RenderableType | None:
    if isinstance(cell, Text):
        return Text(printable(cell.plain), style=cell.style)
    return Text(printable(cell)) if isinstance(cell, str) else cell


def make_table(*columns: str) -> Table:
    """Return an empty table without borders whose cells are never wrapped."""
    table = _Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(Text(printable(column)), no_wrap=True)
    return table


def print_table(table: Table) -> None:
    """Print a table; wider than any terminal when the output is a file or a pipe, so that no cell is cut."""
    console = StreamConsole(file=sys.stdout, width=None if sys.stdout.isatty() else 400)
    console.print(table)
