"""Summaries of an audit: one line for each check on the parts of the wheel that it examined, and facts of every binary."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from everywheel.audit.elf_linking import find_external_libraries
from everywheel.audit.hygiene import (
    count_fortified,
    find_declared_exports,
    has_branch_protection,
    has_stack_protector,
)
from everywheel.audit.macho_linking import find_external_install_names
from everywheel.audit.pe_linking import find_external_dlls
from everywheel.audit.report import FileReport
from everywheel.audit.undefined_symbols import resolve_symbols
from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.formats import FORMATS, BinaryFormat
from everywheel.errors import count_noun
from everywheel.platforms.symbol_lists import find_newest_musl
from everywheel.platforms.symbol_versions import version_key


def describe_files(contents: WheelContents) -> tuple[FileReport, ...]:
    """Return the facts of every binary, sorted by path."""
    external = _find_external(contents)
    modules, libraries = contents.modules, contents.libraries
    return tuple(
        FileReport(
            path=path,
            kind="module" if path in modules else "library" if path in libraries else "program",
            machine=binary.machine,
            bits=binary.bits,
            size=len(contents.wheel.files[path].data),
            highest=tuple(sorted(binary.required_versions.items())),
            external=external[path],
            rpath=binary.rpath,
            exports=len(binary.exports),
        )
        for path, binary in sorted(contents.binaries.items())
    )


def find_systems(contents: WheelContents) -> tuple[str, ...]:
    """Return the operating systems whose checks apply: those of the binaries, or else those of the tags."""
    checks = {form.check for b in contents.binaries.values() for form in FORMATS.values() if isinstance(b, form.facts)}
    checks |= set(contents.unread.values())
    inside = [system for system, form in FORMATS.items() if form.check in checks]
    tagged = [system for system in FORMATS if system in contents.systems]
    return tuple(inside or tagged or ["linux"])


def summarize_archive(contents: WheelContents) -> str:
    """Return the number of files and their unpacked size."""
    files = contents.wheel.files
    size = sum(len(file.data) for file in files.values())
    return f"{count_noun(len(files), 'file')}, {count_noun(size, 'byte')} unpacked"


def summarize_record(contents: WheelContents) -> str:
    """Return the check of RECORD, which covers every file."""
    return "every file compared with its hash"


def summarize_tags(contents: WheelContents) -> str:
    """Return the wheel's tags."""
    return ", ".join(contents.wheel.tags)


def summarize_format(form: BinaryFormat, contents: WheelContents) -> str:
    """Return how many files of a binary format are modules, libraries or others."""
    paths = [path for path, binary in contents.binaries.items() if isinstance(binary, form.facts)]
    modules, libraries = (sum(path in kind for path in paths) for kind in (contents.modules, contents.libraries))
    unread = sum(check == form.check for check in contents.unread.values())
    others = len(paths) - modules - libraries
    kinds = (
        count_noun(modules, "module"),
        count_noun(libraries, "library", "libraries"),
        count_noun(others, "other"),
        *([f"{unread} unreadable"] if unread else []),
    )
    return ", ".join(kinds)


def summarize_arch(contents: WheelContents) -> str:
    """Return the machines that the binaries are for."""
    machines = _join(f"{binary.machine} {binary.bits} bits" for binary in contents.binaries.values())
    kinds = " or ".join(FORMATS[system].name for system in find_systems(contents))
    return machines or (f"no readable {kinds} file" if contents.unread else f"no {kinds} file")


def summarize_symbols(contents: WheelContents) -> str:
    """Return the highest version of each symbol family, the file that needs it, and the tag's limit."""
    families: dict[str, tuple[tuple[int, ...], str, str]] = {}
    for path, elf in contents.elves.items():
        for family, number in elf.required_versions.items():
            key = version_key(number)
            if family not in families or key > families[family][0]:
                families[family] = (key, number, posixpath.basename(path))
    policies = contents.strictest_policies
    promise = policies[0].promise if policies else "no platform tag has a policy"
    highest = [f"{family}_{number} ({file})" for family, (_, number, file) in sorted(families.items())]
    return f"highest {', '.join(highest)}; {promise}" if highest else f"no versioned symbol; {promise}"


def summarize_undefined(contents: WheelContents) -> str:
    """Return how many required symbols were resolved, and those that a library without a list may provide."""
    total = sum(len(elf.undefined) for elf in contents.elves.values())
    total += sum(len(image.origins) for macho in contents.machos.values() for image in macho.images)
    total += sum(len(symbols) for pe in contents.pes.values() for symbols in pe.imports.values())
    resolutions = [resolution for _, _, resolution in resolve_symbols(contents)]
    unverified = sum(len(resolution.unverified) for resolution in resolutions)
    trusted = _join(name for resolution in resolutions if resolution.unverified for name in resolution.trusted)
    rest = f"; {unverified} not verified, since there is no list for {trusted or 'this Python'}" if unverified else ""
    required = {symbol for elf in contents.elves.values() for symbol in elf.undefined}
    newest = max((find_newest_musl(required, policy) for policy in contents.strictest_policies), default=())
    patch = f"; needs musl {'.'.join(map(str, newest))} or newer" if len(newest) > 2 and newest[2] else ""
    return f"{count_noun(total, 'required symbol')} compared{rest}{patch}"


