"""Command `audit`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from everywheel.cli.options import json_option
from everywheel.cli.output import echo
from everywheel.cli.store_lease import open_store
from everywheel.cli.wheel_arguments import check_codes, ignore_option, list_wheels
from everywheel.errors import printable_line

if TYPE_CHECKING:
    from everywheel.audit import Report


@click.command("audit", short_help="Check finished wheels.")
@click.argument("wheels", nargs=-1, required=True, type=click.Path(path_type=Path))
@ignore_option
@click.option(
    "--vulnerabilities",
    "locations",
    multiple=True,
    metavar="LOCATION",
    help="Also list open vulnerabilities, from Debian's security tracker or OSV: JSON file, folder or URL; repeatable.",
)
@json_option
def audit_command(
    wheels: tuple[Path, ...], ignored: tuple[str, ...], locations: tuple[str, ...], as_json: bool
) -> None:
    """Check wheels, built by any tool, against the platforms that their tags promise.

    In a folder, all wheels are checked. The checks cover tags, symbols, linking, licenses and the SBOM. Each finding has the
    name of its check as its code, and a kind: load, if the wheel may not be installed or loaded, or quality. The exit code
    is 5 when a wheel has findings that are not ignored.

    The libraries and their patches are those in the wheel's SBOM. Libraries that neither the tracker nor an entry of OSV
    knows are named as not compared. The exit code is also 5 if there is an open vulnerability that the tracker does not call
    unimportant.

    Example: everywheel audit wheelhouse --ignore licenses
    """
    from everywheel.audit import audit_wheel, fail_on_findings, ignore_findings

    codes = check_codes(ignored)
    paths = list_wheels(wheels, hint="name finished wheels, or a folder that contains them, such as wheelhouse")
    reports = tuple(audit_wheel(path) for path in paths)
    if locations:
        from everywheel.vulnerabilities.check import add_vulnerabilities

        reports = add_vulnerabilities(reports, paths, locations, open_store().root)
    reports = tuple(ignore_findings(report, codes) for report in reports)
    if as_json:
        echo(json.dumps([_describe(report) for report in reports], indent=1))
    else:
        for report in reports:
            _print_report(report)
    fail_on_findings(reports)


def _describe(report: Report) -> dict[str, Any]:
    """Return a report as JSON values; each finding also has its kind."""
    from everywheel.audit import find_kind

    values = dataclasses.asdict(report)
    for finding in (*values["findings"], *values["ignored"]):
        finding["kind"] = find_kind(finding["check"]).value
    return values


def _print_report(report: Report) -> None:
    from everywheel.audit import describe_ignored

    echo(printable_line(f"{report.wheel} ({report.size / 1e6:.2f} MB)"))
    failed, ignored = ({finding.check for finding in findings} for findings in (report.findings, report.ignored))
    for check in report.checks:
        state = _name_state(check.check, failed, ignored)
        echo(printable_line(f"  {state:<8}{check.check + ':':<14}{check.message}"))
    for line in describe_ignored(report):
        echo(f"  {line}")


def _name_state(check: str, failed: Collection[str], ignored: Collection[str]) -> str:
    return "FINDING" if check in failed else "ignored" if check in ignored else "ok"


COMMAND = audit_command
