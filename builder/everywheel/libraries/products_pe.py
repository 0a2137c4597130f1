"""Products in the PE and COFF formats (Windows): archives, import libraries and DLLs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from everywheel.binaries.ar import list_members
from everywheel.binaries.pe import read_pe
from everywheel.binaries.unreadable import UnreadablePe
from everywheel.config.recipe import ResolvedRecipe
from everywheel.libraries.exports import check_exports

_DLL = re.compile(rb"[\w.+-]+\.dll(?=\0)")
# The first bytes of an import object, in which the machine number is at offset 6, after a version.
_IMPORT_HEADER = b"\0\0\xff\xff"


def check_pe_archive(file: str, data: bytes, recipe: ResolvedRecipe) -> Iterator[str]:
    """Yield the objects in an archive or import library that are for another architecture."""
    expected = recipe.target.windows_arch.coff_machine
    machines = {
        int.from_bytes(member[6:8] if member[:4] == _IMPORT_HEADER else member[:2], "little")
        for member in list_members(data)
    }
    for number in sorted(machines - {expected}):
        yield f"{file} has objects of the machine type {number:#x}, not only for {recipe.target.arch.name}"
    if not machines:
        yield f"{file} has no objects"


def check_dlls(prefix: Path, file: str, data: bytes, recipe: ResolvedRecipe) -> Iterator[str]:
    """Yield the problems of an import library and of the DLLs that it names, undeclared exports included.

    Windows has no version scripts: a DLL exports the symbols that are marked for export, or all symbols if none are marked.
    """
    yield from check_pe_archive(file, data, recipe)
    names = sorted({match.decode() for match in _DLL.findall(data)})
    if not names:
        yield f"{file} names no DLL"
    for name in names:
        if not (prefix / "bin" / name).is_file():
            yield f"{file} names {name}, but bin/{name} is missing"
            continue
        yield from _check_dll(f"bin/{name}", (prefix / "bin" / name).read_bytes(), recipe)


def _check_dll(file: str, data: bytes, recipe: ResolvedRecipe) -> Iterator[str]:
    try:
        facts = read_pe(data)
    except UnreadablePe as error:
        yield f"{file} is not a DLL: {error}"
        return
    if facts.machine != recipe.target.windows_arch.pe_machine:
        yield f"{file} is for {facts.machine}, not for {recipe.target.arch.name}"
    if facts.debug or facts.pdb:
        yield f"{file} has debug data"
    yield from check_exports(file, facts.exports, recipe)
