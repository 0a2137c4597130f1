"""Audit: static checks of a finished wheel, whoever made it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from builder.audit.abi3 import check_abi3
from builder.audit.content import Content, open_content
from builder.audit.finding import FileReport, Finding, Look, Report, describe_finding, fail_on_findings
from builder.audit.hygiene import check_debug, check_exports, check_pages, check_stack, check_text_relocations
from builder.audit.licenses import check_licenses
from builder.audit.linking import check_arch, check_libraries, check_rpath, check_symbols, find_outside
from builder.audit.policy import Policy, load_policy
from builder.audit.sbom import Bill, read_bill
from builder.audit.tags import check_tags

__all__ = ["FileReport", "Finding", "Look", "Report", "audit_wheel", "describe_finding", "fail_on_findings"]


def audit_wheel(path: Path, *, exports: Mapping[str, Sequence[str]] | None = None) -> Report:
    """Return what is wrong with a wheel, and what was looked at.

    `exports` says which symbols may be let out: globs of file names (without the hash that a graft adds) to globs of
    symbols. For files that it does not name, what the wheel's own SBOM says counts.
    Raises UsageError when there is no such file; whatever is wrong with the file itself is a finding.
    """
    content, archive = open_content(path)
    size = path.stat().st_size
    if content is None:
        unread = (Look(check="archive", words="cannot be read as a wheel"),)
        return Report(wheel=path.name, size=size, looks=unread, files=(), findings=tuple(archive))
    named = [load_policy(platform) for platform in content.wheel.platform.split(".")]
    policies = tuple(policy for policy in named if policy is not None)
    strictest = tuple(sorted(policies, key=lambda policy: policy.floor))[:1]
    bill, unreadable = read_bill(content)
    leaks, checked = check_exports(content, bill, exports)
    findings = [
        *archive,
        *check_tags(content, policies),
        *check_arch(content, policies),
        *check_symbols(content, strictest),
        *check_libraries(content, strictest),
        *check_rpath(content),
        *check_stack(content),
        *check_text_relocations(content),
        *check_pages(content, policies),
        *check_debug(content),
        *leaks,
        *check_abi3(content),
        *unreadable,
        *check_licenses(content, bill),
    ]
    looks = _describe(content, strictest, bill, checked)
    return Report(wheel=path.name, size=size, looks=looks, files=_report_files(content), findings=tuple(findings))


def _report_files(content: Content) -> tuple[FileReport, ...]:
    outside = find_outside(content)
    return tuple(
        FileReport(
            path=path,
            kind="module" if path in content.modules else "library" if path in content.libraries else "program",
            machine=elf.machine,
            bits=elf.bits,
            size=len(content.wheel.files[path].data),
            highest=tuple(sorted(elf.highest.items())),
            outside=outside[path],
            rpath=elf.rpath,
            exports=len(elf.exports),
        )
        for path, elf in sorted(content.elves.items())
    )


def _describe(content: Content, policies: Sequence[Policy], bill: Bill, checked: Sequence[str]) -> tuple[Look, ...]:
    """Return one line for each check: what it saw, or why there was nothing to see."""
    elves, files = content.elves, content.wheel.files
    machines = _join(f"{elf.machine} {elf.bits} bits" for elf in elves.values())
    needed = _join(library for libraries in find_outside(content).values() for library in libraries)
    modules, libraries = len(content.modules), len(content.libraries)
    unchecked = [posixpath.basename(path) for path in elves if path not in checked]
    texts = sum(file.startswith(f"{content.wheel.dist_info}/licenses/") for file in files)
    abi3 = f"not asked for: the ABI tag is {content.wheel.abi}"
    if "abi3" in content.wheel.abi.split("."):
        abi3 = f"{modules} modules checked"
    unpacked = sum(len(file.data) for file in files.values())
    relocated = sum(elf.text_relocations for elf in elves.values())
    pages = _join(str(elf.page) for elf in elves.values() if elf.page is not None)
    debug = sum(sum(elf.debug.values()) for elf in elves.values())
    silent = f"; nothing says what {', '.join(unchecked)} may let out" if unchecked else ""
    listed = _join(f"{c.name} {c.version}" for c in bill.components)
    return (
        Look(check="archive", words=f"{len(files)} files, {unpacked} bytes unpacked"),
        Look(check="record", words="every file against its hash"),
        Look(check="tags", words=", ".join(content.wheel.tags)),
        Look(check="elf", words=f"{modules} modules, {libraries} libraries, {len(elves) - modules - libraries} others"),
        Look(check="arch", words=machines or "no ELF file"),
        Look(check="symbols", words=_describe_symbols(content, policies)),
        Look(check="libraries", words=f"needs from the system: {needed or 'nothing'}"),
        Look(check="rpath", words=_join(entry for elf in elves.values() for entry in elf.rpath) or "none"),
        Look(check="stack", words=_join(elf.stack or "no header" for elf in elves.values()) or "no ELF file"),
        Look(check="textrel", words=f"{relocated} files with text relocations"),
        Look(check="pages", words=pages or "no ELF file"),
        Look(check="debug", words=f"{debug} bytes"),
        Look(check="exports", words=f"{len(checked)} files checked{silent}"),
        Look(check="abi3", words=abi3),
        Look(check="licenses", words=f"{texts} texts; {listed or 'no SBOM lists a library'}"),
    )


def _describe_symbols(content: Content, policies: Sequence[Policy]) -> str:
    families: dict[str, tuple[tuple[int, ...], str, str]] = {}
    for path, elf in content.elves.items():
        for family, number in elf.highest.items():
            key = tuple(int(part) for part in number.split(".") if part.isdigit())
            if family not in families or key > families[family][0]:
                families[family] = (key, number, posixpath.basename(path))
    promise = policies[0].promise if policies else "the tag promises nothing"
    highest = [f"{family}_{number} ({file})" for family, (_, number, file) in sorted(families.items())]
    return f"highest {', '.join(highest)}; {promise}" if highest else f"no versioned symbol; {promise}"


def _join(words: Iterable[str]) -> str:
    return ", ".join(sorted(set(words)))
