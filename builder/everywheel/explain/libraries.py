"""The libraries that files need, and where each would come from."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from elftools.elf.enums import ENUM_E_MACHINE

from everywheel.audit.elf_search import SearchPaths, find_search_paths
from everywheel.audit.macho_linking import find_external_install_names
from everywheel.audit.pe_linking import PYTHON_DLL, find_external_dlls
from everywheel.audit.wheel_contents import WheelContents
from everywheel.explain.subjects import Subject, SubjectKind
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.linux_policy import Policy
from everywheel.platforms.mac_windows_policy import is_macos_library, load_windows_policy
from everywheel.platforms.symbol_lists import is_listed_library
from everywheel.platforms.tags import PlatformTag, TagFamily

# The packages that have libraries which modules often need, on Debian and Ubuntu, Fedora and RHEL, Alpine.
PACKAGES: Mapping[str, tuple[str, str, str]] = {
    "libGL.so.1": ("libgl1", "mesa-libGL", "mesa-gl"),
    "libEGL.so.1": ("libegl1", "mesa-libEGL", "mesa-egl"),
    "libX11.so.6": ("libx11-6", "libX11", "libx11"),
    "libXext.so.6": ("libxext6", "libXext", "libxext"),
    "libXrender.so.1": ("libxrender1", "libXrender", "libxrender"),
    "libSM.so.6": ("libsm6", "libSM", "libsm"),
    "libICE.so.6": ("libice6", "libICE", "libice"),
    "libatomic.so.1": ("libatomic1", "libatomic", "libatomic"),
    "libexpat.so.1": ("libexpat1", "expat", "expat"),
    "libffi.so.8": ("libffi8", "libffi", "libffi"),
    "libgcc_s.so.1": ("libgcc-s1", "libgcc", "libgcc"),
    "libgfortran.so.5": ("libgfortran5", "libgfortran", "libgfortran"),
    "libglib-2.0.so.0": ("libglib2.0-0", "glib2", "glib"),
    "libgobject-2.0.so.0": ("libglib2.0-0", "glib2", "glib"),
    "libgthread-2.0.so.0": ("libglib2.0-0", "glib2", "glib"),
    "libgomp.so.1": ("libgomp1", "libgomp", "libgomp"),
    "libpq.so.5": ("libpq5", "libpq", "libpq"),
    "libstdc++.so.6": ("libstdc++6", "libstdc++", "libstdc++"),
    "libvips.so.42": ("libvips42", "vips", "vips"),
    "libxml2.so.2": ("libxml2", "libxml2", "libxml2"),
    "libz.so.1": ("zlib1g", "zlib", "zlib"),
}
_FOLDERS = ("lib", "usr/lib", "lib64", "usr/lib64", "usr/local/lib")


class Origin(StrEnum):
    """Where a needed library comes from."""

    INSIDE = "inside"
    LIBC = "C library"
    SYSTEM = "system"
    PYTHON = "Python"
    PACKAGE = "package of the distribution"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A library that files need: its origin, the files that need it, and details: a path, or the packages that have it."""

    name: str
    origin: Origin
    users: tuple[str, ...]
    details: str = ""


def describe_packages(library: str) -> str:
    """Return the packages of distributions that have a library; empty for a library that is not known."""
    if library not in PACKAGES:
        return ""
    debian, fedora, alpine = PACKAGES[library]
    return f"{debian} on Debian and Ubuntu, {fedora} on Fedora and RHEL, {alpine} on Alpine"


def list_elf_libraries(subject: Subject, paths: list[str], policy: Policy | None) -> tuple[Library, ...]:
    """Return the libraries that some ELF files of a subject need; `policy` is that of their C library and architecture."""
    search = find_named_files(subject.contents)
    users: dict[tuple[str, Origin, str], list[str]] = {}
    for path in paths:
        for library in subject.contents.elves[path].needed:
            origin, details = _find_origin(subject, search, path, library, policy)
            users.setdefault((library, origin, details), []).append(path)
    return tuple(
        Library(name=name, origin=origin, users=tuple(needing), details=details)
        for (name, origin, details), needing in sorted(users.items())
    )


