"""Static checks of a finished wheel.

Each check returns findings about tags, architecture, symbol versions, linked libraries, exported symbols, licenses or the
SBOM; it works for wheels of any origin, for Linux, macOS and Windows.
"""

from __future__ import annotations

from everywheel.audit.checks import audit_wheel
from everywheel.audit.report import CheckSummary, FileReport, Finding, Report, describe_finding, fail_on_findings

__all__ = ["CheckSummary", "FileReport", "Finding", "Report", "audit_wheel", "describe_finding", "fail_on_findings"]
