"""The libraries that the files of a wheel need: which are in the wheel, in the prefix, on every system, or nowhere."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from everywheel.binaries.elf import ElfFacts
from everywheel.binaries.formats import FORMATS, Binary, read_binary
from everywheel.binaries.macho import MachoFacts
from everywheel.binaries.pe import PeFacts
from everywheel.binaries.unreadable import UnreadableBinary
from everywheel.errors import AuditError, BuildError
from everywheel.libraries.library_facts import Library, list_prefix_files, read_prefix_file
from everywheel.platforms.linux_policy import load_policy
from everywheel.platforms.mac_windows_policy import is_macos_library, load_windows_policy
from everywheel.platforms.target import Target
from everywheel.repair.request import RepairRequest
from everywheel.wheels.wheel import Wheel

MUSL_STUB = "libc.so"
"""The name of musl in files that zig links; Alpine has another one."""
_PYTHON = re.compile(r"libpython\d\.\d+t?d?\.so.*|python3\d*t?(_d)?\.dll|libpypy[\d.]*-c\.(dll|so)")
_FOLDERS = {"linux": "lib", "darwin": "lib", "windows": "bin"}
_SITE_PACKAGES = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededLibraries:
    """The binaries of a wheel for its target, and the libraries that they need.

    `own` are the paths in the wheel by the name that other files may need them by. `direct` maps each path to the names of
    the libraries that it needs from the prefix; `grafted` are all names, including those that libraries need in turn.
    `renamed` are other names for libraries of the prefix whose names every system of the target has too.
    """

    binaries: Mapping[str, Binary]
    own: Mapping[str, tuple[str, ...]]
    direct: Mapping[str, tuple[str, ...]]
    grafted: frozenset[str]
    renamed: Mapping[str, str]


def find_needed(wheel: Wheel, request: RepairRequest, libraries: Sequence[Library]) -> NeededLibraries:
    """Return the libraries that a wheel needs; `libraries` are those that the prefix describes.

    Raises AuditError when one is neither in the wheel, nor in the prefix, nor on every system of the target.
    """
    target = request.target
    folder = request.prefix / _FOLDERS[target.os]
    available = {_spell(path.name, target): path for path in list_prefix_files(request.prefix, _FOLDERS[target.os])}
    renamed = dict(_list_renamed(request, libraries))
    binaries = dict(_read_binaries(wheel, target))
    own: dict[str, tuple[str, ...]] = {}
    for path in binaries:
        name = _spell(posixpath.basename(path), target)
        own[name] = (*own.get(name, ()), path)
    direct = {
        path: tuple(n for n in _list_needed(binary, target, renamed) if n in available)
        for path, binary in binaries.items()
    }
    missing: dict[str, list[str]] = {}
    grafted: dict[str, Path] = {}
    pending: list[tuple[str, Binary]] = list(binaries.items())
    while pending:
        path, binary = pending.pop(0)
        for name in _list_needed(binary, target, renamed):
            if name in available and name not in grafted:
                grafted[name] = available[name]
                library = _read_library(available[name], target)
                pending += [(str(available[name]), library)] if library is not None else []
            elif name not in available and name not in own:
                missing.setdefault(path, []).append(name)
    if missing:
        raise _missing_error(wheel, request, missing, folder)
    return NeededLibraries(binaries=binaries, own=own, direct=direct, grafted=frozenset(grafted), renamed=renamed)


def _list_renamed(request: RepairRequest, libraries: Sequence[Library]) -> Iterator[tuple[str, str]]:
    """Yield the soname of each library of the prefix that every system of the target has too, and another name for it.

    Old policies promise libraries such as libglib-2.0.so.0, of any version. auditwheel leaves them to the system, although
    the wheel was built with its own.
    """
    policy = load_policy(request.target.tag)
    stems = {file for library in libraries if library.linkage == "shared" for file in library.files}
    for path in list_prefix_files(request.prefix, "lib") if policy is not None and stems else ():
        if path.is_symlink() or path.name.partition(".so")[0] not in stems:
            continue
        library = _read_library(path, request.target)
        if isinstance(library, ElfFacts) and policy is not None and policy.provides(library.soname):
            yield library.soname, path.name if path.name != library.soname else f"{library.soname}.0"


def _read_binaries(wheel: Wheel, target: Target) -> Iterator[tuple[str, Binary]]:
    for path, file in wheel.files.items():
        try:
            binary = read_binary(path, file.data, (target.os,))
        except UnreadableBinary:
            continue  # the audit reports it
        if isinstance(binary, FORMATS[target.os].facts):
            yield path, binary


def _read_library(path: Path, target: Target) -> Binary | None:
    try:
        return read_binary(path.name, read_prefix_file(path), (target.os,))
    except UnreadableBinary as error:
        raise BuildError(
            f"{path.name} in the prefix cannot be read",
            details={"file": path, "reason": error},
            hint="it is truncated, damaged or not a compiled file: build it again",
        ) from None


def _spell(name: str, target: Target) -> str:
    return name.lower() if target.os == "windows" else name


def _list_needed(binary: Binary, target: Target, own: Collection[str] = ()) -> list[str]:
    """Return the file names of the libraries that a file needs and that not every system of the target has.

    Those in `own` are included even if every system has them.
    """
    if isinstance(binary, ElfFacts):
        policy = load_policy(target.tag)
        names = [name for name in binary.needed if not _PYTHON.fullmatch(name)]
        stub = MUSL_STUB if target.libc == "musl" else ""
        return [
            name
            for name in names
            if name != stub and (name in own or not (policy is not None and policy.provides(name)))
        ]
    if isinstance(binary, PeFacts):
        windows = load_windows_policy(target.tag)
        names = [name for name in binary.needed if not _PYTHON.fullmatch(name)]
        if windows is None:
            return names
        return [
            name
            for name in names
            if not (windows.may_provide(name) if name in binary.delayed else windows.provides(name))
        ]
    assert isinstance(binary, MachoFacts)
    # A library that is loaded weakly may be missing: the audit decides which ones.
    weak = {name for image in binary.images for name in image.optional}
    return [posixpath.basename(name) for name in binary.needed if name not in weak and not is_macos_library(name)]


def _missing_error(wheel: Wheel, request: RepairRequest, missing: Mapping[str, list[str]], folder: Path) -> AuditError:
    count = len({name for names in missing.values() for name in names})
    libraries = "a library" if count == 1 else f"{count} libraries"
    return AuditError(
        f"{request.describe(wheel)}: {libraries} that the wheel needs cannot be found",
        details={
            **{path: f"needs {', '.join(names)}" for path, names in missing.items()},
            "searched": f"the wheel, {folder}, and the libraries of every {request.target.tag} system",
        },
        hint="build it with a recipe that `requires` and `shared` of [tool.everywheel] name, or link it statically",
    )


def scheme_of(path: str) -> str:
    """Return the directory whose files installers put into another place than site-packages: `demo-1.0.data/scripts`.

    It is empty for a file in site-packages (PEP 427).
    """
    parts = PurePosixPath(path).parts
    outside = len(parts) > 2 and parts[0].endswith(".data") and parts[1] not in ("platlib", "purelib")
    return "/".join(parts[:2]) if outside else _SITE_PACKAGES


def check_schemes(wheel: Wheel, needed: NeededLibraries, request: RepairRequest) -> None:
    """Raise BuildError for a file that is installed where it cannot find the libraries that it needs.

    auditwheel replaces a program in `scripts` that needs a grafted library by a script that starts it in site-packages.
    Windows searches for the DLLs of a program in its own directory only.
    """
    lost: dict[str, str] = {}
    for path, binary in needed.binaries.items():
        scheme = scheme_of(path)
        is_moved = request.target.os == "linux" and scheme.endswith("/scripts")
        is_program = isinstance(binary, PeFacts) and not binary.is_library
        if needed.direct[path] and ((scheme and not is_moved) or is_program):
            lost[path] = f"needs {', '.join(needed.direct[path])}, which is grafted next to the package"
        own = [n for n in _list_needed(binary, request.target) if n in needed.own and n not in needed.direct[path]]
        for name in own:
            if scheme not in map(scheme_of, needed.own[name]):
                lost[path] = f"needs {name}, which is {needed.own[name][0]}"
    if lost:
        raise BuildError(
            f"{request.describe(wheel)}: files are installed where they cannot find their libraries",
            details=lost,
            hint="install the program into the package, next to its libraries, or link it statically",
        )
