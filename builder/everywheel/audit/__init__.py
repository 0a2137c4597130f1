"""Static checks of a finished wheel.

Each check returns findings about tags, architecture, symbol versions, linked libraries, exported symbols, licenses or the
SBOM; it works for wheels of any origin, for Linux, macOS and Windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from everywheel.audit.abi3 import check_abi3
from everywheel.audit.hygiene import (
    check_debug,
    check_exports,
    check_mitigations,
    check_pages,
    check_stack,
    check_text_relocations,
)
from everywheel.audit.licenses import check_licenses
from everywheel.audit.linking import check_arch, check_libraries, check_rpath, check_symbols
from everywheel.audit.macho_linking import (
    check_mac_arch,
    check_mac_libraries,
    check_mac_names,
    check_mac_rpath,
    check_mac_signature,
    check_mac_system,
)
from everywheel.audit.pe_linking import check_dlls, check_python_dlls, check_windows_arch, check_windows_system
from everywheel.audit.report import CheckSummary, FileReport, Finding, Report, describe_finding, fail_on_findings
from everywheel.audit.sbom import read_sboms
from everywheel.audit.summary import describe_files, summarize_checks
from everywheel.audit.tags import check_tags
from everywheel.audit.wheel_contents import read_wheel_contents
from everywheel.platforms.linux_policy import load_policy
from everywheel.platforms.mac_windows_policy import load_mac_policy, load_windows_policy

__all__ = ["CheckSummary", "FileReport", "Finding", "Report", "audit_wheel", "describe_finding", "fail_on_findings"]


def audit_wheel(path: Path, *, exports: Mapping[str, Sequence[str]] | None = None) -> Report:
    """Return what is wrong with a wheel, and what was looked at.

    `exports` says which symbols may be let out: globs of file names (without the hash that a graft adds) to globs of
    symbols. For files that it does not name, what the wheel's own SBOM says counts.
    Raises UsageError when there is no such file; whatever is wrong with the file itself is a finding.
    """
    content, archive = read_wheel_contents(path)
    size = path.stat().st_size
    if content is None:
        unread = (CheckSummary(check="archive", message="cannot be read as a wheel"),)
        return Report(wheel=path.name, size=size, checks=unread, files=(), findings=tuple(archive))
    platforms = content.wheel.platform.split(".")
    policies = tuple(policy for tag in platforms if (policy := load_policy(tag)) is not None)
    mac = tuple(found for tag in platforms if (found := load_mac_policy(tag)) is not None)
    windows = tuple(known for tag in platforms if (known := load_windows_policy(tag)) is not None)
    strictest = tuple(sorted(policies, key=lambda policy: policy.floor))[:1]
    sbom, unreadable = read_sboms(content)
    leaks, checked = check_exports(content, sbom, exports)
    findings = [
        *archive,
        *check_tags(content, policies),
        *check_arch(content, policies),
        *check_symbols(content, strictest),
        *check_libraries(content, strictest),
        *check_rpath(content),
        *check_mac_arch(content, mac),
        *check_mac_system(content, mac),
        *check_mac_libraries(content, mac),
        *check_mac_rpath(content),
        *check_mac_names(content),
        *check_mac_signature(content),
        *check_windows_arch(content, windows),
        *check_windows_system(content, windows),
        *check_dlls(content, windows),
        *check_python_dlls(content),
        *check_mitigations(content),
        *check_stack(content),
        *check_text_relocations(content),
        *check_pages(content, policies),
        *check_debug(content),
        *leaks,
        *check_abi3(content),
        *unreadable,
        *check_licenses(content, sbom),
    ]
    checks = summarize_checks(content, strictest, sbom, checked)
    return Report(wheel=path.name, size=size, checks=checks, files=describe_files(content), findings=tuple(findings))
