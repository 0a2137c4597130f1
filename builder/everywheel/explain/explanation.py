"""The explanation of a subject: the facts about it for each platform that its compiled files are for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.elf import ElfFacts
from everywheel.binaries.unreadable import UnreadableBinary
from everywheel.explain.code import CodeFacts
from everywheel.explain.distributions import list_distributions
from everywheel.explain.elf_code import read_elf_code
from everywheel.explain.instruction_sets import find_instruction_set
from everywheel.explain.libraries import Library, Origin, list_elf_libraries, list_other_libraries
from everywheel.explain.macho_code import read_macho_code
from everywheel.explain.pe_code import read_pe_code
from everywheel.explain.processors import Processor, find_processor, is_available
from everywheel.explain.requirements import Cause, find_arch, find_highest, find_libc, list_causes
from everywheel.explain.subjects import Subject
from everywheel.explain.systems import Verdict, judge
from everywheel.platforms.linux_policy import Policy, load_policy
from everywheel.platforms.tags import PlatformTag, TagFamily


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The facts about the files of a subject for one operating system, architecture and C library.

    `minimum` is the oldest system as a phrase (`glibc 2.27 or newer`); `causes`, `verdicts` and `libc` are for Linux.
    `processor` is None if the code was not examined.
    """

    system: str
    arch: str
    libc: str
    files: tuple[str, ...]
    minimum: str
    libraries: tuple[Library, ...]
    causes: tuple[Cause, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    processor: Processor | None = None

    @property
    def missing(self) -> tuple[Library, ...]:
        """The libraries that neither the files nor every system has."""
        return tuple(lib for lib in self.libraries if lib.origin in (Origin.MISSING, Origin.PACKAGE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The explanation of a subject; without a platform, it has no compiled file that can be read."""

    subject: Subject
    platforms: tuple[Platform, ...]


def explain(subject: Subject, *, disassemble: bool = True) -> Explanation:
    """Return the explanation of a subject; with `disassemble`, and capstone installed, its instructions are examined."""
    contents = subject.contents
    platforms = [
        *_explain_elves(subject),
        *_explain_machos(contents),
        *_explain_pes(contents),
    ]
    if disassemble and is_available():
        platforms = [replace(platform, processor=_find_processor(subject, platform)) for platform in platforms]
    return Explanation(subject=subject, platforms=tuple(platforms))


def _explain_elves(subject: Subject) -> Iterator[Platform]:
    for (machine, libc), paths in _group_elves(subject.contents).items():
        elves = {path: subject.contents.elves[path] for path in paths}
        arch = find_arch(elves[paths[0]])
        if arch is None:
            yield Platform(
                system="Linux",
                arch=machine.removeprefix("EM_").lower(),
                libc=libc,
                files=tuple(paths),
                minimum=libc or "any C library",
                libraries=list_elf_libraries(subject, paths, None),
            )
            continue
        policy = load_policy(_name_floor(libc, arch.name)) if libc else None
        causes = list_causes(elves, libc, arch)
        policies = [p for p in subject.contents.linux_policies if p.arch.name == arch.name]
        yield Platform(
            system="Linux",
            arch=arch.name,
            libc=libc,
            files=tuple(paths),
            minimum=_describe_minimum(libc, causes, policies),
            libraries=list_elf_libraries(subject, paths, policies[0] if policies else policy),
            causes=causes,
            verdicts=judge(list_distributions(arch.name), libc, causes, policies),
        )


def _find_processor(subject: Subject, platform: Platform) -> Processor | None:
    instruction_set = find_instruction_set(platform.system, platform.arch)
    if instruction_set is None:
        return None
    readers: Mapping[str, Callable[[bytes], CodeFacts]] = {
        "macOS": partial(read_macho_code, cpu=platform.arch),
        "Windows": read_pe_code,
    }
    read, code = readers.get(platform.system, read_elf_code), dict[str, CodeFacts]()
    for path in platform.files:
        with contextlib.suppress(UnreadableBinary):
            code[path] = read(subject.contents.wheel.files[path].data)
    return find_processor(instruction_set, code, system=platform.system, is_complete=len(code) == len(platform.files))


def _name_floor(libc: str, arch: str) -> str:
    family, version = (TagFamily.MUSLLINUX, (1, 2)) if libc == "musl" else (TagFamily.MANYLINUX, (2, 17))
    return PlatformTag.make(family, arch, version).text


def _group_elves(contents: WheelContents) -> dict[tuple[str, str], list[str]]:
    """Return the ELF files by machine and C library; one that uses no C library is in the group of the others."""
    tagged = {policy.libc for policy in contents.linux_policies}
    used: dict[tuple[str, int], set[str]] = {}
    libcs = {path: _find_own_libc(elf) for path, elf in contents.elves.items()}
    for path, elf in contents.elves.items():
        used.setdefault((elf.machine, elf.bits), set()).update({libcs[path]} - {""})
    groups: dict[tuple[str, str], list[str]] = {}
    for path, elf in contents.elves.items():
        others = used[elf.machine, elf.bits] or tagged
        libc = libcs[path] or (sorted(others)[0] if others else "")
        groups.setdefault((elf.machine if elf.bits == 64 else f"{elf.machine}_32", libc), []).append(path)
    return groups


def _find_own_libc(elf: ElfFacts) -> str:
    return find_libc(elf) if elf.kind in ("ET_DYN", "ET_EXEC") else ""


def _describe_minimum(libc: str, causes: Sequence[Cause], policies: Sequence[Policy]) -> str:
    if not libc:
        return "any C library"
    family = "musl" if libc == "musl" else "GLIBC"
    highest = find_highest(causes).get(family)
    needed = highest[0].key if highest else ()
    floor = min((policy.floor for policy in policies if policy.libc == libc), default=())
    number = ".".join(map(str, max(needed, floor)))
    return f"{libc} {number} or newer" if number else libc


def _explain_machos(contents: WheelContents) -> Iterator[Platform]:
    cpus = dict.fromkeys(image.cpu for macho in contents.machos.values() for image in macho.images)
    for cpu in cpus:
        images = {
            path: [image for image in macho.images if image.cpu == cpu] for path, macho in contents.machos.items()
        }
        paths = tuple(path for path, own in images.items() if own)
        minimums = [(i.minimum, i.system) for own in images.values() for i in own if i.minimum is not None]
        newest, system = max(minimums, default=((0, 0), "macOS"))
        floors = [p.floor_on(cpu) for p in contents.mac_policies if cpu in p.cpus]
        lowest = max([newest, *floors[:1]])
        yield Platform(
            system=system,
            arch=cpu,
            libc="",
            files=paths,
            minimum=f"{system} {lowest[0]}.{lowest[1]} or newer" if any(lowest) else f"any {system}",
            libraries=tuple(lib for lib in list_other_libraries(contents) if set(lib.users) & set(paths)),
        )


def _explain_pes(contents: WheelContents) -> Iterator[Platform]:
    for machine in dict.fromkeys(pe.machine for pe in contents.pes.values()):
        paths = tuple(path for path, pe in contents.pes.items() if pe.machine == machine)
        minimum = max(contents.pes[path].minimum for path in paths)
        libraries = [lib for lib in list_other_libraries(contents) if set(lib.users) & set(paths)]
        needs_runtime = any(lib.name.startswith("api-ms-win-crt-") or lib.name == "ucrtbase.dll" for lib in libraries)
        yield Platform(
            system="Windows",
            arch=machine.removeprefix("IMAGE_FILE_MACHINE_").lower(),
            libc="",
            files=paths,
            minimum="Windows 10 or newer" if needs_runtime else f"Windows {_name_windows(minimum)} or newer",
            libraries=tuple(libraries),
        )


def _name_windows(version: tuple[int, int]) -> str:
    names = {(6, 0): "Vista", (6, 1): "7", (6, 2): "8", (6, 3): "8.1", (10, 0): "10"}
    older = [name for number, name in names.items() if number <= version]
    return older[-1] if older else "XP"
