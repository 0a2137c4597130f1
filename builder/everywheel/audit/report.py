"""What an audit returns: findings, and what was looked at to come to them."""

from __future__ import annotations

from dataclasses import dataclass

from everywheel.errors import AuditError


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong: which check found it, in which file of the wheel, in message, and what shows it."""

    check: str
    file: str
    message: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSummary:
    """One check that was made, and what it saw; `message` is a line for the report whether or not there are findings."""

    check: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """One compiled file that was looked at.

    `kind` is `module`, `library` or `program`; `highest` is the highest version needed of each symbol family,
    or of macOS or Windows; `external` are the needed libraries that the wheel does not carry; `size` is in bytes.
    """

    path: str
    kind: str
    machine: str
    bits: int
    size: int
    highest: tuple[tuple[str, str], ...]
    external: tuple[str, ...]
    rpath: tuple[str, ...]
    exports: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that an audit of one wheel saw; `size` is the wheel's, in bytes."""

    wheel: str
    size: int
    checks: tuple[CheckSummary, ...]
    files: tuple[FileReport, ...]
    findings: tuple[Finding, ...]


def describe_finding(finding: Finding) -> list[str]:
    """Return the lines that tell a finding: check, file and message, then the evidence, indented."""
    return [f"{finding.check}: {finding.file}: {finding.message}", *(f"    {line}" for line in finding.evidence)]


def fail_on_findings(reports: tuple[Report, ...]) -> None:
    """Raise AuditError, with every finding of every report, unless there is none."""
    failed = [report for report in reports if report.findings]
    if not failed:
        return
    lines = []
    for report in failed:
        lines += [report.wheel] if len(reports) > 1 else []
        lines += [line for finding in report.findings for line in describe_finding(finding)]
    count = sum(len(report.findings) for report in failed)
    message = "1 finding" if count == 1 else f"{count} findings"
    where = failed[0].wheel if len(reports) == 1 else f"{len(failed)} of {len(reports)} wheels"
    raise AuditError(
        f"{where}: the audit has {message}", excerpt=lines, hint="docs/troubleshooting.md says what mends each finding"
    )
