"""Writes a module definition file for the link of a DLL whose objects do not mark what it exports.

A linker for MinGW exports every symbol then, those of the archives in a DLL included
(https://sourceware.org/binutils/docs/ld/WIN32.html). With the file, which linkers accept among their inputs, it exports the
symbols that match the patterns of a recipe, as a version script does on Linux.

The compiler wrapper runs this module as a program, `python -m … FILE PATTERN… -- ARGUMENT…`, with the arguments of the link.
It writes no file if objects or arguments name exports. It and what it imports require only the standard library.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from everywheel.toolchains.hide_symbols import has_export
from everywheel.toolchains.list_symbols import list_symbols
from everywheel.toolchains.response_files import expand_arguments


def define_exports(objects: Iterable[bytes], patterns: Sequence[str]) -> str:
    """Return the module definition for objects and archives; an empty text if they mark exports or define none that match."""
    exports: dict[str, str] = {}
    for data in objects:
        if has_export(data):
            return ""
        for _, kind, name in list_symbols(data):
            if kind in "TDBRC" and any(fnmatchcase(name, pattern) for pattern in patterns):
                exports[name] = "" if kind == "T" else " DATA"
    lines = [f'  "{name}"{data}\n' for name, data in sorted(exports.items())]
    return "".join(["EXPORTS\n", *lines]) if lines else ""


def list_objects(args: Sequence[str]) -> Iterator[Path]:
    """Yield the objects among the arguments of a link, and the archives that become part of the DLL as a whole."""
    whole = False
    for arg in args:
        for part in arg.removeprefix("-Wl,").split(",") if arg.startswith("-Wl,") else [arg]:
            if part in ("--whole-archive", "-whole-archive", "--no-whole-archive", "-no-whole-archive"):
                whole = "no-" not in part
            elif part.endswith((".o", ".obj")) or (whole and part.endswith(".a")):
                yield Path(part)


def _main(arguments: Sequence[str]) -> None:
    middle = arguments.index("--")
    (file, *patterns), args = arguments[:middle], [*expand_arguments(arguments[middle + 1 :])]
    if any(arg.endswith(".def") for arg in args):
        return
    paths = [path for path in dict.fromkeys(list_objects(args)) if path.is_file()]
    if text := define_exports([path.read_bytes() for path in paths], patterns):
        Path(file).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    _main(sys.argv[1:])
