"""The code of compiled files: sections with instructions, and the functions in them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The address after a function. With `has_handlers`, exceptions get to parts of it that no branch refers to."""

    end: int
    has_handlers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """The content of an executable section; `functions` are the offsets of functions in it with their names, sorted.

    The name is empty in a stripped file. `bounds` are the ends of functions by their addresses, None if they are not known
    for this kind of file, and `data_ranges` the offsets of parts that are not instructions, sorted.
    """

    address: int
    data: bytes
    functions: tuple[tuple[int, str], ...]
    bounds: Mapping[int, Bound] | None = None
    data_ranges: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFacts:
    """The code of a compiled file, and the names of its symbols, also of those that it imports.

    `startup` are the addresses of the functions that run when the file is loaded. With `has_selected_functions`, resolvers
    select the implementation of functions then (IFUNC).
    """

    code: tuple[Code, ...]
    symbols: frozenset[str]
    startup: frozenset[int] = frozenset()
    has_selected_functions: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionUse:
    """The extensions that a function uses; `name` is empty in a stripped file.

    With `is_guarded`, the function tests first whether the processor has the extension.
    """

    name: str
    address: int
    extensions: frozenset[str]
    is_guarded: bool = False


CHECK = "cpuid"
"""The name for instructions that read the features of the processor."""


def select_functions(
    names: Mapping[int, str], starts: Sequence[int], first: int, size: int
) -> tuple[tuple[int, str], ...]:
    """Return the functions of a section by their offsets; `names` are those of addresses, which `starts` has in order."""
    inside = starts[bisect_left(starts, first) : bisect_left(starts, first + size)]
    return tuple((start - first, names[start]) for start in inside)