def summarize_system(contents: WheelContents) -> str:
    """Return the macOS and Windows versions that the binaries need."""
    others = [binary for path, binary in contents.binaries.items() if path not in contents.elves]
    needs = _join(f"{system} {version}" for binary in others for system, version in binary.required_versions.items())
    return f"needs {needs}" if needs else "no version declared"


def summarize_libraries(contents: WheelContents) -> str:
    """Return the required libraries that are not in the wheel."""
    needed = _join(library for libraries in _find_external(contents).values() for library in libraries)
    return f"needs from the system: {needed or 'nothing'}"


def summarize_rpath(contents: WheelContents) -> str:
    """Return the library search paths (RPATH, RUNPATH, LC_RPATH)."""
    return _join(entry for binary in contents.binaries.values() for entry in binary.rpath) or "none"


def summarize_stack(contents: WheelContents) -> str:
    """Return the flags of the stack segments."""
    return _join(elf.stack or "no header" for elf in contents.elves.values()) or "no ELF file"


def summarize_text_relocations(contents: WheelContents) -> str:
    """Return how many files have text relocations."""
    return f"{count_noun(sum(elf.text_relocations for elf in contents.elves.values()), 'file')} with text relocations"


def summarize_page_size(contents: WheelContents) -> str:
    """Return the alignments of the segments, in bytes."""
    return _join(str(elf.page) for elf in contents.elves.values() if elf.page is not None) or "no ELF file"


def summarize_hardening(contents: WheelContents) -> str:
    """Return how many libraries for Linux have each protection."""
    libraries = [elf for elf in contents.elves.values() if elf.is_library]
    protections = [elf.protections for elf in libraries]
    relro, full = sum(p.relro for p in protections), sum(p.relro and p.bind_now for p in protections)
    total, checked = count_noun(len(libraries), "library", "libraries"), sum(map(has_stack_protector, libraries))
    fortified = sum(count_fortified(elf)[0] > 0 for elf in libraries)
    return (
        f"{relro} of {total} with RELRO, {full} also with BIND_NOW, {checked} with stack protector, {fortified} with FORTIFY, "
        f"{sum(map(has_branch_protection, libraries))} with CET or BTI"
    )


def summarize_names(contents: WheelContents) -> str:
    """Return the install names of Mach-O libraries."""
    images = [image for macho in contents.machos.values() for image in macho.images]
    return _join(image.name for image in images if image.name) or "none"


def summarize_signature(contents: WheelContents) -> str:
    """Return how many images have a valid signature."""
    images = [image for macho in contents.machos.values() for image in macho.images]
    return (
        f"{sum(image.signature == () for image in images)} of {count_noun(len(images), 'image')} with a valid signature"
    )


def summarize_mitigations(contents: WheelContents) -> str:
    """Return the protections that the headers enable."""
    return _join(flag for pe in contents.pes.values() for flag in pe.flags) or "none"


def summarize_debug(contents: WheelContents) -> str:
    """Return the size of the debug data."""
    return f"{sum(sum(binary.debug.values()) for binary in contents.binaries.values())} bytes"


def summarize_exports(contents: WheelContents) -> str:
    """Return how many files were compared with declared exports, and the files without a declaration."""
    declared = find_declared_exports(contents)
    unchecked = [posixpath.basename(path) for path in contents.binaries if path not in declared]
    rest = f"; no exports are declared for {', '.join(unchecked)}" if unchecked else ""
    return f"{count_noun(len(declared), 'file')} checked{rest}"


def summarize_abi3(contents: WheelContents) -> str:
    """Return how many modules abi3audit examined, and what the check does not find in those for Pythons without the GIL."""
    if contents.is_abi3t:
        return f"{len(contents.modules)} modules checked; sizes and fields of objects were not compared"
    if contents.is_stable_abi:
        return f"{count_noun(len(contents.modules), 'module')} checked"
    return f"not required: the ABI tag is {contents.wheel.abi}"


def summarize_licenses(contents: WheelContents) -> str:
    """Return the number of license texts and the libraries that the SBOMs list."""
    directory = f"{contents.wheel.dist_info}/licenses/"
    texts = sum(file.startswith(directory) for file in contents.wheel.files)
    listed = _join(f"{component.name} {component.version}" for component in contents.sbom.components)
    return f"{count_noun(texts, 'text')}; {listed or 'no SBOM lists a library'}"


def _find_external(contents: WheelContents) -> dict[str, tuple[str, ...]]:
    return {
        **find_external_libraries(contents),
        **find_external_install_names(contents),
        **find_external_dlls(contents),
    }


def _join(texts: Iterable[str]) -> str:
    return ", ".join(sorted(set(texts)))