def find_named_files(contents: WheelContents) -> SearchPaths:
    """Return the search paths of all ELF files; a file is also users by its soname, for which installations have a link."""
    search = find_search_paths(contents)
    named = {
        posixpath.join(posixpath.dirname(installed), contents.elves[path].soname): path
        for installed, path in search.files.items()
        if path in contents.elves and contents.elves[path].soname
    }
    return replace(search, files={**named, **search.files})


def _find_origin(
    subject: Subject, search: SearchPaths, path: str, library: str, policy: Policy | None
) -> tuple[Origin, str]:
    if inside := search.find(path, library):
        return Origin.INSIDE, inside
    if policy is not None and is_listed_library(library, policy):
        return Origin.LIBC, ""
    if library.startswith(("libpython3", "libpypy")):
        return Origin.PYTHON, ""
    packages = describe_packages(library)
    if policy is not None and policy.provides(library):
        return Origin.SYSTEM, packages
    if subject.kind is not SubjectKind.WHEEL and (file := _find_on_machine(subject, path, library)):
        return Origin.SYSTEM, f"{file} on this machine"
    elsewhere = next((p for p in subject.contents.elves if posixpath.basename(p) == library), "")
    if elsewhere:
        return Origin.MISSING, f"{elsewhere} is not in a directory on the RPATH"
    return (Origin.PACKAGE, packages) if packages else (Origin.MISSING, "")


def _find_on_machine(subject: Subject, path: str, library: str) -> str:
    """Return the path of a library in a standard folder of this machine, or on the RPATH of a file; empty if none has it."""
    elf = subject.contents.elves[path]
    origin = (subject.location if subject.kind is SubjectKind.FILE else subject.location / path).parent
    entries = [Path(e.replace("$ORIGIN", str(origin)).replace("${ORIGIN}", str(origin))) for e in elf.rpath]
    triplets = [*Path("/usr/lib").glob("*-linux-*")] if Path("/usr/lib").is_dir() else []
    for folder in (*entries, *(Path("/", name) for name in _FOLDERS), *sorted(triplets)):
        file = folder / library
        if file.is_file() and _has_machine(file, elf.bits, elf.machine):
            return str(file)
    return ""


def _has_machine(path: Path, bits: int, machine: str) -> bool:
    with path.open("rb") as file:
        header = file.read(20)
    number = int.from_bytes(header[18:20], "big" if header[5:6] == b"\2" else "little")
    return header[:4] == b"\x7fELF" and header[4] == bits // 32 and number == ENUM_E_MACHINE.get(machine)


def list_other_libraries(contents: WheelContents) -> tuple[Library, ...]:
    """Return the libraries that the Mach-O and PE files need."""
    external = {**find_external_install_names(contents), **find_external_dlls(contents)}
    users: dict[tuple[str, Origin], list[str]] = {}
    for path in (*contents.machos, *contents.pes):
        for library in contents.binaries[path].needed:
            if library not in external[path]:
                origin = Origin.INSIDE
            elif path in contents.pes:
                origin = _classify_dll(library, contents.pes[path].machine)
            else:
                origin = Origin.SYSTEM if is_macos_library(library) else Origin.MISSING
            users.setdefault((library, origin), []).append(path)
    return tuple(
        Library(name=name, origin=origin, users=tuple(paths)) for (name, origin), paths in sorted(users.items())
    )


def _classify_dll(library: str, machine: str) -> Origin:
    if PYTHON_DLL.fullmatch(library):
        return Origin.PYTHON
    policies = (
        load_windows_policy(PlatformTag.make(TagFamily.WINDOWS, arch.windows.name).text)
        for arch in ARCHES.values()
        if arch.windows
    )
    policy = next((policy for policy in policies if policy is not None and policy.machine == machine), None)
    if policy is None or not policy.may_provide(library):
        return Origin.MISSING
    return Origin.SYSTEM
