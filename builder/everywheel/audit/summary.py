"""What an audit looked at: one line for each check, and the facts of every binary, whether or not anything is wrong."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence

from everywheel.audit.linking import find_external_libraries
from everywheel.audit.macho_linking import find_external_install_names
from everywheel.audit.pe_linking import find_external_dlls
from everywheel.audit.report import CheckSummary, FileReport
from everywheel.audit.sbom import Sbom
from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.formats import FORMATS, BinaryFormat
from everywheel.platforms.linux_policy import Policy


def describe_files(content: WheelContents) -> tuple[FileReport, ...]:
    """Return the facts of every binary, sorted by path."""
    outside = _find_outside(content)
    return tuple(
        FileReport(
            path=path,
            kind="module" if path in content.modules else "library" if path in content.libraries else "program",
            machine=binary.machine,
            bits=binary.bits,
            size=len(content.wheel.files[path].data),
            highest=tuple(sorted(binary.highest.items())),
            external=outside[path],
            rpath=binary.rpath,
            exports=len(binary.exports),
        )
        for path, binary in sorted(content.binaries.items())
    )


def summarize_checks(
    content: WheelContents, policies: Sequence[Policy], sbom: Sbom, checked: Sequence[str]
) -> tuple[CheckSummary, ...]:
    """Return one line for each check: what it saw, or why there was nothing to see."""
    binaries, files = content.binaries, content.wheel.files
    shown = _choose_systems(content)
    machines = _join(f"{binary.machine} {binary.bits} bits" for binary in binaries.values())
    needed = _join(library for libraries in _find_outside(content).values() for library in libraries)
    unchecked = [posixpath.basename(path) for path in binaries if path not in checked]
    texts = sum(file.startswith(f"{content.wheel.dist_info}/licenses/") for file in files)
    abi3 = f"not asked for: the ABI tag is {content.wheel.abi}"
    if "abi3" in content.wheel.abi.split("."):
        abi3 = f"{len(content.modules)} modules checked"
    unpacked = sum(len(file.data) for file in files.values())
    debug = sum(sum(binary.debug.values()) for binary in binaries.values())
    silent = f"; nothing says what {', '.join(unchecked)} may let out" if unchecked else ""
    listed = _join(f"{c.name} {c.version}" for c in sbom.components)
    return (
        CheckSummary(check="archive", message=f"{len(files)} files, {unpacked} bytes unpacked"),
        CheckSummary(check="record", message="every file against its hash"),
        CheckSummary(check="tags", message=", ".join(content.wheel.tags)),
        *(_count(FORMATS[system], content) for system in shown),
        CheckSummary(check="arch", message=machines or _describe_none(content, shown)),
        *(_describe_elf_versions(content, policies) if "linux" in shown else ()),
        *(_describe_systems(content) if {"darwin", "windows"}.intersection(shown) else ()),
        CheckSummary(check="libraries", message=f"needs from the system: {needed or 'nothing'}"),
        *(_describe_paths(content) if {"linux", "darwin"}.intersection(shown) else ()),
        *(_describe_elf_hygiene(content) if "linux" in shown else ()),
        *(_describe_mac(content) if "darwin" in shown else ()),
        *(_describe_mitigations(content) if "windows" in shown else ()),
        CheckSummary(check="debug", message=f"{debug} bytes"),
        CheckSummary(check="exports", message=f"{len(checked)} files checked{silent}"),
        CheckSummary(check="abi3", message=abi3),
        CheckSummary(check="licenses", message=f"{texts} texts; {listed or 'no SBOM lists a library'}"),
    )


def _find_outside(content: WheelContents) -> dict[str, tuple[str, ...]]:
    return {**find_external_libraries(content), **find_external_install_names(content), **find_external_dlls(content)}


def _choose_systems(content: WheelContents) -> tuple[str, ...]:
    """Return the systems whose checks have something to tell: those of the files inside, or else those of the tags."""
    checks = {
        system.check for b in content.binaries.values() for system in FORMATS.values() if isinstance(b, system.facts)
    }
    checks |= set(content.unread.values())
    inside = [name for name, system in FORMATS.items() if system.check in checks]
    tagged = [name for name in FORMATS if name in content.systems]
    return tuple(inside or tagged or ["linux"])


def _count(system: BinaryFormat, content: WheelContents) -> CheckSummary:
    held = [path for path, binary in content.binaries.items() if isinstance(binary, system.facts)]
    modules, libraries = (sum(path in kind for path in held) for kind in (content.modules, content.libraries))
    unread = sum(check == system.check for check in content.unread.values())
    others = len(held) - modules - libraries
    message = f"{modules} modules, {libraries} libraries, {others} others{f', {unread} unreadable' if unread else ''}"
    return CheckSummary(check=system.check, message=message)


def _describe_none(content: WheelContents, shown: Sequence[str]) -> str:
    kinds = " or ".join(FORMATS[system].name for system in shown)
    return f"no {kinds} file that can be read" if content.unread else f"no {kinds} file"


def _describe_elf_versions(content: WheelContents, policies: Sequence[Policy]) -> Iterator[CheckSummary]:
    families: dict[str, tuple[tuple[int, ...], str, str]] = {}
    for path, elf in content.elves.items():
        for family, number in elf.highest.items():
            key = tuple(int(part) for part in number.split(".") if part.isdigit())
            if family not in families or key > families[family][0]:
                families[family] = (key, number, posixpath.basename(path))
    promise = policies[0].promise if policies else "the tag promises nothing"
    highest = [f"{family}_{number} ({file})" for family, (_, number, file) in sorted(families.items())]
    message = f"highest {', '.join(highest)}; {promise}" if highest else f"no versioned symbol; {promise}"
    yield CheckSummary(check="symbols", message=message)


def _describe_systems(content: WheelContents) -> Iterator[CheckSummary]:
    others = [binary for path, binary in content.binaries.items() if path not in content.elves]
    needs = _join(f"{system} {version}" for binary in others for system, version in binary.highest.items())
    yield CheckSummary(check="system", message=f"needs {needs or 'nothing that it says'}")


def _describe_paths(content: WheelContents) -> Iterator[CheckSummary]:
    yield CheckSummary(
        check="rpath", message=_join(entry for it in content.binaries.values() for entry in it.rpath) or "none"
    )


def _describe_elf_hygiene(content: WheelContents) -> Iterator[CheckSummary]:
    elves = content.elves
    relocated = sum(elf.text_relocations for elf in elves.values())
    pages = _join(str(elf.page) for elf in elves.values() if elf.page is not None)
    yield CheckSummary(
        check="stack", message=_join(elf.stack or "no header" for elf in elves.values()) or "no ELF file"
    )
    yield CheckSummary(check="textrel", message=f"{relocated} files with text relocations")
    yield CheckSummary(check="pages", message=pages or "no ELF file")


def _describe_mac(content: WheelContents) -> Iterator[CheckSummary]:
    images = [image for macho in content.machos.values() for image in macho.images]
    signed = sum(image.signature == () for image in images)
    yield CheckSummary(check="names", message=_join(image.name for image in images if image.name) or "none")
    yield CheckSummary(check="signature", message=f"{signed} of {len(images)} images with a signature that holds")


def _describe_mitigations(content: WheelContents) -> Iterator[CheckSummary]:
    yield CheckSummary(
        check="mitigations", message=_join(flag for pe in content.pes.values() for flag in pe.flags) or "none"
    )


def _join(message: Iterable[str]) -> str:
    return ", ".join(sorted(set(message)))
