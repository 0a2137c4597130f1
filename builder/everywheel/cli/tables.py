"""Printing results on standard output."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table


def print_table(table: Table) -> None:
    """Print a table as wide as it needs where nobody looks at a terminal, so that no word of it is cut."""
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 400)
    console.print(table)
