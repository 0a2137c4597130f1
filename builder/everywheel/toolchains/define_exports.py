"""Writes a module definition file for a DLL that exports more than the patterns of its recipe match.

A linker for MinGW exports every symbol of a DLL in which nothing is marked for export
(https://sourceware.org/binutils/docs/ld/WIN32.html). With the file, which linkers accept among their inputs, it exports those
of these symbols that match, as with a version script on Linux.

The compiler wrapper links the DLL, runs this module as a program, `python -m … FILE PATTERN… -- ARGUMENT…` with the arguments
of the link, and links it once more with the file if there is one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

from everywheel.binaries.pe import PeFacts, read_pe
from everywheel.toolchains.response_files import expand_arguments


def define_exports(facts: PeFacts, patterns: Sequence[str]) -> str:
    """Return the module definition of the exports that match; an empty text if all of them do, or none."""
    matching = [name for name in facts.exports if any(fnmatchcase(name, pattern) for pattern in patterns)]
    if not matching or len(matching) == len(facts.exports):
        return ""
    return "".join(["EXPORTS\n", *(f'  "{name}"{" DATA" * (name in facts.variables)}\n' for name in matching)])


def find_output(args: Sequence[str]) -> Path | None:
    """Return the DLL that a link writes, None if its arguments name none."""
    outputs = [after for option, after in pairwise(args) if option == "-o"]
    outputs += [arg[2:] for arg in args if arg.startswith("-o") and arg.lower().endswith(".dll")]
    return next((path for path in map(Path, outputs) if path.is_file()), None)


def _main(arguments: Sequence[str]) -> None:
    middle = arguments.index("--")
    (file, *patterns), args = arguments[:middle], [*expand_arguments(arguments[middle + 1 :])]
    Path(file).unlink(missing_ok=True)  # of another link by a process with the same number
    output = find_output(args)
    if output is None or any(arg.lower().endswith(".def") for arg in args):
        return
    if text := define_exports(read_pe(output.read_bytes()), patterns):
        Path(file).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    _main(sys.argv[1:])
