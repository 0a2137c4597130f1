"""The results of an audit: its findings, and a summary of each check."""

from __future__ import annotations

from dataclasses import dataclass

from everywheel.errors import AuditError


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault: the name of the check, the file of the wheel, a message, and the lines that prove it."""

    check: str
    file: str
    message: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSummary:
    """One line on the parts of a wheel that a check examined, with or without findings."""

    check: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """The facts of one compiled file.

    `kind` is `module`, `library` or `program`; `highest` is the highest required version of each symbol family, or of
    macOS or Windows; `external` are the required libraries that are not in the wheel; `size` is in bytes.
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
    """The result of one wheel's audit; `size` is the wheel's, in bytes."""

    wheel: str
    size: int
    checks: tuple[CheckSummary, ...]
    files: tuple[FileReport, ...]
    findings: tuple[Finding, ...]


def describe_finding(finding: Finding) -> list[str]:
    """Return a finding's lines: check, file and message, then the evidence, indented."""
    return [f"{finding.check}: {finding.file}: {finding.message}", *(f"    {line}" for line in finding.evidence)]


def fail_on_findings(reports: tuple[Report, ...]) -> None:
    """Raise AuditError with every finding of every report, if there is any."""
    failed = [report for report in reports if report.findings]
    if not failed:
        return
    lines = []
    for report in failed:
        lines += [report.wheel] if len(reports) > 1 else []
        lines += [line for finding in report.findings for line in describe_finding(finding)]
    total = sum(len(report.findings) for report in failed)
    count = "1 finding" if total == 1 else f"{total} findings"
    subject = failed[0].wheel if len(reports) == 1 else f"{len(failed)} of {len(reports)} wheels"
    raise AuditError(
        f"{subject}: the audit has {count}",
        excerpt=lines,
        hint="docs/troubleshooting.md explains how to fix each finding",
    )
