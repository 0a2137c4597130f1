"""Checks of how Linux loads a wheel's ELF files: architecture, symbol versions, needed libraries, search paths."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping

from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents, installed_path
from everywheel.binaries.elf import ElfFacts, VersionNeed
from everywheel.platforms.linux_policy import Policy

_MAX_SYMBOLS = 8


def check_elf_arch(contents: WheelContents) -> Iterator[Finding]:
    """Find files of another ELF class, byte order or machine than the platform tag requires."""
    for policy in contents.linux_policies[:1]:  # tags of two architectures are a finding of the tags check
        arch = policy.arch
        required = (arch.elf_machine, arch.bits, arch.endian)
        for path, elf in contents.elves.items():
            actual = (elf.machine, elf.bits, elf.endian)
            if actual != required:
                message = (
                    f"built for {_describe_machine(*actual)}; {policy.tag} requires {_describe_machine(*required)}"
                )
                yield Finding(check="arch", file=path, message=message)


def _describe_machine(machine: str, bits: int, endian: str) -> str:
    return f"{machine}, {bits} bits, {endian}-endian"


def check_symbols(contents: WheelContents) -> Iterator[Finding]:
    """Find symbol versions above what the tags promise, and symbols that the tags forbid."""
    own = {posixpath.basename(path) for path in contents.elves}
    for path, elf in contents.elves.items():
        for policy in contents.strictest_policies:
            for need in elf.versions:
                if need.library not in own and not policy.allows(need.version):
                    message = f"needs {need.version} of {need.library}, but {policy.promise}"
                    yield Finding(check="symbols", file=path, message=message, evidence=_list_symbols(need))
            for library in elf.needed:
                used = sorted(policy.forbidden.get(library, frozenset()) & set(elf.undefined))
                if used:
                    message = f"uses symbols of {library} that {policy.tag} forbids because they differ between systems"
                    yield Finding(check="symbols", file=path, message=message, evidence=tuple(used[:_MAX_SYMBOLS]))


def _list_symbols(need: VersionNeed) -> tuple[str, ...]:
    shown = [f"{symbol}@{need.version}" for symbol in need.symbols[:_MAX_SYMBOLS]]
    rest = len(need.symbols) - len(shown)
    return (*shown, *([f"and {rest} more"] if rest else []))


def check_elf_libraries(contents: WheelContents) -> Iterator[Finding]:
    """Find needed libraries that are neither in the wheel nor on every system of the tags."""
    search_paths, files = _find_search_paths(contents.elves), (*contents.elves, *contents.unread)
    for path, elf in contents.elves.items():
        for library in elf.needed:
            if _is_in_wheel(library, search_paths[path], files):
                continue
            elsewhere = tuple(other for other in files if posixpath.basename(other) == library)
            for policy in contents.strictest_policies:
                if elsewhere:
                    message = f"needs {library}, which is in the wheel, but not in a directory on its RPATH"
                    yield Finding(check="libraries", file=path, message=message, evidence=elsewhere)
                elif not policy.provides(library):
                    yield Finding(check="libraries", file=path, message=_describe_missing(library, policy))


def _describe_missing(library: str, policy: Policy) -> str:
    if policy.libc == "musl" and library == "libc.so":
        return f"needs libc.so; on {policy.tag} systems its name is {policy.musl_library}"
    return f"needs {library}, which is not in the wheel and not on every {policy.tag} system"


def find_external_libraries(contents: WheelContents) -> dict[str, tuple[str, ...]]:
    """Return, for each ELF file, the needed libraries that are not in the wheel."""
    search_paths, files = _find_search_paths(contents.elves), (*contents.elves, *contents.unread)
    return {
        path: tuple(library for library in elf.needed if not _is_in_wheel(library, search_paths[path], files))
        for path, elf in contents.elves.items()
    }


def _is_in_wheel(library: str, directories: set[str], files: Collection[str]) -> bool:
    return any(posixpath.normpath(posixpath.join(directory, library)) in files for directory in directories)


def _find_search_paths(elves: Mapping[str, ElfFacts]) -> dict[str, set[str]]:
    """Return, for each file, the directories of the wheel in which the loader searches for the libraries it needs.

    An RPATH (unlike a RUNPATH) also applies to the dependencies of the libraries that the file loads.
    """
    search_paths = {path: set(_resolve_rpath(path, elf)) for path, elf in elves.items()}
    inherited = {path: set(search_paths[path]) if elf.rpath_is_inherited else set() for path, elf in elves.items()}
    changed = True
    while changed:
        changed = False
        for path, elf in elves.items():
            for library in elf.needed:
                for directory in list(search_paths[path]):
                    needed = posixpath.normpath(posixpath.join(directory, library))
                    if needed in elves and not inherited[path] <= search_paths[needed]:
                        search_paths[needed] |= inherited[path]
                        inherited[needed] |= inherited[path]
                        changed = True
    return search_paths


def _resolve_rpath(path: str, elf: ElfFacts) -> Iterator[str]:
    for entry in elf.rpath:
        relative = _relative_to_origin(entry)
        if relative is not None:
            yield posixpath.normpath(posixpath.join(posixpath.dirname(path), relative))


def _relative_to_origin(entry: str) -> str | None:
    """Return the path after $ORIGIN, or None for an entry that does not begin with it."""
    for token in ("$ORIGIN", "${ORIGIN}"):
        if entry == token or entry.startswith(f"{token}/"):
            return entry.removeprefix(token).lstrip("/") or "."
    return None


def check_elf_rpath(contents: WheelContents) -> Iterator[Finding]:
    """Find RPATH and RUNPATH entries that are not relative to $ORIGIN, or that lead out of the wheel."""
    for path, elf in contents.elves.items():
        kind = "RPATH" if elf.rpath_is_inherited else "RUNPATH"
        directory = posixpath.dirname(installed_path(path))
        for entry in elf.rpath:
            relative = _relative_to_origin(entry)
            if relative is None:
                message = f"{kind} entry '{entry}' is not relative to $ORIGIN"
                yield Finding(check="rpath", file=path, message=message)
            elif posixpath.normpath(posixpath.join(directory, relative)).split("/")[0] == "..":
                yield Finding(check="rpath", file=path, message=f"{kind} entry '{entry}' leads out of the wheel")
