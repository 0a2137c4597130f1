"""Write a definition file for a DLL with the functions and data of archives: `export_glib.py OUTPUT ARCHIVE…`."""

import struct
import sys
from pathlib import Path

PREFIXES = ("g_", "glib_")
FUNCTION = 0x20
EXTERNAL = 2


def list_objects(data):
    offset = 8
    while offset + 60 <= len(data):
        size = int(data[offset + 48 : offset + 58])
        yield data[offset + 60 : offset + 60 + size]
        offset += 60 + size + size % 2


def list_symbols(data):
    """Yield name and type of each external symbol that a COFF object defines."""
    machine, _, _, start, count, _, _ = struct.unpack_from("<HHIIIHH", data)
    if machine not in (0x8664, 0xAA64):
        return
    texts, index = start + 18 * count, 0
    while index < count:
        name, _, section, kind, storage, extra = struct.unpack_from("<8sIhHBB", data, start + 18 * index)
        if name[:4] == b"\0\0\0\0":
            begin = texts + int.from_bytes(name[4:], "little")
            name = data[begin : data.index(b"\0", begin)]
        if storage == EXTERNAL and section > 0:
            yield name.rstrip(b"\0").decode(), kind
        index += 1 + extra


symbols = {}
for archive in sys.argv[2:]:
    for member in list_objects(Path(archive).read_bytes()):
        if len(member) > 20:
            symbols.update(list_symbols(member))
lines = [
    f"  {name}{'' if kind == FUNCTION else ' DATA'}"
    for name, kind in sorted(symbols.items())
    if name.startswith(PREFIXES)
]
Path(sys.argv[1]).write_text("\n".join(["EXPORTS", *lines, ""]))
