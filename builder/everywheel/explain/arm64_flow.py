"""The functions that instructions for arm64 belong to; what no branch and no call reaches is data, such as constants."""

from __future__ import annotations

import re
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from everywheel.explain.code import Code

# By the last byte of an instruction, which has the highest bits: branches, and what ends the code before it.
_BRANCH = re.compile(rb"[\x00\x14-\x17\x34-\x37\x54\xb4-\xb7\xd4\xd6\xd7]")
_CALL = re.compile(rb"[\x14-\x17\x94-\x97]")
_FIRST_QUERY, _SECOND_QUERY = (0x52800200, 0xD2800200), (0x52800340, 0xD2800340)  # mov w0, #16 and #26, also with x0
_LONGEST_OPERATION = 4  # instructions of one part of such a function
_INDIRECT_CALL = 0x00200000
_LARGEST_NUMBER = 0xFFFF  # of the instruction UDF, which is not defined


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reached:
    """The reached parts of a range: the last and the first position of each, and the entry from which it is reached.

    `rest` is the position from which everything counts as reached, with its entry.
    """

    runs: tuple[tuple[int, int, int], ...]
    rest: tuple[int, int]

    def find_entry(self, position: int) -> int | None:
        """Return the entry from which a position is reached."""
        index = bisect_left(self.runs, (position,))
        if index < len(self.runs) and self.runs[index][1] <= position:
            return self.runs[index][2]
        return self.rest[1] if position >= self.rest[0] else None


class _Flow:
    """The branches of a section; positions are numbers of instructions in it."""

    def __init__(self, values: array[int], data: bytes) -> None:
        self._values, self._tops = values, data[3::4]

    @cached_property
    def _called(self) -> Sequence[int]:
        values = self._values
        positions = (match.start() for match in _CALL.finditer(self._tops, 0, len(values)))
        return sorted({position + _sign(values[position], 0, 26) for position in positions})

    def list_called(self, start: int, end: int) -> Sequence[int]:
        """Return the positions in a range that calls and branches of the section refer to."""
        return self._called[bisect_left(self._called, start) : bisect_left(self._called, end)]

    def follow(self, entries: Iterable[int], start: int, end: int) -> _Reached:
        """Return what code that begins at the entries reaches in a range.

        The targets of a jump to an address in a register are not known: then, the rest of the range counts as reached.
        """
        breaks = [match.start() for match in _BRANCH.finditer(self._tops, start, end)]
        runs: dict[int, tuple[int, int]] = {}
        rest = end, start
        for entry in entries:
            waiting = [entry]
            while waiting:
                current = waiting.pop()
                index = bisect_left(breaks, current)
                last = breaks[index] if index < len(breaks) else end - 1
                if last in runs:
                    first, owner = runs[last]
                    runs[last] = min(first, current), owner
                    continue
                runs[last] = current, entry
                target, continues, is_jump = _decode(self._values[last], last)
                rest = min(rest, (last + 1, entry)) if is_jump else rest
                waiting += [last + 1] if continues and last + 1 < end else []
                waiting += [target] if target is not None and start <= target < end else []
        return _Reached(runs=tuple((last, *runs[last]) for last in sorted(runs)), rest=rest)


