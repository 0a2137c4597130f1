"""The results of `rebuild`: where they are written, and their report."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from everywheel.cli.options import collect_options
from everywheel.cli.output import echo
from everywheel.errors import AuditError, printable_line
from everywheel.execution.files import translate_os_errors

if TYPE_CHECKING:
    from everywheel.rebuild.request import RebuildRequest
    from everywheel.rebuild.statement import Comparison

_MOST_LINES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """A rebuilt wheel, and the inputs and settings that differ from those of the statement."""

    wheel: Path
    sha256: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Where the results of a rebuild are written, and the statements of other parties."""

    keep: Path | None
    output: Path | None
    sign_key: Path | None
    verifier: str
    others: tuple[Path, ...]


result_options = collect_options(
    "results",
    Results,
    click.option(
        "--keep", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Copy the rebuilt wheel."
    ),
    click.option(
        "--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Write a statement about the rebuild."
    ),
    click.option(
        "--sign-key", type=click.Path(path_type=Path), metavar="FILE", help="Private key in PEM that signs it (DSSE)."
    ),
    click.option(
        "--verifier",
        default="https://slsa.dev/verification_summary/v1#unspecified",
        metavar="URI",
        help="Who controls this machine, such as a URL [default: unspecified].",
    ),
    click.option(
        "--challenge",
        "others",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Compare with the statement of another party; repeatable.",
    ),
)


def write_results(request: RebuildRequest, rebuild: Rebuild, results: Results) -> None:
    """Copy the rebuilt wheel and write the statement, if they are requested."""
    from everywheel.provenance.envelope import sign_statement
    from everywheel.rebuild.statement import make_summary

    if results.keep is not None:
        with translate_os_errors(results.keep, hint="`--keep` names another directory"):
            results.keep.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(rebuild.wheel, results.keep / rebuild.wheel.name)
    if results.output is not None:
        content = make_summary(request, rebuild.sha256, results.verifier)
        signed = content if results.sign_key is None else sign_statement(content, results.sign_key)
        with translate_os_errors(results.output.parent, hint="`--output` names another file"):
            results.output.write_bytes(signed)


def list_differences(wheel: Path, rebuild: Rebuild) -> tuple[str, ...]:
    from everywheel.rebuild.comparison import compare_wheels, run_diffoscope

    differences = compare_wheels(wheel, rebuild.wheel)
    return (*differences, *run_diffoscope(wheel, rebuild.wheel)) if differences else ()


def report_rebuild(
    request: RebuildRequest, rebuild: Rebuild, differences: Sequence[str], comparisons: Sequence[Comparison]
) -> None:
    """Print the result; raise AuditError if the bytes differ, or if a statement of another party does not agree."""
    notes = [f"input: {note}" for note in rebuild.notes]
    for comparison in comparisons:
        echo(
            printable_line(
                f"{comparison.file}: {'agrees' if comparison.agrees else 'does not agree'}: {comparison.detail}"
            )
        )
    if differences:
        lines = [*differences, *notes]
        rest = [f"… {len(lines) - _MOST_LINES} more lines"] if len(lines) > _MOST_LINES else []
        raise AuditError(
            f"{request.wheel}: the rebuild has other bytes",
            details={"wheel": f"sha256 {request.sha256}", "rebuild": f"sha256 {rebuild.sha256}"},
            excerpt=[*lines[:_MOST_LINES], *rest],
            hint="`--keep DIR` copies the rebuilt wheel; do not use a wheel whose difference you cannot explain",
        )
    echo(printable_line(f"identical: {request.wheel} (sha256 {rebuild.sha256}), from commit {request.commit}"))
    for note in notes:
        echo(printable_line(f"warning: the statement is inaccurate: {note}"), err=True)
    if wrong := [comparison.file for comparison in comparisons if not comparison.agrees]:
        raise AuditError(
            f"{request.wheel}: {len(wrong)} of {len(comparisons)} statements do not agree with the rebuild",
            excerpt=wrong,
            hint="find out on which machine the other bytes were built, and rebuild on a third one",
        )
