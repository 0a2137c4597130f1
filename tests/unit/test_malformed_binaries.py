"""Malformed ELF, Mach-O and PE files that would take a reader hours or all memory: each is refused at once."""

from __future__ import annotations

import struct
import time

import pytest
from everywheel.audit.elf_image import read_image
from everywheel.binaries.elf import read_elf
from everywheel.binaries.elf_sections import hash_sections
from everywheel.binaries.macho import read_macho
from everywheel.binaries.macho_signature import check_signature
from everywheel.binaries.pe import read_pe
from everywheel.binaries.unreadable import UnreadableElf, UnreadableMacho, UnreadablePe
from everywheel.debug_symbols.elf_debug_file import has_debug_data, hash_code, make_debug_file, read_build_id
from everywheel.explain.elf_code import read_elf_code

SYMBOL_COUNT = 20_000
HEADER = 32


def make_macho(*commands: bytes, data: bytes = b"") -> bytes:
    """Return an arm64 dylib with load commands and data behind them."""
    body = b"".join(commands)
    return struct.pack("<8I", 0xFEEDFACF, 0x0100000C, 0, 6, len(commands), len(body), 0, 0) + body + data


def make_symbols(names: range) -> bytes:
    return b"".join(struct.pack("<IBBHQ", name, 0x0F, 1, 0, 0) for name in names)


def test_symbols_with_overlapping_names_are_refused() -> None:
    symbols, strings = make_symbols(range(SYMBOL_COUNT)), b"_" + b"a" * 10 * SYMBOL_COUNT + b"\0"
    start = HEADER + 24
    table = struct.pack("<6I", 2, 24, start, SYMBOL_COUNT, start + len(symbols), len(strings))

    with pytest.raises(UnreadableMacho, match=r"^the names of its symbols overlap$"):
        read_macho(make_macho(table, data=symbols + strings))


def test_a_second_symbol_table_is_refused() -> None:
    symbols, strings = make_symbols(range(1, 2)), b"\0_foo\0"

    def make(tables: int) -> bytes:
        start = HEADER + 24 * tables
        table = struct.pack("<6I", 2, 24, start, 1, start + len(symbols), len(strings))
        return make_macho(*[table] * tables, data=symbols + strings)

    assert read_macho(make(1)).exports == ("foo",)
    with pytest.raises(UnreadableMacho, match=r"^it has 2 symbol tables$"):
        read_macho(make(2))


OFFSET_BEYOND_END = 10_000_000
# Load commands with one table far behind the end of the file, and the size of an entry. LC_SYMTAB has symbols and strings,
# LC_DYSYMTAB has counts and tables, LC_DYLD_INFO_ONLY has rebase, bind (also weak and lazy) and export data.
TABLES = [("symbols", 2, 0, 16), ("strings", 2, 2, 1)]
TABLES += [(f"dynamic symbols {n}", 0xB, 6 + 2 * n, size) for n, size in enumerate((8, 56, 4, 4, 8, 8))]
TABLES += [(f"dyld's {n}", 0x80000022, 2 * n, 1) for n in range(5)]


@pytest.mark.parametrize(("command", "field", "entry"), [row[1:] for row in TABLES], ids=[row[0] for row in TABLES])
def test_a_table_behind_the_end_of_the_file_is_refused(command: int, field: int, entry: int) -> None:
    fields = [0] * {2: 4, 0xB: 18, 0x80000022: 10}[command]
    size = 8 + 4 * len(fields)
    fields[field] = OFFSET_BEYOND_END
    empty = make_macho(struct.pack(f"<{len(fields) + 2}I", command, size, *fields))
    fields[field + 1] = 5
    not_empty = make_macho(struct.pack(f"<{len(fields) + 2}I", command, size, *fields))

    assert read_macho(empty).exports == ()
    message = rf"^truncated: {HEADER + size} of {OFFSET_BEYOND_END + 5 * entry} bytes$"
    with pytest.raises(UnreadableMacho, match=message):
        read_macho(not_empty)


def test_a_table_at_the_end_of_the_file_is_read() -> None:
    symbols, strings = make_symbols(range(1, 2)), b"\0_foo\0"
    start = HEADER + 24
    table = struct.pack("<6I", 2, 24, start + len(strings), 1, start, len(strings))

    assert read_macho(make_macho(table, data=strings + symbols)).exports == ("foo",)
    with pytest.raises(UnreadableMacho, match=r"^truncated: 77 of 78 bytes$"):
        read_macho(make_macho(table, data=strings + symbols[:-1]))


