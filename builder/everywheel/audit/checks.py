"""The table of checks, and the audit that runs them.

To add a check, write a function that yields findings and a function that summarizes what it examined, and add a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from everywheel.audit.abi3 import check_abi3
from everywheel.audit.build_paths import check_build_paths, summarize_build_paths, summarize_opened_libraries
from everywheel.audit.elf_linking import (
    check_elf_arch,
    check_elf_libraries,
    check_elf_loader,
    check_elf_rpath,
    check_symbols,
)
from everywheel.audit.elf_loading import check_elf_loading
from everywheel.audit.hygiene import (
    check_debug,
    check_exports,
    check_hardening,
    check_mitigations,
    check_page_size,
    check_stack,
    check_text_relocations,
)
from everywheel.audit.imported_symbols import check_macho_symbols, check_pe_symbols
from everywheel.audit.installed_files import check_installed_files
from everywheel.audit.licenses import check_licenses
from everywheel.audit.macho_linking import (
    check_mac_arch,
    check_mac_libraries,
    check_mac_names,
    check_mac_rpath,
    check_mac_signature,
    check_mac_system,
)
from everywheel.audit.metadata import check_metadata_files
from everywheel.audit.pe_linking import check_dlls, check_python_dlls, check_windows_arch, check_windows_system
from everywheel.audit.record import check_record
from everywheel.audit.report import VULNERABILITIES, CheckSummary, Finding, Report
from everywheel.audit.summary import (
    describe_files,
    find_systems,
    summarize_abi3,
    summarize_arch,
    summarize_archive,
    summarize_debug,
    summarize_exports,
    summarize_format,
    summarize_hardening,
    summarize_libraries,
    summarize_licenses,
    summarize_mitigations,
    summarize_names,
    summarize_page_size,
    summarize_record,
    summarize_rpath,
    summarize_signature,
    summarize_stack,
    summarize_symbols,
    summarize_system,
    summarize_tags,
    summarize_text_relocations,
    summarize_undefined,
)
from everywheel.audit.tags import check_tags
from everywheel.audit.undefined_symbols import check_undefined_symbols
from everywheel.audit.wheel_contents import WheelContents, read_wheel_contents
from everywheel.binaries.formats import FORMATS

FindFaults = Callable[[WheelContents], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    `name` is that of its findings. `faults` are the functions that find faults; a check without one is part of reading
    the wheel. `systems` are the operating systems whose wheels it applies to; empty for every wheel.
    """

    name: str
    summarize: Callable[[WheelContents], str]
    faults: tuple[FindFaults, ...] = ()
    systems: frozenset[str] = frozenset()

    def applies_to(self, systems: Iterable[str]) -> bool:
        """Return whether the report of a wheel for these operating systems shows the check."""
        return not self.systems or not self.systems.isdisjoint(systems)


_FORMAT_CHECKS: Mapping[str, tuple[FindFaults, ...]] = MappingProxyType({"linux": (check_elf_loading,)})
_LINUX, _MAC, _WINDOWS = frozenset({"linux"}), frozenset({"darwin"}), frozenset({"windows"})

CHECKS = (
    Check("archive", summarize_archive, (check_installed_files, check_metadata_files)),
    Check("record", summarize_record, (check_record,)),
    Check("tags", summarize_tags, (check_tags,)),
    *(
        Check(form.check, partial(summarize_format, form), _FORMAT_CHECKS.get(system, ()), frozenset({system}))
        for system, form in FORMATS.items()
    ),
    Check("arch", summarize_arch, (check_elf_arch, check_mac_arch, check_windows_arch)),
    Check("symbols", summarize_symbols, (check_symbols,), _LINUX),
    Check("undefined", summarize_undefined, (check_undefined_symbols, check_macho_symbols, check_pe_symbols)),
    Check("system", summarize_system, (check_mac_system, check_windows_system), _MAC | _WINDOWS),
    Check(
        "libraries",
        summarize_libraries,
        (check_elf_libraries, check_elf_loader, check_mac_libraries, check_dlls, check_python_dlls),
    ),
    Check("rpath", summarize_rpath, (check_elf_rpath, check_mac_rpath), _LINUX | _MAC),
    Check("dlopen", summarize_opened_libraries, (), _LINUX),
    Check("stack", summarize_stack, (check_stack,), _LINUX),
    Check("textrel", summarize_text_relocations, (check_text_relocations,), _LINUX),
    Check("pages", summarize_page_size, (check_page_size,), _LINUX),
    Check("hardening", summarize_hardening, (check_hardening,), _LINUX),
    Check("names", summarize_names, (check_mac_names,), _MAC),
    Check("signature", summarize_signature, (check_mac_signature,), _MAC),
    Check("mitigations", summarize_mitigations, (check_mitigations,), _WINDOWS),
    Check("debug", summarize_debug, (check_debug,)),
    Check("paths", summarize_build_paths, (check_build_paths,)),
    Check("exports", summarize_exports, (check_exports,)),
    Check("abi3", summarize_abi3, (check_abi3,)),
    Check("licenses", summarize_licenses, (check_licenses,)),
)
"""Every check, in the order of the report."""

CODES = (*(check.name for check in CHECKS if check.name != "dlopen"), VULNERABILITIES)
"""The codes of findings: the names of all checks but the one that never fails a wheel."""


def audit_wheel(path: Path, build_paths: Sequence[str] = ()) -> Report:
    """Check a wheel of any origin and return its findings and a summary of each check.

    `build_paths` are directories of the wheel's build, which no file may name.
    Raises UsageError when the file is missing; every fault of the file itself is a finding.
    """
    contents, findings = read_wheel_contents(path, build_paths)
    size = path.stat().st_size
    if contents is None:
        unread = (CheckSummary(check="archive", message="cannot be read as a wheel"),)
        return Report(wheel=path.name, size=size, checks=unread, files=(), findings=tuple(findings))
    findings += find_faults(contents)
    return Report(
        wheel=path.name,
        size=size,
        checks=summarize_checks(contents),
        files=describe_files(contents),
        findings=tuple(findings),
    )


def find_faults(contents: WheelContents) -> tuple[Finding, ...]:
    """Return the findings of every check."""
    return tuple(finding for check in CHECKS for find in check.faults for finding in find(contents))


def summarize_checks(contents: WheelContents) -> tuple[CheckSummary, ...]:
    """Return one line for each check that applies to the wheel."""
    systems = find_systems(contents)
    return tuple(
        CheckSummary(check=check.name, message=check.summarize(contents))
        for check in CHECKS
        if check.applies_to(systems)
    )
