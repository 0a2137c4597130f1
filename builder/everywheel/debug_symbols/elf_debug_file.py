"""ELF files with debug data: their build id, their code, and the debug data without the code as a file of its own.

A debug file has the sections of the linked file at the same addresses; those that a process loads are without content, except
notes. Debuggers read it together with the stripped file of the same build id.
"""

from __future__ import annotations

import hashlib
import io
from typing import Any

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section

from everywheel.binaries.elf_counts import check_counts
from everywheel.binaries.unreadable import UnreadableElf

_BUILD_ID = ".note.gnu.build-id"
_ID_START = 16  # bytes of the note before its content: three numbers and the name "GNU"
# patchelf moves the path of the loader.
_NO_CODE = frozenset((".interp",))


def read_build_id(data: bytes) -> str:
    """Return the build id of an ELF file in hexadecimal, empty if it has none; raise UnreadableElf for a malformed file."""
    elf = _open(data)
    section = elf.get_section_by_name(_BUILD_ID)
    return "" if section is None else section.data()[_ID_START:].hex()


def has_debug_data(data: bytes) -> bool:
    """Return whether an ELF file has debug data in DWARF; raise UnreadableElf for a malformed file."""
    return bool(_open(data).get_section_by_name(".debug_info"))


def hash_code(data: bytes) -> str:
    """Return a hash of the addresses and bytes of an ELF file's code, constants and tables for unwinding.

    Debug data is right for every file with this hash: strip and repair change neither. Raises UnreadableElf for a malformed
    file.
    """
    digest = hashlib.sha256()
    for section in _open(data).iter_sections():
        flags = section["sh_flags"]
        is_writable = flags & SH_FLAGS.SHF_WRITE and not flags & SH_FLAGS.SHF_EXECINSTR
        if section["sh_type"] != "SHT_PROGBITS" or not flags & SH_FLAGS.SHF_ALLOC or is_writable:
            continue
        if section.name not in _NO_CODE:
            digest.update(f"{section.name}\0{section['sh_addr']}\0{section['sh_size']}\0".encode())
            digest.update(_content(section, data))
    return digest.hexdigest()


def make_debug_file(data: bytes, build_id: str) -> bytes:
    """Return the debug data of a linked file with another build id, that of the stripped file it belongs to.

    Raises UnreadableElf for a malformed file.
    """
    elf = _open(data)
    sections = list(elf.iter_sections())
    header = elf.header
    output = bytearray(header["e_ehsize"] + header["e_phnum"] * header["e_phentsize"])
    headers = []
    for section in sections:
        fields, content = dict(section.header.items()), b""
        if _is_kept(section):
            content = _content(section, data)
        elif fields["sh_type"] != "SHT_NULL":
            fields["sh_type"] = "SHT_NOBITS"
        if section.name == _BUILD_ID:
            content = content[:_ID_START] + bytes.fromhex(build_id)
        output += bytes(-len(output) % max(1, fields["sh_addralign"] if content else 1))
        fields["sh_offset"] = 0 if fields["sh_type"] == "SHT_NULL" else len(output)
        output += content
        headers.append(fields)
    output += bytes(-len(output) % 8)
    table = len(output)
    for fields in headers:
        output += elf.structs.Elf_Shdr.build(_Fields(fields))
    _write_headers(elf, output, table, headers)
    return bytes(output)


class _Fields(dict[str, Any]):
    """The fields of a header, as attributes and items."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


def _write_headers(elf: ELFFile, output: bytearray, table: int, sections: list[dict[str, Any]]) -> None:
    """Write the header and the segments; a segment has the content of its notes, if it is one of notes, and else none."""
    header = _Fields(elf.header.items())
    header["e_shoff"], header["e_phoff"] = table, header["e_ehsize"]
    encoded = elf.structs.Elf_Ehdr.build(header)
    output[: len(encoded)] = encoded
    position = len(encoded)
    for segment in elf.iter_segments():
        fields = _Fields(segment.header.items())
        at_address = [
            each for each in sections if each["sh_type"] == "SHT_NOTE" and each["sh_addr"] == fields["p_vaddr"]
        ]
        if fields["p_type"] == "PT_NOTE" and at_address:
            fields["p_offset"] = at_address[0]["sh_offset"]
        else:
            fields["p_filesz"] = 0
        if fields["p_type"] == "PT_PHDR":  # its table is elsewhere in this file
            fields["p_type"] = "PT_NULL"
        encoded = elf.structs.Elf_Phdr.build(fields)
        output[position : position + len(encoded)] = encoded
        position += len(encoded)


def _is_kept(section: Section) -> bool:
    if section["sh_type"] in ("SHT_NULL", "SHT_NOBITS"):
        return False
    return section["sh_type"] == "SHT_NOTE" or not section["sh_flags"] & SH_FLAGS.SHF_ALLOC


def _content(section: Section, data: bytes) -> bytes:
    # Not section.data(), which would decompress a section.
    start, end = section["sh_offset"], section["sh_offset"] + section["sh_size"]
    if end > len(data):
        raise UnreadableElf("it is truncated")
    return data[start:end]


def _open(data: bytes) -> ELFFile:
    try:
        elf = ELFFile(io.BytesIO(data))
        check_counts(elf, data)
        sections = [section.header for section in elf.iter_sections() if section.name]  # reads every header
    except UnreadableElf:
        raise
    except Exception as error:  # pyelftools raises nearly every kind of exception on malformed files
        raise UnreadableElf(f"not a complete ELF file ({str(error) or type(error).__name__})") from None
    if sum(header["sh_size"] for header in sections if header["sh_type"] != "SHT_NOBITS") > 2 * len(data):
        raise UnreadableElf("its sections overlap")
    return elf
