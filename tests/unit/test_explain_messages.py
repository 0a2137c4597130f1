"""The classic messages of loaders: each is recognized, and its explanation names the cause."""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.explain.messages import explain_messages

MESSAGES = {
    "ImportError: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /site/demo/_demo.so)": (
        "_demo.so was built on a system with a newer C library: it needs glibc 2.34, and this system has an older one. "
        "GLIBC_2.34 is in Debian 12 and newer, Ubuntu 22.04 and newer, RHEL 9 and newer"
    ),
    "version `GLIBCXX_3.4.30' not found (required by /site/libfoo.so)": "libfoo.so needs the C++ library of a newer compiler",
    "symbol lookup error: x: version `GLIBC_PRIVATE' not found (required by y.so)": "y.so uses an internal symbol of glibc",
    "OSError: /opt/libgomp.so.1: cannot allocate memory in static TLS block": "libgomp.so.1 has thread-local variables",
    "ImportError: /site/_demo.so: invalid ELF header": "_demo.so is not a file for Linux: often a text",
    "ImportError: libGL.so.1: cannot open shared object file: No such file or directory": "The file needs libGL.so.1, which",
    "Error loading shared library libc.musl-x86_64.so.1: No such file or directory (needed by x)": "The file was built for",
    "Illegal instruction (core dumped)": "The program executed an instruction that this processor does not have",
    "the command exited with code 132": "The program executed an instruction that this processor does not have",
    "/site/libfoo.so: wrong ELF class: ELFCLASS32": "libfoo.so is a 32-bit file",
    "bash: ./demo: No such file or directory": "If ./demo exists, then the missing file is its loader",
    "bash: ./demo: cannot execute: required file not found": "If ./demo exists, then the missing file is its loader",
    "exec /demo: no such file or directory": "If /demo exists, then the missing file is its loader",
    "/site/_demo.so: undefined symbol: PyUnicode_AsUTF8": "_demo.so was built for another version of Python",
    "/site/_demo.so: undefined symbol: _ZN3foo3barEv": "_demo.so and the C++ library that should have _ZN3foo3barEv",
    "/site/_demo.so: undefined symbol: arc4random": "_demo.so needs arc4random of glibc (since 2.36)",
    "Error relocating /site/_demo.so: __foo_bar: symbol not found": "_demo.so needs __foo_bar, and none of the libraries",
    "exec format error": "The program is for another processor",
    "libfoo.so: cannot enable executable stack as shared object requires: Invalid argument": "A library requires an",
    "ELF load command address/offset not page-aligned": "The library is aligned to 4 KiB pages",
    "(mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64'))": "The file is for x86_64, and this",
    "ImportError: DLL load failed while importing _demo: The specified module could not be found.": "A DLL that the",
}


@pytest.mark.parametrize("text", MESSAGES)
def test_a_message_is_explained(text: str) -> None:
    (explanation,) = explain_messages(f"Traceback (most recent call last):\n{text}\n")

    assert explanation.cause.startswith(MESSAGES[text])
    assert explanation.cure


def test_a_text_without_a_known_message_has_no_explanation() -> None:
    assert explain_messages("everything is fine\nNo such luck") == ()


@pytest.mark.parametrize(
    ("contents", "kind"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a pointer of Git LFS"),
        (b"MZ\x90\0", "it is a file for Windows (PE)"),
        (b"<!doctype html>", "it is a page in HTML or XML"),
        (b"", "it is empty"),
    ],
)
def test_the_contents_of_a_file_that_is_not_for_linux_are_named(contents: bytes, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "_demo.so"
    file.write_bytes(contents)

    (explanation,) = explain_messages(f"ImportError: {file}: invalid ELF header")

    assert explanation.cause.startswith(f"_demo.so is not a file for Linux: {kind}")


def test_equal_messages_are_explained_once_and_others_in_order() -> None:
    text = "Illegal instruction\nx.so: wrong ELF class: ELFCLASS64\nIllegal instruction\n"

    assert [explanation.message for explanation in explain_messages(text)] == [
        "Illegal instruction",
        "x.so: wrong ELF class: ELFCLASS64",
    ]
