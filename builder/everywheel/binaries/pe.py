"""PE files (DLLs, modules and programs of Windows), read once into facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pefile

from everywheel.binaries.init_functions import list_module_names
from everywheel.binaries.unreadable import UnreadablePe

MAGIC = b"MZ"
_SUFFIXES = (".pyd", ".dll", ".exe")
_TABLES = {
    "imports": ("IMAGE_DIRECTORY_ENTRY_IMPORT", "DIRECTORY_ENTRY_IMPORT"),
    "delayed imports": ("IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT", "DIRECTORY_ENTRY_DELAY_IMPORT"),
    "exports": ("IMAGE_DIRECTORY_ENTRY_EXPORT", "DIRECTORY_ENTRY_EXPORT"),
    "debug data": ("IMAGE_DIRECTORY_ENTRY_DEBUG", "DIRECTORY_ENTRY_DEBUG"),
}
# The size of an entry in the lists of DLLs; the last entry is followed by one that is zero.
_ENTRIES = {"imports": 20, "delayed imports": 32}
# Tables that the loader of Windows reads; no fact comes from them.
_LOADED = {
    "resources": "IMAGE_DIRECTORY_ENTRY_RESOURCE",
    "exception data": "IMAGE_DIRECTORY_ENTRY_EXCEPTION",
    "relocations": "IMAGE_DIRECTORY_ENTRY_BASERELOC",
    "thread-local storage": "IMAGE_DIRECTORY_ENTRY_TLS",
    "load configuration": "IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG",
    "addresses of imports": "IMAGE_DIRECTORY_ENTRY_IAT",
}
_CERTIFICATES = pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_SECURITY"]
_NO_NAME = b"*invalid*"  # the name that pefile gives a DLL whose name is invalid
_FLAGS = ("DYNAMIC_BASE", "NX_COMPAT", "HIGH_ENTROPY_VA")
# The number of possible ordinals. By default, pefile reads at most 8192 symbols
# (https://github.com/erocarrera/pefile/pull/261).
_MAX_SYMBOLS = 0x10000
# For imports, pefile has no parameter for the limit, counts each symbol twice, and silently ignores symbols above it.
pefile.MAX_IMPORT_SYMBOLS = 4 * _MAX_SYMBOLS


@dataclass(frozen=True, slots=True, kw_only=True)
class PeFacts:
    """The facts about a PE file.

    Attributes:
        machine: the architecture as pefile spells it.
        imports: the DLLs that it needs, in lower case, with the symbols that it imports or forwards.
        delayed: the DLLs among them that are loaded on first use.
        variables: the exports that are data instead of code.
        minimum: the oldest version of Windows that loads it.
        flags: the mitigations that its header allows the loader to use.
        debug: the size in bytes of debug sections, by name.
        pdb: the path of its debugging data on the build machine.
    """

    machine: str
    bits: int
    is_library: bool
    imports: Mapping[str, tuple[str, ...]]
    delayed: frozenset[str]
    exports: tuple[str, ...]
    variables: frozenset[str]
    minimum: tuple[int, int]
    flags: frozenset[str]
    debug: Mapping[str, int]
    pdb: str

    @property
    def needed(self) -> tuple[str, ...]:
        return tuple(self.imports)

    @property
    def rpath(self) -> tuple[str, ...]:
        return ()

    @property
    def module_names(self) -> tuple[str, ...]:
        """The Python modules that it can initialize."""
        return list_module_names(self.exports)

    @property
    def required_versions(self) -> dict[str, str]:
        """The oldest Windows that loads it: `{"Windows": "6.0"}`."""
        return {"Windows": ".".join(map(str, self.minimum))}


def is_pe(name: str, data: bytes) -> bool:
    """Return whether a file is a PE file by its headers or by its name; the two letters `MZ` are not enough."""
    start = int.from_bytes(data[60:64], "little")
    return name.lower().endswith(_SUFFIXES) or (data.startswith(MAGIC) and data[start : start + 4] == b"PE\0\0")


@lru_cache(maxsize=8)
def read_pe(data: bytes) -> PeFacts:
    """Return the facts of a PE file; raise UnreadablePe when it is truncated or malformed."""
    try:
        pe = pefile.PE(data=data, fast_load=True, max_symbol_exports=_MAX_SYMBOLS)
        return _read(pe, len(data))
    except UnreadablePe:
        raise
    except Exception as error:  # pefile raises other exceptions than its own on malformed files
        reason = str(error).strip("'\"") or type(error).__name__
        raise UnreadablePe(f"not a complete PE file ({reason})") from None


def _read(pe: Any, size: int) -> PeFacts:
    _check_size(pe, size)
    _parse_tables(pe)
    regular, delayed = (list(getattr(pe, _TABLES[table][1], ())) for table in ("imports", "delayed imports"))
    imports: dict[str, tuple[str, ...]] = {}
    for entry in (*regular, *delayed):
        imports[_dll(entry)] = (*imports.get(_dll(entry), ()), *map(_symbol, entry.imports))
    exports = _read_exports(pe)
    for library, name in (_split_forwarder(symbol.forwarder) for symbol in exports if symbol.forwarder):
        imports[library] = (*imports.get(library, ()), name)
    header = pe.OPTIONAL_HEADER
    return PeFacts(
        machine=pefile.MACHINE_TYPE.get(pe.FILE_HEADER.Machine, f"machine type {pe.FILE_HEADER.Machine:#x}"),
        bits=64 if header.Magic == pefile.OPTIONAL_HEADER_MAGIC_PE_PLUS else 32,
        is_library=bool(pe.FILE_HEADER.IMAGE_FILE_DLL),
        imports=imports,
        delayed=frozenset(map(_dll, delayed)) - frozenset(map(_dll, regular)),
        exports=tuple(sorted(_decode(symbol.name) for symbol in exports if symbol.name)),
        variables=frozenset(_decode(symbol.name) for symbol in exports if symbol.name and _is_variable(pe, symbol)),
        minimum=(header.MajorSubsystemVersion, header.MinorSubsystemVersion),
        flags=frozenset(flag for flag in _FLAGS if getattr(header, f"IMAGE_DLLCHARACTERISTICS_{flag}")),
        debug={name: section.SizeOfRawData for name, section in _name_sections(pe) if name.startswith(".debug_")},
        pdb=next(_find_pdbs(pe), ""),
    )


def _check_size(pe: Any, size: int) -> None:
    ends = [section.PointerToRawData + section.SizeOfRawData for section in pe.sections]
    directories = pe.OPTIONAL_HEADER.DATA_DIRECTORY
    if len(directories) > _CERTIFICATES:  # the only table that is behind the sections
        ends.append(directories[_CERTIFICATES].VirtualAddress + directories[_CERTIFICATES].Size)
    if pe.FILE_HEADER.PointerToSymbolTable:
        ends.append(_find_strings(pe) + 4)
    if len(pe.sections) != pe.FILE_HEADER.NumberOfSections:
        raise UnreadablePe(f"{len(pe.sections)} of {pe.FILE_HEADER.NumberOfSections} sections can be read")
    if max(ends, default=0) > size:
        raise UnreadablePe(f"truncated: {size} of {max(ends)} bytes")


def _parse_tables(pe: Any) -> None:
    numbers = {table: pefile.DIRECTORY_ENTRY[name] for table, (name, _) in _TABLES.items()}
    pe.parse_data_directories(directories=list(numbers.values()))
    for table, number in numbers.items():
        if table in _ENTRIES:
            _check_entries(pe, table, number)
        elif all(_find_table(pe, number)) and not hasattr(pe, _TABLES[table][1]):
            raise UnreadablePe(f"its {table} cannot be read")
    for table, name in _LOADED.items():
        if not _is_inside(pe, *_find_table(pe, pefile.DIRECTORY_ENTRY[name])):
            raise UnreadablePe(f"its table of {table} is not inside a section")


def _find_table(pe: Any, number: int) -> tuple[int, int]:
    """Return the address of a table in memory and its size in bytes, both 0 for a missing table."""
    directories = pe.OPTIONAL_HEADER.DATA_DIRECTORY
    return (directories[number].VirtualAddress, directories[number].Size) if len(directories) > number else (0, 0)


def _check_entries(pe: Any, table: str, number: int) -> None:
    """Raise UnreadablePe unless pefile returns each DLL of a list: it skips DLLs whose name or symbols it cannot read."""
    try:
        listed = _count_entries(pe, _find_table(pe, number)[0], _ENTRIES[table])
    except pefile.PEFormatError:
        raise UnreadablePe(f"its {table} cannot be read") from None
    returned = sum(entry.dll != _NO_NAME for entry in getattr(pe, _TABLES[table][1], ()))
    if returned != listed:
        raise UnreadablePe(
            f"its {table} cannot be read: {listed - returned} of {listed} DLLs without a name or symbols"
        )


def _count_entries(pe: Any, start: int, length: int) -> int:
    count = 0
    # In memory, zeros follow the end of a section in the file.
    while start and any(pe.get_data(start + count * length, length)):
        count += 1
    return count


def _is_inside(pe: Any, start: int, size: int) -> bool:
    """Return whether a table is empty or within one section in memory."""
    return not (start and size) or any(
        section.VirtualAddress <= start
        and start + size <= section.VirtualAddress + max(section.Misc_VirtualSize, section.SizeOfRawData)
        for section in pe.sections
    )


def _read_exports(pe: Any) -> list[Any]:
    if not hasattr(pe, "DIRECTORY_ENTRY_EXPORT"):
        return []
    named = pe.DIRECTORY_ENTRY_EXPORT.struct.NumberOfNames
    if named > _MAX_SYMBOLS:
        raise UnreadablePe(f"its header lists {named} exported names; {_MAX_SYMBOLS} are possible")
    return list(pe.DIRECTORY_ENTRY_EXPORT.symbols)


def _is_variable(pe: Any, symbol: Any) -> bool:
    section = pe.get_section_by_rva(symbol.address)
    return not symbol.forwarder and section is not None and not section.IMAGE_SCN_MEM_EXECUTE


def _split_forwarder(forwarder: bytes) -> tuple[str, str]:
    """Return the DLL and the symbol of a forwarded export, such as `NTDLL.RtlFree`."""
    library, _, name = _decode(forwarder).rpartition(".")
    library = library.lower()
    return library if library.endswith(".dll") else f"{library}.dll", name


def _dll(entry: Any) -> str:
    return _decode(entry.dll).lower()


def _symbol(symbol: Any) -> str:
    return _decode(symbol.name) if symbol.name else f"number {symbol.ordinal}"


def _decode(name: bytes) -> str:
    return name.rstrip(b"\0").decode("ascii", "replace")


def _find_strings(pe: Any) -> int:
    """Return the offset of the string table, which is behind the symbols and contains the long names of sections."""
    return int(pe.FILE_HEADER.PointerToSymbolTable + 18 * pe.FILE_HEADER.NumberOfSymbols)


def _name_sections(pe: Any) -> Iterator[tuple[str, Any]]:
    for section in pe.sections:
        name = _decode(section.Name)
        if name[:1] == "/" and name[1:].isdecimal() and pe.FILE_HEADER.PointerToSymbolTable:
            start = _find_strings(pe) + int(name[1:])
            name = _decode(bytes(pe.__data__[start : start + 64]).split(b"\0")[0])
        yield name, section


def _find_pdbs(pe: Any) -> Iterator[str]:
    for entry in getattr(pe, "DIRECTORY_ENTRY_DEBUG", ()):
        if getattr(entry, "entry", None) is not None and hasattr(entry.entry, "PdbFileName"):
            yield entry.entry.PdbFileName.rstrip(b"\0").decode(errors="replace")
