"""Checks of how Linux loads a wheel's ELF files: architecture, symbol versions, needed libraries, search paths."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from everywheel.audit.elf_search import find_search_paths, list_directories, relative_to_origin, resolve_inside
from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents, installed_path
from everywheel.binaries.elf import VersionNeed
from everywheel.platforms.linux_policy import Policy

_MAX_SYMBOLS = 8


def check_elf_arch(contents: WheelContents) -> Iterator[Finding]:
    """Find files of another ELF class, byte order, machine or calling convention than a platform tag requires."""
    for policy in contents.strictest_policies:
        arch = policy.arch
        required = (arch.elf_machine, arch.bits, arch.endian)
        for path, elf in contents.elves.items():
            actual = (elf.machine, elf.bits, elf.endian)
            if actual != required:
                message = (
                    f"built for {_describe_machine(*actual)}; {policy.tag} requires {_describe_machine(*required)}"
                )
                yield Finding(check="arch", file=path, message=message)
            elif convention := dict(arch.other_conventions).get(elf.flags & arch.convention_mask):
                message = f"built for {convention}, which programs for {policy.tag} cannot call"
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
    paths, files = find_search_paths(contents), (*contents.elves, *contents.unread)
    for path, elf in contents.elves.items():
        for library in elf.needed:
            if paths.find(path, library) is not None:
                continue
            elsewhere = tuple(other for other in files if posixpath.basename(other) == posixpath.basename(library))
            messages = (_describe_missing(library, bool(elsewhere), policy) for policy in contents.distinct_policies)
            if message := next(filter(None, messages), ""):
                yield Finding(check="libraries", file=path, message=message, evidence=elsewhere)


def _describe_missing(library: str, is_elsewhere: bool, policy: Policy) -> str:
    """Return why a library that is not found in the wheel is missing on systems of a policy; empty if it is not."""
    if "/" in library:
        return f"needs {library}: the loader does not search for a name with a slash, but opens that path"
    if is_elsewhere:
        return f"needs {library}, which is in the wheel, but not in a directory on its RPATH"
    if policy.provides(library):
        return ""
    if policy.libc == "musl" and library == "libc.so":
        return f"needs libc.so; on {policy.tag} systems its name is {policy.musl_library}"
    return f"needs {library}, which is not in the wheel and not on every {policy.tag} system"


def check_elf_loader(contents: WheelContents) -> Iterator[Finding]:
    """Find programs whose loader is not that of the systems of the tags."""
    for path, elf in contents.elves.items():
        for policy in contents.distinct_policies:
            if elf.is_program and elf.interpreter and elf.interpreter != policy.loader:
                message = f"is loaded by {elf.interpreter}; on {policy.tag} systems the loader is {policy.loader}"
                yield Finding(check="libraries", file=path, message=message)


def find_external_libraries(contents: WheelContents) -> dict[str, tuple[str, ...]]:
    """Return, for each ELF file, the needed libraries that are not in the wheel."""
    paths = find_search_paths(contents)
    return {
        path: tuple(library for library in elf.needed if paths.find(path, library) is None)
        for path, elf in contents.elves.items()
    }


def check_elf_rpath(contents: WheelContents) -> Iterator[Finding]:
    """Find RPATH and RUNPATH entries that are not relative to $ORIGIN, or that lead out of the wheel."""
    folders = list_directories(contents)
    for path, elf in contents.elves.items():
        kind = "RPATH" if elf.rpath_is_inherited else "RUNPATH"
        directory = posixpath.dirname(installed_path(path))
        for entry in elf.rpath:
            relative = relative_to_origin(entry)
            if relative is None:
                message = f"{kind} entry '{entry}' is not relative to $ORIGIN"
                yield Finding(check="rpath", file=path, message=message)
            elif resolve_inside(directory, relative, folders) is None:
                yield Finding(check="rpath", file=path, message=f"{kind} entry '{entry}' leads out of the wheel")
