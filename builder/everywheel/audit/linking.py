"""What the loader will look for: architecture, symbol versions, needed libraries, and where it is told to look."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence

from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents, installed_path
from everywheel.binaries.elf import ElfFacts
from everywheel.platforms.linux_policy import Policy

_MOST_SYMBOLS = 8


def check_arch(content: WheelContents, policies: Sequence[Policy]) -> Iterator[Finding]:
    """Find files of another ELF class, byte order or machine than the platform tag says."""
    for policy in policies[:1]:  # a wheel's tags that name two architectures are a finding of their own
        arch = policy.arch
        for path, elf in content.elves.items():
            wanted = (arch.elf_machine, arch.bits, arch.endian)
            if (elf.machine, elf.bits, elf.endian) != wanted:
                found = f"{elf.machine}, {elf.bits} bits, {elf.endian}-endian"
                message = f"built for {found}; {policy.tag} is {wanted[0]}, {wanted[1]} bits, {wanted[2]}-endian"
                yield Finding(check="arch", file=path, message=message)


def check_symbols(content: WheelContents, policies: Sequence[Policy]) -> Iterator[Finding]:
    """Find symbol versions above what the tags promise, naming library and symbols."""
    carried = {posixpath.basename(path) for path in content.elves}
    for path, elf in content.elves.items():
        for policy in policies:
            for need in elf.versions:
                if need.library not in carried and not policy.allows(need.version):
                    shown = [f"{symbol}@{need.version}" for symbol in need.symbols[:_MOST_SYMBOLS]]
                    more = len(need.symbols) - len(shown)
                    shown += [f"and {more} more"] if more else []
                    message = f"needs {need.version} of {need.library}, but {policy.promise}"
                    yield Finding(check="symbols", file=path, message=message, evidence=tuple(shown))
            for library in elf.needed:
                used = sorted(policy.forbidden.get(library, frozenset()) & set(elf.undefined))
                if used:
                    message = f"uses symbols of {library} that {policy.tag} forbids, since systems differ in them"
                    yield Finding(check="symbols", file=path, message=message, evidence=tuple(used[:_MOST_SYMBOLS]))


def check_libraries(content: WheelContents, policies: Sequence[Policy]) -> Iterator[Finding]:
    """Find needed libraries that neither the wheel nor every system of the tags has."""
    places, held = _search_places(content.elves), (*content.elves, *content.unread)
    for path, elf in content.elves.items():
        for library in elf.needed:
            if _carried(library, places[path], held):
                continue
            lost = [other for other in held if posixpath.basename(other) == library]
            for policy in policies:
                if lost:
                    message = f"needs {library}, which is in the wheel, but where no RPATH leads"
                    yield Finding(check="libraries", file=path, message=message, evidence=tuple(lost))
                    break
                if not policy.provides(library):
                    message = f"needs {library}, which is not in the wheel and not on every {policy.tag} system"
                    if policy.libc == "musl" and library == "libc.so":
                        message = f"needs libc.so; on {policy.tag} systems its name is {policy.musl_library}"
                    yield Finding(check="libraries", file=path, message=message)


def find_external_libraries(content: WheelContents) -> dict[str, tuple[str, ...]]:
    """Return, for each ELF file, the needed libraries that the wheel does not carry."""
    places, held = _search_places(content.elves), (*content.elves, *content.unread)
    return {
        path: tuple(library for library in elf.needed if not _carried(library, places[path], held))
        for path, elf in content.elves.items()
    }


def _carried(library: str, places: set[str], held: Collection[str]) -> bool:
    return any(posixpath.normpath(posixpath.join(place, library)) in held for place in places)


def _search_places(elves: Mapping[str, ElfFacts]) -> dict[str, set[str]]:
    """Return the folders of the wheel in which the loader checks for what each file needs.

    An RPATH (unlike a RUNPATH) also holds for what the file's own libraries need, and theirs.
    """
    places = {path: set(_resolve_rpath(path, elf)) for path, elf in elves.items()}
    inherited = {path: set(places[path]) if elf.rpath_is_inherited else set() for path, elf in elves.items()}
    changed = True
    while changed:
        changed = False
        for path, elf in elves.items():
            for library in elf.needed:
                for place in list(places[path]):
                    needed = posixpath.normpath(posixpath.join(place, library))
                    if needed in elves and not inherited[path] <= places[needed]:
                        places[needed] |= inherited[path]
                        inherited[needed] |= inherited[path]
                        changed = True
    return places


def _resolve_rpath(path: str, elf: ElfFacts) -> Iterator[str]:
    for entry in elf.rpath:
        relative = _relative_to_origin(entry)
        if relative is not None:
            yield posixpath.normpath(posixpath.join(posixpath.dirname(path), relative))


def _relative_to_origin(entry: str) -> str | None:
    """Return what follows $ORIGIN, or None for an entry that does not begin with it."""
    for token in ("$ORIGIN", "${ORIGIN}"):
        if entry == token or entry.startswith(f"{token}/"):
            return entry.removeprefix(token).lstrip("/") or "."
    return None


def check_rpath(content: WheelContents) -> Iterator[Finding]:
    """Find RPATH and RUNPATH entries that are not relative to $ORIGIN, or that leave the wheel."""
    for path, elf in content.elves.items():
        kind = "RPATH" if elf.rpath_is_inherited else "RUNPATH"
        for entry in elf.rpath:
            relative = _relative_to_origin(entry)
            if relative is None:
                message = f"{kind} entry '{entry}' is not relative to $ORIGIN"
                yield Finding(check="rpath", file=path, message=message)
            elif (
                posixpath.normpath(posixpath.join(posixpath.dirname(installed_path(path)), relative)).split("/")[0]
                == ".."
            ):
                yield Finding(check="rpath", file=path, message=f"{kind} entry '{entry}' leaves the wheel")
