"""Wheels and audit codes on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from everywheel.config.suggestions import suggest
from everywheel.errors import UsageError

ignore_option = click.option(
    "--ignore",
    "ignored",
    multiple=True,
    metavar="CODE",
    help="Accept the findings of a check, such as licenses; repeatable.",
)


def list_wheels(paths: Sequence[Path], hint: str) -> tuple[Path, ...]:
    """Return the named files, and the wheels directly in the named folders, sorted by name.

    Raises UsageError for a path that is neither, and for a folder without wheels.
    """
    wheels: list[Path] = []
    for path in paths:
        # Unlike glob(), iterdir() raises an error for a folder that cannot be read.
        inside = sorted(file for file in path.iterdir() if file.suffix == ".whl") if path.is_dir() else [path]
        inside = [file for file in inside if not file.is_dir()]
        if not inside:
            raise UsageError(f"{path}: no wheel in this folder", hint=hint)
        for file in inside:
            if not file.is_file():
                raise UsageError(f"{file}: {'not a file' if file.exists() else 'no such file'}", hint=hint)
        wheels += inside
    return tuple(wheels)


def check_codes(codes: Sequence[str]) -> frozenset[str]:
    """Return the codes of the option `--ignore`; raise UsageError for one that no check has."""
    from everywheel.audit import CODES

    for code in codes:
        if code not in CODES:
            raise UsageError(f"'--ignore {code}': there is no such check", hint=suggest(code, CODES))
    return frozenset(codes)