def make_load(command: int, name: str) -> bytes:
    text = name.encode().ljust(-(-(len(name) + 1) // 8) * 8, b"\0")
    return struct.pack("<6I", command, 24 + len(text), 24, 0, 0, 0) + text


def test_a_library_that_is_loaded_both_weakly_and_normally_is_required() -> None:
    needed, weak = 0xC, 0x80000018
    both, weakly = "@rpath/libfoo.dylib", "@rpath/libbar.dylib"

    (image,) = read_macho(make_macho(make_load(weak, both), make_load(needed, both), make_load(weak, weakly))).images

    assert (image.needed, image.optional) == ((both, weakly), frozenset((weakly,)))


def make_signature(slots: range | list[int], part: int) -> bytes:
    """Return a signature whose slots all refer to the same part of it."""
    start = 12 + 8 * len(slots)
    index = b"".join(struct.pack(">2I", slot, start) for slot in slots)
    return (
        struct.pack(">3I", 0xFADE0CC0, start + part, len(slots)) + index + struct.pack(">2I", 0, part) + bytes(part - 8)
    )


def test_unknown_parts_of_a_signature_are_not_kept() -> None:
    signature = make_signature(range(0x20000, 0x20000 + SYMBOL_COUNT), 50 * SYMBOL_COUNT)  # 20 GB if each part was kept

    assert check_signature(signature, 0, len(signature)) == ("it has no CodeDirectory",)


def test_a_signature_with_a_part_twice_is_not_valid() -> None:
    signature = make_signature([0, 0], 64)

    assert check_signature(signature, 0, len(signature)) == ("it cannot be read: it has a part twice",)


def make_pe(directory: int, table: bytes) -> bytes:
    """Return a 64-bit DLL whose only section, at 0x1000, begins with the table of a data directory."""
    size = -(-len(table) // 512) * 512
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x2022)
    optional = struct.pack("<HBB5I", 0x20B, 14, 0, size, 0, 0, 0, 0x1000)
    optional += struct.pack(
        "<Q2I6H4I2H", 0x180000000, 0x1000, 0x200, 6, 0, 0, 0, 6, 0, 0, 0x1000 + size, 0x400, 0, 2, 0x160
    )
    optional += struct.pack("<4Q2I", 0, 0, 0, 0, 0, 16)
    directories = b"".join(struct.pack("<2I", *((0x1000, len(table)) if n == directory else (0, 0))) for n in range(16))
    section = b".rdata\0\0" + struct.pack("<6I2HI", size, 0x1000, size, 0x400, 0, 0, 0, 0, 0x40000040)
    head = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + coff + optional + directories + section
    return head.ljust(0x400, b"\0") + table.ljust(size, b"\0")


def make_exports(names: int, strings: bytes, function: int, name: int) -> bytes:
    """Return an export table of one function under one name, many times over; offsets are into `strings`."""
    numbers = 0x1000 + 44 + 4 * names
    base = numbers + 2 * names
    head = struct.pack("<2I2H7I", 0, 0, 0, 0, base, 1, 1, names, 0x1000 + 40, 0x1000 + 44, numbers)
    return (
        head + struct.pack("<I", base + function) + struct.pack("<I", base + name) * names + bytes(2 * names) + strings
    )


def test_a_forwarded_export_is_an_import() -> None:
    facts = read_pe(make_pe(0, make_exports(1, b"demo.dll\0PyInit__demo\0Other.init\0", function=22, name=9)))

    assert (facts.exports, facts.imports, facts.delayed) == (("PyInit__demo",), {"other.dll": ("init",)}, frozenset())


def test_more_exports_than_ordinals_are_refused() -> None:
    with pytest.raises(UnreadablePe, match=r"^its header lists 65537 exported names; 65536 are possible$"):
        read_pe(make_pe(0, make_exports(65537, b"demo.dll\0demo\0", function=0, name=9)))


UNMAPPED_ADDRESS = 0x7FFFFF00


def make_imports(*, name: int = 0, symbols: int = 0, delayed: bool = False) -> bytes:
    """Return a table of two DLLs with one symbol each; name or symbols of the second may be at another address."""
    size = 32 if delayed else 20
    thunks, names = 0x1000 + 3 * size, 0x1000 + 3 * size + 32
    entries = b""
    for number, dll in enumerate((names, name or names + 8)):
        address = symbols if number and symbols else thunks + 16 * number
        first = (1, dll, 0, address, address, 0, 0, 0) if delayed else (address, 0, 0, dll, address)
        entries += struct.pack(f"<{len(first)}I", *first)
    table = struct.pack("<4Q", names + 16, 0, names + 16, 0)
    return entries + bytes(size) + table + b"one.dll\0two.dll\0\0\0make\0"


@pytest.mark.parametrize(("number", "table", "delayed"), [(1, "imports", False), (13, "delayed imports", True)])
def test_a_dll_whose_name_or_symbols_cannot_be_read_is_refused(number: int, table: str, delayed: bool) -> None:
    facts = read_pe(make_pe(number, make_imports(delayed=delayed)))

    assert facts.imports == {"one.dll": ("make",), "two.dll": ("make",)}
    for damage in ({"name": UNMAPPED_ADDRESS}, {"symbols": UNMAPPED_ADDRESS}, {"name": 0x1000}):
        with pytest.raises(UnreadablePe, match=rf"^its {table} cannot be read: 1 of 2 DLLs without a name or symbols$"):
            read_pe(make_pe(number, make_imports(**damage, delayed=delayed)))


@pytest.mark.parametrize(("number", "table"), [(1, "imports"), (13, "delayed imports")])
def test_a_list_of_dlls_may_be_empty_but_not_outside_of_the_file(number: int, table: str) -> None:
    assert read_pe(make_pe(number, bytes(32))).imports == {}

    with pytest.raises(UnreadablePe, match=f"^its {table} cannot be read$"):
        read_pe(move_directory(make_pe(number, bytes(32)), number))


def move_directory(data: bytes, number: int) -> bytes:
    """Return the DLL with the address of a table changed to one outside of its sections."""
    entry = 64 + 24 + 112 + 8 * number
    return data[:entry] + struct.pack("<2I", UNMAPPED_ADDRESS, 0x40) + data[entry + 8 :]


@pytest.mark.parametrize(
    ("number", "table"),
    [
        (2, "resources"),
        (3, "exception data"),
        (5, "relocations"),
        (9, "thread-local storage"),
        (10, "load configuration"),
        (12, "addresses of imports"),
    ],
)
def test_tables_that_windows_reads_must_be_inside_a_section(number: int, table: str) -> None:
    whole = make_pe(number, bytes(64))
    assert read_pe(whole).imports == {}

    with pytest.raises(UnreadablePe, match=f"^its table of {table} is not inside a section$"):
        read_pe(move_directory(whole, number))


def test_more_imports_than_the_default_limit_of_pefile_are_all_read() -> None:
    most = 10_000
    thunks = b"".join(struct.pack("<Q", 1 << 63 | number) for number in range(1, most + 1)) + bytes(8)
    head = struct.pack("<5I", 0x1000 + 48, 0, 0, 0x1000 + 40, 0x1000 + 48)

    facts = read_pe(make_pe(1, head + bytes(20) + b"one.dll\0" + thunks))

    assert len(facts.imports["one.dll"]) == most


SECTION = struct.Struct("<2I4Q2I2Q")


def make_elf(*, sections: int = 0, segments: int = 0, segment_type: int = 4, cut: int = 0) -> bytes:
    """Return a library for x86-64 with empty sections and segments, without the last bytes of its file."""
    start, numbers = 64 + 56 * segments, (segments, 64, sections if sections < 0xFF00 else 0, 0)
    ident = b"\x7fELF\2\1\1" + bytes(9)
    head = struct.pack("<16s2HI3QI6H", ident, 3, 62, 1, 0, 64, start if sections else 0, 0, 64, 56, *numbers)
    first = SECTION.pack(0, 0, 0, 0, 0, sections if sections >= 0xFF00 else 0, 0, 0, 0, 0)
    table = (first + SECTION.pack(0, 1, *[0] * 8) * (sections - 1))[: sections * SECTION.size]
    data = head + struct.pack("<2I6Q", segment_type, 4, *[0] * 6) * segments + table
    return data[: len(data) - cut]


# The times of these files were 11 s for 600,000 sections, and hours for the dynamic segments.
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (make_elf(sections=20_001), "its header lists 20001 sections, and at most 20000 are read"),
        (make_elf(sections=600_000), "its header lists 600000 sections, and at most 20000 are read"),
        (make_elf(segments=1_001), "its header lists 1001 program headers, and at most 1000 are read"),
        (make_elf(segments=0xFFFF), "its header lists 65535 program headers, and at most 1000 are read"),
        (make_elf(segments=1_000, segment_type=2, sections=19_999), "it has 1000 dynamic segments"),
        (make_elf(sections=20_000, cut=1), "truncated: 1280063 of 1280064 bytes"),
        (make_elf(segments=1_000, cut=1), "truncated: 56063 of 56064 bytes"),
    ],
    ids=[
        "sections",
        "many sections",
        "segments",
        "more segments",
        "dynamic segments",
        "half a section",
        "half a segment",
    ],
)
def test_absurd_numbers_of_headers_are_refused_before_they_are_read(data: bytes, reason: str) -> None:
    started = time.process_time()

    for read in (read_elf, hash_sections, read_image, read_elf_code, read_build_id, has_debug_data, hash_code):
        with pytest.raises(UnreadableElf, match=f"^{reason}$"):
            read(data)

    assert time.process_time() - started < 2


def test_the_largest_accepted_numbers_of_headers_are_read() -> None:
    assert read_elf(make_elf(segments=1_000)).kind == "ET_DYN"
    assert read_elf(make_elf(sections=1_000, segments=10, segment_type=1)).page == 0


def test_no_debug_file_is_written_from_sections_that_overlap() -> None:
    data = bytearray(make_elf(sections=100))
    for number in range(1, 100):  # each has the whole file as its content
        struct.pack_into("<2Q", data, 64 + SECTION.size * number + 24, 0, len(data))
    struct.pack_into("<2I", data, 64 + SECTION.size * 99, 1, 3)  # the last one has their names

    with pytest.raises(UnreadableElf, match=r"^its sections overlap$"):
        make_debug_file(bytes(data), "12" * 20)
