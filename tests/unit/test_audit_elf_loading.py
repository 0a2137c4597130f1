"""ELF files that the loader of Linux refuses or reads otherwise than the section table states are findings."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from everywheel.audit.elf_loading import check_elf_loading
from everywheel.audit.elf_search import relative_to_origin, resolve_inside
from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.elf import read_elf
from everywheel.binaries.unreadable import UnreadableElf
from example_wheels import make_demo_wheel

GLIBC = "cp311-cp311-manylinux2014_x86_64"
MUSL = "cp311-cp311-musllinux_1_2_x86_64"
STRINGS = b"\0PyInit_demo\0libx.so\0X_1\0X_2\0$ORIGIN\0"
SYMBOLS, NAMES, DYNAMIC, NOTE, VERSIONS, SECTIONS = 0x200, 0x280, 0x300, 0x480, 0x500, 0x600
DT_NEEDED, DT_STRTAB, DT_SYMTAB, DT_RUNPATH, DT_FLAGS, DT_RELR, DT_FLAGS_1 = 1, 5, 6, 29, 30, 36, 0x6FFFFFFB
DT_FILTER, DT_VERNEED, DT_GNU_HASH = 0x7FFFFFFF, 0x6FFFFFFE, 0x6FFFFEF5


def make_elf(
    *tags: tuple[int, int],
    changes: Mapping[int, bytes] | None = None,
    segments: Sequence[tuple[int, ...]] = (),
    section: tuple[int, int] | None = None,
    load: tuple[int, ...] = (1, 5, 0, 0, 0, 0x1000, 0x1000, 0x1000),
) -> bytes:
    """Return a module for x86-64 whose addresses are its offsets, with dynamic tags, and bytes replaced by offset.

    `section` is the type of an additional section at VERSIONS, and its sh_info.
    """
    dynamic = b"".join(struct.pack("<qQ", *tag) for tag in [(DT_STRTAB, NAMES), (DT_SYMTAB, SYMBOLS), *tags, (0, 0)])
    headers = [load, (2, 6, DYNAMIC, DYNAMIC, 0, len(dynamic), len(dynamic), 8), *segments]
    rows = [(0,) * 10, (0, 11, 2, SYMBOLS, SYMBOLS, 48, 2, 1, 8, 24), (0, 3, 2, NAMES, NAMES, len(STRINGS), 0, 0, 1, 0)]
    rows += [(0, 6, 3, DYNAMIC, DYNAMIC, len(dynamic), 2, 0, 8, 16), (0, 3, 0, NAMES, NAMES, len(STRINGS), 0, 0, 1, 0)]
    rows += [(0, section[0], 2, VERSIONS, VERSIONS, 64, 2, section[1], 4, 0)] if section else []
    data = bytearray(0x1000)
    ident = b"\x7fELF\2\1\1" + bytes(9)
    struct.pack_into(
        "<16sHHIQQQIHHHHHH", data, 0, ident, 3, 62, 1, 0, 64, SECTIONS, 0, 64, 56, len(headers), 64, len(rows), 4
    )
    for number, header in enumerate(headers):
        struct.pack_into("<IIQQQQQQ", data, 64 + 56 * number, *header)
    for number, row in enumerate(rows):
        struct.pack_into("<IIQQQQIIQQ", data, SECTIONS + 64 * number, *row)
    struct.pack_into("<IBBHQQ", data, SYMBOLS + 24, 1, 0x12, 0, 4, 0x100, 8)
    for offset, content in {NAMES: STRINGS, DYNAMIC: dynamic, **(changes or {})}.items():
        data[offset : offset + len(content)] = content
    return bytes(data)


def audit(files: Mapping[str, bytes], tag: str = GLIBC) -> list[tuple[str, str]]:
    elves = {path: read_elf(data) for path, data in files.items()}
    contents = WheelContents(path=Path(f"demo-1.0-{tag}.whl"), wheel=make_demo_wheel(tag, files), elves=elves)
    return [(finding.check, finding.message) for finding in check_elf_loading(contents)]


def make_isa(levels: int) -> bytes:
    return struct.pack("<III4sIIII", 4, 16, 5, b"GNU\0", 0xC0008002, 4, levels, 0)


NOT_A_VERSION = ("elf", "the version of the ELF format is not 1")
DIFFERENT = "the loader reads other tables than the section table names ({})"
NO_RELR = ("symbols", "has relocations (DT_RELR) that the loader does not read, as {}")
TLS = (
    "elf",
    "has {} bytes of static thread-local variables, but the loader of {} systems has space for {}: "
    "compile without -ftls-model",
)


def fill(finding: tuple[str, str], *values: object) -> tuple[str, str]:
    return finding[0], finding[1].format(*values)


LOADING: list[tuple[bytes, str, list[tuple[str, str]]]] = [
    (make_elf(), GLIBC, []),
    (make_elf(changes={6: b"\2"}), GLIBC, [NOT_A_VERSION]),
    (make_elf(changes={20: b"\2"}), GLIBC, [NOT_A_VERSION]),
    (make_elf(changes={7: b"\3\1"}), GLIBC, []),
    (make_elf(changes={7: b"\x09"}), GLIBC, [("elf", "is for another operating system (EI_OSABI 9)")]),
    (
        make_elf(changes={8: b"\1"}),
        GLIBC,
        [("elf", "is for another ABI of its operating system (EI_ABIVERSION 1)")],
    ),
    (
        make_elf(load=(1, 5, 0, 0, 0, 0x1000, 0x1000, 0x3000)),
        GLIBC,
        [("elf", "the alignment of a segment is not a power of 2")],
    ),
    (
        make_elf(segments=[(1, 4, 0x800, 0x2000, 0, 8, 8, 0x1000)]),
        GLIBC,
        [("elf", "a segment has another alignment in the file than in memory")],
    ),
    (
        make_elf(load=(1, 5, 0, 0x9000, 0, 0, 0, 0x1000), segments=[(1, 5, 0, 0, 0, 0x1000, 0x1000, 0x1000)]),
        GLIBC,
        [("elf", "the segments are not sorted by address")],
    ),
    (
        make_elf(segments=[(1, 6, 0, 0x1000, 0, 0, 1 << 46, 0x1000)]),
        GLIBC,
        [("elf", "needs more memory than a process can have")],
    ),
    (make_elf(changes={64 + 56: b"\0"}), GLIBC, [("elf", "has no dynamic segment")]),
    (
        make_elf(changes={64: b"\0"}),
        GLIBC,
        [("elf", "has no segment to load"), ("elf", DIFFERENT.format("dynsym, strtab"))],
    ),
    # The section skips a tag that the loader reads.
    (
        make_elf((DT_NEEDED, 13), changes={SECTIONS + 64 * 3 + 24: b"\x10"}),
        GLIBC,
        [("elf", DIFFERENT.format("dynamic"))],
    ),
    (make_elf((DT_VERNEED, VERSIONS)), GLIBC, [("elf", DIFFERENT.format("gnu_verneed"))]),
    (make_elf(changes={SECTIONS + 64 + 24: b"\x18"}), GLIBC, [("elf", DIFFERENT.format("dynsym"))]),
    (
        make_elf((DT_GNU_HASH, NOTE), changes={NOTE: struct.pack("<II", 1, 9)}),
        GLIBC,
        [("elf", DIFFERENT.format("gnu_hash"))],
    ),
    (
        make_elf((DT_FLAGS_1, 0x40)),
        GLIBC,
        [("elf", "cannot be opened by Python (DF_1_NOOPEN): link without -z nodlopen")],
    ),
    (
        make_elf((DT_FLAGS_1, 0x08000000)),
        GLIBC,
        [("elf", "is not a shared library (a position-independent program)")],
    ),
    (
        make_elf((DT_FILTER, 13)),
        GLIBC,
        [
            (
                "libraries",
                "needs libx.so (DT_FILTER), which is not in the wheel and not on every manylinux2014_x86_64 system",
            )
        ],
    ),
    (make_elf((DT_RELR, 0x100)), GLIBC, [fill(NO_RELR, "manylinux2014_x86_64 promises glibc 2.17")]),
    (make_elf((DT_RELR, 0x100)), GLIBC.replace("2014", "_2_36"), []),
    (make_elf((DT_RELR, 0x100)), MUSL.replace("1_2", "1_1"), [fill(NO_RELR, "musllinux_1_1_x86_64 promises musl 1.1")]),
    (make_elf((DT_RELR, 0x100)), MUSL, []),
    (make_elf((DT_FLAGS, 0x10), segments=[(7, 4, 0, 0, 0, 0, 1664, 8)]), GLIBC, []),
    (
        make_elf((DT_FLAGS, 0x10), segments=[(7, 4, 0, 0, 0, 0, 1665, 8)]),
        GLIBC,
        [fill(TLS, 1665, "manylinux2014_x86_64", 1664)],
    ),
    (make_elf(segments=[(7, 4, 0, 0, 0, 0, 1 << 20, 8)]), GLIBC, []),
    (
        make_elf((DT_FLAGS, 0x10), segments=[(7, 4, 0, 0, 0, 0, 8, 8)]),
        MUSL,
        [fill(TLS, 8, "musllinux_1_2_x86_64", 0)],
    ),
    (make_elf(segments=[(4, 4, NOTE, NOTE, 0, 32, 32, 8)], changes={NOTE: make_isa(1)}), GLIBC, []),
    (
        make_elf(segments=[(4, 4, NOTE, NOTE, 0, 32, 32, 8)], changes={NOTE: make_isa(5)}),
        GLIBC,
        [("arch", "declares that it needs x86-64-v3, which manylinux2014_x86_64 does not promise")],
    ),
]


@pytest.mark.parametrize(("elf", "tag", "findings"), LOADING, ids=range(len(LOADING)))
def test_a_file_that_the_loader_refuses_or_reads_otherwise_is_found(
    elf: bytes, tag: str, findings: list[tuple[str, str]]
) -> None:
    assert audit({"demo.so": elf}, tag) == findings


def test_a_version_that_a_library_of_the_wheel_does_not_define_is_found() -> None:
    def define(name: int) -> bytes:
        definition = struct.pack("<HHHHIIIII", 1, 0, 2, 1, 0, 20, 0, name, 0)
        return make_elf(section=(0x6FFFFFFD, 1), changes={VERSIONS: definition, SYMBOLS + 24: bytes(24)})

    need = struct.pack("<HHIIIIHHII", 1, 1, 13, 16, 0, 0, 0, 2, 21, 0)
    module = make_elf(
        (DT_NEEDED, 13),
        (DT_RUNPATH, 29),
        (DT_VERNEED, VERSIONS),
        section=(0x6FFFFFFE, 1),
        changes={VERSIONS: need},
    )

    assert audit({"demo.so": module, "libx.so": define(21)}) == []
    assert audit({"demo.so": module, "libx.so": make_elf()}) == []
    message = "needs X_1 of libx.so, a version that this library in the wheel does not define"
    assert audit({"demo.so": module, "libx.so": define(25)}) == [("symbols", message)]


@pytest.mark.parametrize("entry", ["$ORIGIN/$LIB", "${ORIGIN}/${PLATFORM}", "$ORIGIN/../$ORIGIN", "$ORIGINS/x"])
def test_a_search_path_with_another_variable_is_not_relative_to_the_file(entry: str) -> None:
    assert relative_to_origin(entry) is None


def test_no_search_path_leads_to_data_that_are_installed_elsewhere() -> None:
    folders = {"", "demo", "demo-1.0.data", "demo-1.0.data/data"}

    assert resolve_inside("demo", "../demo-1.0.data/data", folders) is None
    assert resolve_inside("demo-1.0.data/data", "lib", folders) == "demo-1.0.data/data/lib"


NEED = struct.pack("<HHIIIIHHII", 1, 1, 13, 16, 0, 0, 0, 2, 21, 0)
DEFINITION = struct.pack("<HHHHIIIII", 1, 0, 2, 1, 0, 20, 0, 21, 0)


def overlap_names(count: int) -> bytes:
    """Return a module with many symbols whose names are parts of one long name."""
    names, table = b"a" * (1 << 20), b"".join(struct.pack("<IBBHQQ", n, 0x12, 0, 4, 0, 8) for n in range(count))
    data = make_elf() + names + b"\0" + table
    symbols = struct.pack("<QQ", 0x1000 + len(names) + 1, len(table))
    data = data[: SECTIONS + 64 + 24] + symbols + data[SECTIONS + 64 + 40 :]
    return data[: SECTIONS + 128 + 24] + struct.pack("<QQ", 0x1000, len(names) + 1) + data[SECTIONS + 128 + 40 :]


@pytest.mark.parametrize(
    ("elf", "reason"),
    [
        (make_elf(section=(0x6FFFFFFE, 0x7FFFFFFF), changes={VERSIONS: NEED}), "a table has over 50000 entries"),
        (
            make_elf(section=(0x6FFFFFFE, 9), changes={VERSIONS: NEED[:2] + b"\xff\xff" + NEED[4:]}),
            "a table has over 50000 entries",
        ),
        (overlap_names(100), "the names in a table overlap"),
    ],
    ids=["versions", "symbols of a version", "names"],
)
def test_tables_that_overlap_are_refused_before_they_fill_the_memory(elf: bytes, reason: str) -> None:
    with pytest.raises(UnreadableElf, match=f"^{reason}$"):
        read_elf(elf)


def test_overlapping_definitions_of_versions_are_a_finding() -> None:
    elf = make_elf(section=(0x6FFFFFFD, 0x7FFFFFFF), changes={VERSIONS: DEFINITION})

    assert audit({"demo.so": elf}) == [("elf", "it defines over 10000 symbol versions")]
