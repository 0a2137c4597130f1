"""The images of a Mach-O file: one file may contain one for each of several architectures."""

from __future__ import annotations

import io

from macholib.MachO import MachO, MachOHeader

from everywheel.binaries.unreadable import UnreadableMacho
from everywheel.platforms.architectures import ARCHES

# The architectures of targets, and older ones that occur in files of other projects.
_CPUS = {
    **{arch.macos.cpu_type: arch.macos.name for arch in ARCHES.values() if arch.macos is not None},
    0xC: "arm",
    0x12: "ppc",
    0x01000012: "ppc64",
}
_MACS = tuple(arch.macos for arch in ARCHES.values() if arch.macos is not None)
_VARIANTS = {(mac.cpu_type, subtype): name for mac in _MACS for subtype, name in mac.variants}


def open_images(data: bytes) -> tuple[tuple[str, MachOHeader, bytes], ...]:
    """Return the architecture, the header and the bytes of each image of a Mach-O file; raise any exception."""
    headers = _InMemory(data).headers
    return tuple((_name_cpu(header), header, data[header.offset : header.offset + header.size]) for header in headers)


class _InMemory(MachO):  # type: ignore[misc]  # macholib has no types
    """macholib's reader for bytes in memory; its own constructor accepts only the name of a file."""

    def __init__(self, data: bytes) -> None:
        self.filename = "memory"
        self.fat = None
        self.headers: list[MachOHeader] = []
        self.allow_unknown_load_commands = True
        self._size = len(data)
        self.load(io.BytesIO(data))

    def load_header(self, file: io.BytesIO, offset: int, size: int) -> None:
        if offset + size > self._size:
            raise UnreadableMacho(f"truncated: {self._size} of {offset + size} bytes")
        super().load_header(file, offset, size)


def _name_cpu(header: MachOHeader) -> str:
    number, subtype = int(header.header.cputype), int(header.header.cpusubtype) & 0xFF
    return _VARIANTS.get((number, subtype)) or _CPUS.get(number, f"CPU type {number:#x}")
