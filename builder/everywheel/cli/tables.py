"""Tables on standard output."""

from __future__ import annotations

import sys

from rich.table import Table

from everywheel.cli.console import StreamConsole


def make_table(*columns: str) -> Table:
    """Return an empty table without borders whose cells are never wrapped."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def print_table(table: Table) -> None:
    """Print a table; wider than any terminal when the output is a file or a pipe, so that no cell is cut."""
    console = StreamConsole(file=sys.stdout, width=None if sys.stdout.isatty() else 400)
    console.print(table)
