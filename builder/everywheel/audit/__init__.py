"""Static checks of a finished wheel.

Each check returns findings about tags, architecture, symbol versions, linked libraries, exported symbols, licenses or the
SBOM; it works for wheels of any origin, for Linux, macOS and Windows.
"""

from __future__ import annotations

from everywheel.audit.checks import CODES, audit_wheel
from everywheel.audit.report import (
    CheckSummary,
    FileReport,
    Finding,
    FindingKind,
    Report,
    describe_finding,
    describe_ignored,
    fail_on_findings,
    find_kind,
    ignore_findings,
)

__all__ = [
    "CODES",
    "CheckSummary",
    "FileReport",
    "Finding",
    "FindingKind",
    "Report",
    "audit_wheel",
    "describe_finding",
    "describe_ignored",
    "fail_on_findings",
    "find_kind",
    "ignore_findings",
]
