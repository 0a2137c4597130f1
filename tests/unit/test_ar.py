"""Static archives: their members, in the variants of System V, BSD and Windows."""

from __future__ import annotations

from everywheel.binaries.ar import find_first_object, list_members


def pack(*members: tuple[bytes, bytes]) -> bytes:
    """Return an archive with members of these names and contents."""
    packed = b"!<arch>\n"
    for name, data in members:
        packed += b"%-16s%-32s%-10d`\n%s" % (name, b"", len(data), data) + b"\n" * (len(data) % 2)
    return packed


def test_members_of_odd_size_are_followed_by_a_byte_of_padding() -> None:
    assert list(list_members(pack((b"a.o/", b"abc"), (b"b.o/", b"de")))) == [b"abc", b"de"]


def test_tables_of_symbols_and_names_are_not_members() -> None:
    archive = pack((b"/", b"symbols!"), (b"//", b"names"), (b"/SYM64/", b"symbols"), (b"a.o/", b"object"))

    assert list(list_members(archive)) == [b"object"]


def test_the_first_object_begins_after_a_long_name_of_bsd() -> None:
    archive = pack((b"#1/20", b"__.SYMDEF SORTED\0\0\0\0table"), (b"#1/12", b"long_name.o\0\x7fELF..."))

    assert find_first_object(archive, b"\x7fELF") == b"\x7fELF..."


def test_an_archive_without_objects_and_other_data_have_no_first_object() -> None:
    assert find_first_object(pack((b"a.txt/", b"text")), b"\x7fELF") is None
    assert find_first_object(b"\x7fELF", b"\x7fELF") is None
    assert list(list_members(b"text")) == []
