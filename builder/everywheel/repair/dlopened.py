"""Shared libraries of the prefix that a wheel's files open with dlopen() instead of linking to them (Linux)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from everywheel.binaries.elf import read_elf
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.libraries.library_facts import list_prefix_files, read_prefix_file
from everywheel.repair.needed import NeededLibraries, scheme_of
from everywheel.repair.request import RepairRequest
from everywheel.wheels.wheel import Wheel


@dataclass(frozen=True, slots=True, kw_only=True)
class Dlopened:
    """A library that files of the wheel open by `name`; `users` are the paths of these files."""

    name: str
    file: Path
    users: tuple[str, ...]


def find_dlopened(wheel: Wheel, needed: NeededLibraries, request: RepairRequest) -> tuple[Dlopened, ...]:
    """Return the libraries of the prefix that no file of the wheel is linked to, but that a file contains the name of.

    Such a library is grafted under the name that dlopen() is called with, and made a needed library of its users: musl does
    not search the RPATH of a caller of dlopen(), but both C libraries find a loaded library by its name.
    """
    dlopened = []
    for file in list_prefix_files(request.prefix, "lib"):
        if file.is_symlink() or ".so" not in file.name:
            continue
        try:
            soname = read_elf(read_prefix_file(file)).soname or file.name
        except UnreadableElf:
            continue
        names = [name for name in (soname, f"{soname.partition('.so')[0]}.so") if name not in needed.own]
        if soname in needed.grafted:
            continue
        for name in names:
            pattern = re.compile(rb"(?<![\w.+/-])" + re.escape(name.encode()) + rb"(?![\w.+-])")
            users = [p for p in needed.binaries if not scheme_of(p) and pattern.search(wheel.files[p].data)]
            if users:
                dlopened.append(Dlopened(name=name, file=file, users=tuple(users)))
                break
    return tuple(dlopened)
