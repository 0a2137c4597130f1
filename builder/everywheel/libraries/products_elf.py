"""Products in the ELF format (Linux): architecture, soname, RUNPATH, debug data and exports."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from everywheel.binaries.ar import AR_MAGIC, find_first_object
from everywheel.binaries.elf import MAGIC, ElfFacts, read_elf
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.config.recipe import ResolvedRecipe
from everywheel.libraries.exports import check_exports


def check_elf_archive(file: str, data: bytes, recipe: ResolvedRecipe) -> Iterator[str]:
    """Yield the problems of a static archive; only its first object is read."""
    first = find_first_object(data, MAGIC) if data.startswith(AR_MAGIC) else data[:64]
    if first is not None:
        yield from check_machine(file, first, recipe)


def check_shared_elf(file: str, data: bytes, name: str, recipe: ResolvedRecipe) -> Iterator[str]:
    """Yield the problems of the shared library `name`."""
    facts = yield from check_machine(file, data, recipe)
    if facts is None:
        return
    soname = recipe.products.sonames.get(name, f"lib{name}.so")
    if facts.soname != soname:
        yield f"{file} has the soname '{facts.soname}', not '{soname}'"
    if facts.rpath:
        yield f"{file} has a RUNPATH: {':'.join(facts.rpath)}"
    if facts.debug:
        yield f"{file} has debug data"
    yield from check_exports(file, facts.exports, recipe)


def check_machine(file: str, data: bytes, recipe: ResolvedRecipe) -> Generator[str, None, ElfFacts | None]:
    """Yield a problem if an ELF file is for another architecture or cannot be read; return its facts, if any."""
    arch = recipe.target.arch
    try:
        facts = read_elf(data)
    except UnreadableElf as error:
        yield f"{file} is not an ELF file: {error}"
        return None
    if (facts.machine, facts.bits, facts.endian) != (arch.elf_machine, arch.bits, arch.endian):
        yield f"{file} is for {facts.machine}, {facts.bits} bits, {facts.endian} endian, not for {arch.name}"
    return facts
