"""The code and the functions of 64-bit PE files: from the table for exceptions (.pdata) and the exports."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pefile

from everywheel.binaries.unreadable import UnreadablePe
from everywheel.explain.code import Code, CodeFacts, select_functions

_EXECUTABLE = 0x20000000  # IMAGE_SCN_MEM_EXECUTE
_EXCEPTIONS = pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_EXCEPTION"]
_TABLES = tuple(pefile.DIRECTORY_ENTRY[f"IMAGE_DIRECTORY_ENTRY_{name}"] for name in ("EXPORT", "IMPORT"))
# The size of an entry of .pdata: of three numbers, or of two on arm64.
_ENTRY_SIZES = {"IMAGE_FILE_MACHINE_AMD64": 12, "IMAGE_FILE_MACHINE_ARM64": 8}


def read_pe_code(data: bytes) -> CodeFacts:
    """Return the code of a PE file; raise UnreadablePe for a malformed one."""
    try:
        pe = pefile.PE(data=data, fast_load=True)
        pe.parse_data_directories(directories=list(_TABLES))
        return _read(pe, data)
    except Exception as error:  # pefile raises other exceptions than its own on malformed files
        raise UnreadablePe(f"its functions cannot be read ({str(error) or type(error).__name__})") from None


def _read(pe: Any, data: bytes) -> CodeFacts:
    names = dict.fromkeys(_list_frames(pe), "")
    exports = getattr(getattr(pe, "DIRECTORY_ENTRY_EXPORT", None), "symbols", ())
    imports = [symbol for library in getattr(pe, "DIRECTORY_ENTRY_IMPORT", ()) for symbol in library.imports]
    names |= {symbol.address: _decode(symbol.name) for symbol in exports if symbol.address and not symbol.forwarder}
    starts = sorted(names)
    sections = [section for section in pe.sections if section.Characteristics & _EXECUTABLE]
    return CodeFacts(
        code=tuple(
            Code(
                address=section.VirtualAddress,
                data=data[section.PointerToRawData :][: min(section.SizeOfRawData, section.Misc_VirtualSize)],
                functions=select_functions(names, starts, section.VirtualAddress, section.Misc_VirtualSize),
            )
            for section in sections
        ),
        symbols=frozenset(_decode(symbol.name) for symbol in (*exports, *imports)),
        startup=frozenset((pe.OPTIONAL_HEADER.AddressOfEntryPoint,)) - {0},
    )


def _list_frames(pe: Any) -> Iterator[int]:
    size = _ENTRY_SIZES.get(pefile.MACHINE_TYPE.get(pe.FILE_HEADER.Machine, ""), 0)
    table = pe.OPTIONAL_HEADER.DATA_DIRECTORY[_EXCEPTIONS] if size else None
    if table is not None and table.VirtualAddress:
        content = pe.get_data(table.VirtualAddress, table.Size)
        for start in range(0, len(content) // size * size, size):
            yield struct.unpack_from("<I", content, start)[0]


def _decode(name: bytes | None) -> str:
    return (name or b"").decode("ascii", "replace")
