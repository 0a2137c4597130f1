"""PE files (Windows' DLLs, modules and programs) read once, into the facts that the checks ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pefile

MAGIC = b"MZ"
_SUFFIXES = (".pyd", ".dll", ".exe")
_TABLES = {
    "imports": ("IMAGE_DIRECTORY_ENTRY_IMPORT", "DIRECTORY_ENTRY_IMPORT"),
    "delayed imports": ("IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT", "DIRECTORY_ENTRY_DELAY_IMPORT"),
    "exports": ("IMAGE_DIRECTORY_ENTRY_EXPORT", "DIRECTORY_ENTRY_EXPORT"),
    "debug data": ("IMAGE_DIRECTORY_ENTRY_DEBUG", "DIRECTORY_ENTRY_DEBUG"),
}
# Lists of DLLs: the size of one entry, after the last of which comes one of zeros.
_ENTRIES = {"imports": 20, "delayed imports": 32}
# What Windows' loader reads by itself, whether or not anybody here does.
_LOADED = {
    "resources": "IMAGE_DIRECTORY_ENTRY_RESOURCE",
    "exception data": "IMAGE_DIRECTORY_ENTRY_EXCEPTION",
    "relocations": "IMAGE_DIRECTORY_ENTRY_BASERELOC",
    "thread-local storage": "IMAGE_DIRECTORY_ENTRY_TLS",
    "load configuration": "IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG",
    "addresses of imports": "IMAGE_DIRECTORY_ENTRY_IAT",
}
_CERTIFICATES = pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_SECURITY"]
_NO_NAME = b"*invalid*"  # what pefile calls a DLL whose name no file can have
_FLAGS = ("DYNAMIC_BASE", "NX_COMPAT", "HIGH_ENTROPY_VA")
_MOST_SYMBOLS = 0x10000  # as many as there are numbers for; pefile itself stops at 8192
# Of imports too, without a word, counting each twice; and has no parameter for these.
pefile.MAX_IMPORT_SYMBOLS = 4 * _MOST_SYMBOLS


class UnreadablePe(Exception):
    """The bytes begin as a PE file does, or are named as one, but are not a whole one; the message is the reason."""

    check = "pe"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeFacts:
    """What one PE file says about itself.

    `machine` is as pefile spells it; `imports` maps the DLLs that it needs, in lower case, to the symbols it takes from
    them or passes on (forwarded exports), with those of `delayed`, which are looked for on first use; `minimum` is the
    oldest version of Windows; `flags` are those of the loader's mitigations that it allows; `debug` maps debug sections to
    their size in bytes; `pdb` is the path of its debug data on the build machine.
    """

    machine: str
    bits: int
    is_library: bool
    imports: Mapping[str, tuple[str, ...]]
    delayed: frozenset[str]
    exports: tuple[str, ...]
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
        """The Python modules that it can initialise: the names after `PyInit_` (multi-phase or not)."""
        return tuple(s.split("_", 1)[1] for s in self.exports if s.startswith(("PyInit_", "PyInitU_", "PyModExport_")))

    @property
    def highest(self) -> dict[str, str]:
        """The oldest Windows that loads it: `{"Windows": "6.0"}`."""
        return {"Windows": ".".join(map(str, self.minimum))}


def is_pe(name: str, data: bytes) -> bool:
    """Tell whether a file is a PE file by its headers, or named as one; two letters alone could be anything."""
    start = int.from_bytes(data[60:64], "little")
    return name.lower().endswith(_SUFFIXES) or (data.startswith(MAGIC) and data[start : start + 4] == b"PE\0\0")


@lru_cache(maxsize=8)
def read_pe(data: bytes) -> PeFacts:
    """Return the facts of a PE file; raise UnreadablePe when it is truncated or malformed."""
    try:
        pe = pefile.PE(data=data, fast_load=True, max_symbol_exports=_MOST_SYMBOLS)
        return _read(pe, len(data))
    except UnreadablePe:
        raise
    except Exception as error:  # pefile's own error, and what it lets through on bytes that are not what they claim
        reason = str(error).strip("'\"") or type(error).__name__
        raise UnreadablePe(f"not a whole PE file ({reason})") from None


def _read(pe: Any, size: int) -> PeFacts:
    _check_size(pe, size)
    _parse_tables(pe)
    now, later = (list(getattr(pe, _TABLES[words][1], ())) for words in ("imports", "delayed imports"))
    imports: dict[str, tuple[str, ...]] = {}
    for entry in (*now, *later):
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
        delayed=frozenset(map(_dll, later)) - frozenset(map(_dll, now)),
        exports=tuple(sorted(_decode(symbol.name) for symbol in exports if symbol.name)),
        minimum=(header.MajorSubsystemVersion, header.MinorSubsystemVersion),
        flags=frozenset(flag for flag in _FLAGS if getattr(header, f"IMAGE_DLLCHARACTERISTICS_{flag}")),
        debug={name: section.SizeOfRawData for name, section in _name_sections(pe) if name.startswith(".debug_")},
        pdb=next(_find_pdbs(pe), ""),
    )


def _check_size(pe: Any, size: int) -> None:
    ends = [section.PointerToRawData + section.SizeOfRawData for section in pe.sections]
    directories = pe.OPTIONAL_HEADER.DATA_DIRECTORY
    if len(directories) > _CERTIFICATES:  # the one table that lies behind the sections
        ends.append(directories[_CERTIFICATES].VirtualAddress + directories[_CERTIFICATES].Size)
    if pe.FILE_HEADER.PointerToSymbolTable:
        ends.append(_find_strings(pe) + 4)
    if len(pe.sections) != pe.FILE_HEADER.NumberOfSections:
        raise UnreadablePe(f"it has {len(pe.sections)} sections of {pe.FILE_HEADER.NumberOfSections}")
    if max(ends, default=0) > size:
        raise UnreadablePe(f"truncated: it has {size} bytes of {max(ends)}")


def _parse_tables(pe: Any) -> None:
    numbers = {words: pefile.DIRECTORY_ENTRY[name] for words, (name, _) in _TABLES.items()}
    pe.parse_data_directories(directories=list(numbers.values()))
    for words, number in numbers.items():
        if words in _ENTRIES:
            _check_entries(pe, words, number)
        elif all(_find_table(pe, number)) and not hasattr(pe, _TABLES[words][1]):
            raise UnreadablePe(f"its {words} cannot be read")
    for words, name in _LOADED.items():
        if not _is_inside(pe, *_find_table(pe, pefile.DIRECTORY_ENTRY[name])):
            raise UnreadablePe(f"its {words} would lie outside of its sections")


def _find_table(pe: Any, number: int) -> tuple[int, int]:
    """Return where a table begins in memory, and its size in bytes; zeros where there is none."""
    directories = pe.OPTIONAL_HEADER.DATA_DIRECTORY
    return (directories[number].VirtualAddress, directories[number].Size) if len(directories) > number else (0, 0)


def _check_entries(pe: Any, words: str, number: int) -> None:
    """Raise UnreadablePe unless each DLL of a list is told: pefile passes over one whose name or symbols are nowhere."""
    try:
        listed = _count_entries(pe, _find_table(pe, number)[0], _ENTRIES[words])
    except pefile.PEFormatError:
        raise UnreadablePe(f"its {words} cannot be read") from None
    told = sum(entry.dll != _NO_NAME for entry in getattr(pe, _TABLES[words][1], ()))
    if told != listed:
        raise UnreadablePe(f"its {words} cannot be read: {listed - told} of {listed} DLLs without a name or symbols")


def _count_entries(pe: Any, start: int, length: int) -> int:
    found = 0
    # Where a section ends in the file, zeros follow in memory.
    while start and any(pe.get_data(start + found * length, length)):
        found += 1
    return found


def _is_inside(pe: Any, start: int, size: int) -> bool:
    """Tell whether a table is empty or lies within one section, as it is in memory."""
    return not (start and size) or any(
        section.VirtualAddress <= start
        and start + size <= section.VirtualAddress + max(section.Misc_VirtualSize, section.SizeOfRawData)
        for section in pe.sections
    )


def _read_exports(pe: Any) -> list[Any]:
    if not hasattr(pe, "DIRECTORY_ENTRY_EXPORT"):
        return []
    named = pe.DIRECTORY_ENTRY_EXPORT.struct.NumberOfNames
    if named > _MOST_SYMBOLS:
        raise UnreadablePe(f"it says that it exports {named} names, of which there can be {_MOST_SYMBOLS}")
    return list(pe.DIRECTORY_ENTRY_EXPORT.symbols)


def _split_forwarder(forwarder: bytes) -> tuple[str, str]:
    """Return the DLL and the symbol of `NTDLL.RtlFree`: an export that another DLL is to give."""
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
    """Return where the strings begin, behind the symbols: where the longer names of sections are."""
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
