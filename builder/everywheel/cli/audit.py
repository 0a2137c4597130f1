"""Command `audit`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from everywheel.cli.options import json_option
from everywheel.cli.output import echo


@click.command("audit", short_help="Check finished wheels.")
@click.argument("wheels", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def audit_command(wheels: tuple[Path, ...], as_json: bool) -> None:
    """Check wheels, built by any tool, against the platforms that their tags promise.

    The checks cover tags, symbols, linking, licenses and the SBOM. The exit code is 5 when a wheel has findings.

    Example: everywheel audit wheelhouse/*.whl
    """
    from everywheel.audit import audit_wheel, fail_on_findings

    reports = tuple(audit_wheel(path) for path in wheels)
    if as_json:
        echo(json.dumps([dataclasses.asdict(report) for report in reports], indent=1))
    else:
        for report in reports:
            echo(f"{report.wheel} ({report.size / 1e6:.2f} MB)")
            for check in report.checks:
                state = "FINDING" if any(finding.check == check.check for finding in report.findings) else "ok"
                echo(f"  {state:<8}{check.check + ':':<14}{check.message}")
    fail_on_findings(reports)


COMMAND = audit_command
