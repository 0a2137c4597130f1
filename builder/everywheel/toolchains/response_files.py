"""Replaces the response files (`@file`) of a compiler's command line by the arguments in them, and runs the command.

Build systems pass long command lines in files. The compiler wrapper checks its arguments, so it runs this file as a program,
`python response_files.py COMMAND ARGUMENT…`, with itself as the command. The file imports only the standard library, since
its Python does not have the package.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

_DEEPEST = 20  # files that name each other


def expand_arguments(arguments: Sequence[str], depth: int = 0) -> Iterator[str]:
    """Yield the arguments with those in response files instead of their names, as GCC reads them.

    An argument that names no file stays as it is: on macOS, paths may begin with `@rpath`. Raises RecursionError for files
    that name each other.
    """
    for argument in arguments:
        if not argument.startswith("@") or not Path(argument[1:]).is_file():
            yield argument
        elif depth == _DEEPEST:
            raise RecursionError(f"{argument}: response files name each other")
        else:
            text = Path(argument[1:]).read_text(encoding="utf-8", errors="surrogateescape")
            yield from expand_arguments([*split_arguments(text)], depth + 1)


def split_arguments(text: str) -> Iterator[str]:
    """Yield the arguments in a response file: a backslash quotes the next character, also between quotation marks."""
    argument: list[str] | None = None
    quote, characters = "", iter(text)
    for character in characters:
        if character == "\\":
            argument = argument or []
            argument.append(next(characters, ""))
        elif quote and character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote, argument = character, argument or []
        elif not quote and character.isspace():
            if argument is not None:
                yield "".join(argument)
            argument = None
        else:
            argument = argument or []
            argument.append(character)
    if argument is not None:
        yield "".join(argument)


def _main(command: Sequence[str]) -> None:
    try:
        os.execv(command[0], [command[0], *expand_arguments(command[1:])])
    except (OSError, RecursionError) as error:
        sys.exit(f"error: the arguments in response files cannot be used: {error}")


if __name__ == "__main__":
    _main(sys.argv[1:])
