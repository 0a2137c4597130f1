"""The results of an audit: its findings, and a summary of each check."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from everywheel.errors import AuditError, count_noun, find_page

VULNERABILITIES = "vulnerabilities"
"""The code of findings about known vulnerabilities, which only an audit with a list of them has."""
# The checks whose findings do not prevent a wheel from being installed and loaded.
_QUALITY_CHECKS = frozenset(
    {"debug", "exports", "hardening", "licenses", "mitigations", "names", "paths", VULNERABILITIES}
)


class FindingKind(StrEnum):
    """The subject of a finding: whether the wheel can be installed and loaded as its tags promise, or its quality."""

    LOAD = "load"
    QUALITY = "quality"


def find_kind(check: str) -> FindingKind:
    """Return the kind of the findings of a check."""
    return FindingKind.QUALITY if check in _QUALITY_CHECKS else FindingKind.LOAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault: the name of the check, which is its code, the file of the wheel, a message, and the lines that prove it."""

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
    """The result of one wheel's audit; `size` is the wheel's, in bytes. `ignored` are findings that the user accepts."""

    wheel: str
    size: int
    checks: tuple[CheckSummary, ...]
    files: tuple[FileReport, ...]
    findings: tuple[Finding, ...]
    ignored: tuple[Finding, ...] = ()


def ignore_findings(report: Report, codes: Collection[str]) -> Report:
    """Return a report whose findings with one of the codes are ignored."""
    kept = tuple(finding for finding in report.findings if finding.check not in codes)
    ignored = tuple(finding for finding in report.findings if finding.check in codes)
    return replace(report, findings=kept, ignored=ignored)


def describe_ignored(report: Report) -> list[str]:
    """Return one line for each code with ignored findings; it states whether the wheel may not load because of them."""
    codes = [finding.check for finding in report.ignored]
    consequences = {FindingKind.LOAD: ": the wheel may not be installed or loaded", FindingKind.QUALITY: ""}
    return [
        f"ignored: {count_noun(codes.count(code), 'finding')} of {code}{consequences[find_kind(code)]}"
        for code in dict.fromkeys(codes)
    ]


def describe_finding(finding: Finding) -> list[str]:
    """Return a finding's lines: check, kind, file and message, then the evidence, indented."""
    label = f"{finding.check} ({find_kind(finding.check)})"
    return [f"{label}: {finding.file}: {finding.message}", *(f"    {line}" for line in finding.evidence)]


def fail_on_findings(reports: tuple[Report, ...]) -> None:
    """Raise AuditError with every finding of every report, if there is any."""
    failed = [report for report in reports if report.findings]
    if not failed:
        return
    lines = []
    for report in failed:
        lines += [report.wheel] if len(reports) > 1 else []
        lines += [line for finding in report.findings for line in describe_finding(finding)]
    count = count_noun(sum(len(report.findings) for report in failed), "finding")
    subject = failed[0].wheel if len(reports) == 1 else f"{len(failed)} of {len(reports)} wheels"
    raise AuditError(
        f"{subject}: the audit has {count}",
        excerpt=lines,
        hint=f"{find_page('troubleshooting.md')} explains how to fix each finding",
    )
