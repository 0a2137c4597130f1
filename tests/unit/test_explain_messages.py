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
    # As users paste them: in other languages, from other shells, and of other loaders.
    "./demo: /lib/libc.so.6: Version »GLIBC_2.34« nicht gefunden (benötigt von ./demo)": "demo was built on a system",
    "./demo: /lib/libc.so.6: version « GLIBC_2.34 » introuvable (requis par ./demo)": "demo was built on a system",
    "zsh: no such file or directory: ./demo": "If ./demo exists, then the missing file is its loader",
    "FileNotFoundError: [Errno 2] No such file or directory: './demo'": "If ./demo exists, then the missing file is",
    "The file “./demo” specified the interpreter “/lib64/ld-linux-x86-64.so.2”, which is not an executable command.": (
        "If ./demo exists, then the missing file is its loader"
    ),
    "sh: ./demo: not found": "If ./demo exists, then the missing file is its loader",
    "standard_init_linux.go:228: exec user process caused: no such file or directory": "The program of the container, the",
    "dlopen: cannot allocate memory in static TLS block": "the file has thread-local variables",
    "ImportError: cannot allocate memory in static TLS block": "the file has thread-local variables",
    "Process finished with exit code 132 (interrupted by signal 4: SIGILL)": "The program executed an instruction",
    "ImportError: Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by /site/_demo.so)": (
        "The file was built for glibc, whose loader is ld-linux-x86-64.so.2, and this system has musl"
    ),
    "/lib/ld-musl-x86_64.so.1: /app/demo: Not a valid dynamic program": "musl's loader was started with a file that it cannot",
    "dyld: Symbol not found: _mkfifoat": "None of the libraries that were loaded has mkfifoat: the file was built for a newer",
    "ImportError: dlopen(/site/_demo.so, 0x0002): symbol not found in flat namespace '_PyUnicode_AsUTF8'": (
        "None of the libraries that were loaded has PyUnicode_AsUTF8: "
    ),
    "dyld[1234]: Library not loaded: @rpath/libfoo.dylib": "The file needs libfoo.dylib, which",
    "zsh: killed     ./demo": "macOS ends programs for arm64 whose signature is missing",
    "OSError: [WinError 126] The specified module could not be found": "A DLL that the module needs is missing",
    "ImportError: DLL load failed: The specified module could not be found.": "A DLL that the module needs is missing",
    "ImportError: DLL load failed while importing _demo: The specified procedure could not be found.": "A DLL was loaded that",
    "DLL load failed while importing _demo: A dynamic link library (DLL) initialization routine failed.": "A DLL was loaded",
    "OSError: [WinError 193] %1 is not a valid Win32 application": "The DLL is for another processor",
    "RuntimeError: NumPy was built with baseline optimizations:": "The package was compiled for newer processors",
    "ImportError: DLL load failed while importing _demo: The specified module could not be found.": "A DLL that the",
}


@pytest.mark.parametrize("text", MESSAGES)
def test_a_message_is_explained(text: str) -> None:
    (explanation,) = explain_messages(f"Traceback (most recent call last):\n{text}\n")

    assert explanation.cause.startswith(MESSAGES[text])
    assert explanation.cure


def test_a_text_without_a_known_message_has_no_explanation() -> None:
    assert explain_messages("everything is fine\nNo such luck") == ()


@pytest.mark.parametrize("text", ["a", "/", "(", "version `a", "a: "])
def test_a_long_word_is_searched_once(text: str) -> None:
    """A pattern that begins at each of its characters takes minutes."""
    assert explain_messages(text * 100_000) == ()


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