class FunctionFinder:
    """The functions of a section, by the positions of their instructions."""

    def __init__(self, code: Code, values: array[int], startup: frozenset[int]) -> None:
        self._code, self._startup = code, startup
        self._starts = [start for start, _ in code.functions]
        self._flow, self._count = _Flow(values, code.data), len(values)
        self._known: dict[tuple[int, int, bool], _Reached] = {}

    def find_index(self, position: int) -> int:
        """Return the index of the last function that begins before an instruction, -1 for none."""
        return bisect_right(self._starts, 4 * position) - 1

    def find_end(self, index: int) -> int:
        """Return the offset after a function, and after the part of the section before the first one."""
        next_start = self._starts[index + 1] if index + 1 < len(self._starts) else 4 * self._count
        bound = (self._code.bounds or {}).get(self._code.address + self._starts[index]) if index >= 0 else None
        return min(bound.end - self._code.address, next_start) if bound else next_start

    def find(self, index: int, position: int) -> tuple[int, str] | None:
        """Return the offset and the name of the function of an instruction, by its last one before; None for data."""
        code, offset = self._code, 4 * position
        data = bisect_right(code.data_ranges, (offset, sys.maxsize)) - 1
        if data >= 0 and offset < code.data_ranges[data][1]:
            return None
        start, name = code.functions[index] if index >= 0 else (0, "")
        address = code.address + start
        if code.bounds is None and address not in self._startup:
            return start, name
        bound = (code.bounds or {}).get(address)
        end = self.find_end(index)
        if offset >= end:  # it belongs to no known function
            next_start = self._starts[index + 1] if index + 1 < len(self._starts) else 4 * self._count
            return self._find_called(position, end // 4, next_start // 4)
        if bound and bound.has_handlers:
            return start, name
        reached = self._follow(start // 4, end // 4, from_calls=False).find_entry(position) is not None
        return (start, name) if reached else self._find_called(position, start // 4 + 1, end // 4)

    def _find_called(self, position: int, start: int, end: int) -> tuple[int, str] | None:
        entry = self._follow(start, end, from_calls=True).find_entry(position)
        return None if entry is None else (4 * entry, "")

    def _follow(self, start: int, end: int, *, from_calls: bool) -> _Reached:
        key = start, end, from_calls
        if key not in self._known:
            entries = self._flow.list_called(start, end) if from_calls else (start,)
            self._known[key] = self._flow.follow(entries, start, end)
        return self._known[key]


def is_guarded(values: Sequence[int], position: int) -> bool:
    """Return whether an atomic operation follows a test, which otherwise gets to a loop that does the same without it.

    Compilers call functions of this kind (`__aarch64_cas8_acq`) unless they may assume the extension. They have no names in
    stripped files, and no entry in .eh_frame.
    """
    test = values[position - 1] if position else 0
    loop = position - 1 + _sign(test, 5, 19)
    is_test = test & 0xFF000000 == 0x34000000 and position < loop <= position + _LONGEST_OPERATION
    return is_test and any(value & 0x3FDF0000 == 0x085F0000 for value in values[loop : loop + _LONGEST_OPERATION])


def list_feature_queries(data: bytes, values: array[int]) -> Iterator[int]:
    """Yield the places that call one function with the numbers 16 and 26 in turn: `getauxval` for the processor's features.

    In a static program without symbols, nothing else shows this check. The numbers are AT_HWCAP and AT_HWCAP2.
    """
    for number in _SECOND_QUERY:
        code = number.to_bytes(4, "little")
        offset = data.find(code)
        while offset >= 0:
            position = offset // 4
            before = range(max(position - 4, 0), position)
            first = {_find_call(values, index) for index in before if values[index] in _FIRST_QUERY}
            if not offset % 4 and _find_call(values, position) in first - {None}:
                yield position
            offset = data.find(code, offset + 1)


def _find_call(values: array[int], position: int) -> int | None:
    """Return the position that the next instruction calls."""
    call = values[position + 1] if position + 1 < len(values) else 0
    return position + 1 + _sign(call, 0, 26) if call & 0xFC000000 == 0x94000000 else None


def _decode(value: int, position: int) -> tuple[int | None, bool, bool]:
    """Return the target of a branch, whether the next instruction can follow, and whether the target is in a register."""
    if value & 0xFC000000 == 0x14000000:  # b
        return position + _sign(value, 0, 26), False, False
    if value & 0xFF000000 == 0x54000000 or value & 0x7E000000 == 0x34000000:  # b.eq, cbz
        return position + _sign(value, 5, 19), True, False
    if value & 0x7E000000 == 0x36000000:  # tbz
        return position + _sign(value, 5, 14), True, False
    if value & 0xFE000000 == 0xD6000000:
        kind = value & 0x00600000
        return None, kind == _INDIRECT_CALL, kind == 0
    is_end = value <= _LARGEST_NUMBER or value & 0xFFE0001F == 0xD4200000  # udf, brk
    return None, not is_end, False


def _sign(value: int, first: int, bits: int) -> int:
    """Return the signed number in some bits of an instruction."""
    number = value >> first & (1 << bits) - 1
    return number - (1 << bits) if number >> bits - 1 else number
