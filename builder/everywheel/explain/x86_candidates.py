"""Places in x86-64 code that may begin with an instruction beyond the baseline, found by their first bytes.

Disassembling a large library takes many seconds. Nearly all of its instructions belong to the baseline of x86-64, and the
others have an encoding that few other bytes have: VEX, EVEX, or an opcode map of SSE3 and later. Only these places are
disassembled. A place has a key, which all instructions with this encoding share; so one of them shows their extension.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

Key = tuple[int, ...]
"""The encoding without operands: prefix, map, width and opcode."""

_EVEX_MAPS = bytes(byte for byte in range(256) if not byte & 0x08 and byte & 7 in (1, 2, 3, 5, 6))
_EVEX_FIXED = bytes(byte for byte in range(256) if byte & 4)
_VEX_MAPS = bytes(byte for byte in range(256) if byte & 0x1F in (1, 2, 3))
# Opcodes of the first map that have a VEX encoding.
_VEX_OPCODES = rb"[\x10-\x17\x28-\x2f\x41-\x4b\x50-\x7f\x90-\x93\x98\x99\xae\xc2\xc4-\xc6\xd0-\xff]"
_VECTOR = re.compile(
    rb"\xc4["
    + re.escape(_VEX_MAPS)
    + rb"]..|\xc5."
    + _VEX_OPCODES
    # After the prefix there are three bytes of fields and the opcode.
    + rb"|\x62["
    + re.escape(_EVEX_MAPS)
    + rb"]["
    + re.escape(_EVEX_FIXED)
    + rb"]..",
    re.DOTALL,
)
_LEGACY = re.compile(rb"\x0f[\x12\x16\x38\x3a\x7c\x7d\xa2\xb8\xbd\xc7\xd0\xf0]|\x0f\x01\xd0", re.DOTALL)
_OPERAND, _REP, _REPNE, _LOCK = 0x66, 0xF3, 0xF2, 0xF0
# The prefix that makes an opcode of the second map an instruction of a later processor.
_PREFIXES = {
    0x12: (_REP, _REPNE),  # movsldup, movddup
    0x16: (_REP,),  # movshdup
    0x7C: (_OPERAND, _REPNE),  # haddp
    0x7D: (_OPERAND, _REPNE),  # hsubp
    0xD0: (_OPERAND, _REPNE),  # addsubp
    0xB8: (_REP,),  # popcnt
    0xBD: (_REP,),  # lzcnt
    0xF0: (_REPNE,),  # lddqu
}


def find_candidates(code: bytes, starts: Sequence[int]) -> Iterator[tuple[int, Mapping[Key, Sequence[int]]]]:
    """Yield the places of each function by key, with the index of the function; `starts` are the sorted offsets of all.

    The index is -1 for what is before the first function.
    """
    groups: dict[int, dict[Key, list[int]]] = {}
    known: dict[bytes, Key] = {}
    keys: dict[Key, list[int]] = {}
    end = 0  # of the function that `keys` belongs to
    for match in _VECTOR.finditer(code):
        offset, encoding = match.start(), match[0]
        if offset >= end:
            index = bisect_right(starts, offset) - 1
            keys = groups.setdefault(index, {})
            end = starts[index + 1] if index + 1 < len(starts) else len(code)
        key = known.get(encoding) or known.setdefault(encoding, _make_vector_key(encoding))
        keys.setdefault(key, []).append(offset)
    for match in _LEGACY.finditer(code):
        for offset, key in _find_legacy(code, match.start()):
            groups.setdefault(bisect_right(starts, offset) - 1, {}).setdefault(key, []).append(offset)
    yield from sorted(groups.items())


def _make_vector_key(encoding: bytes) -> Key:
    if encoding[0] == 0xC5:
        return (0xC5, 1, encoding[1] & 0x07, encoding[2])
    if encoding[0] == 0xC4:
        return (0xC4, encoding[1] & 0x1F, encoding[2] & 0x87, encoding[3])
    return (0x62, encoding[1] & 0x07, encoding[2] & 0x83, encoding[4])


def _find_legacy(code: bytes, start: int) -> Iterator[tuple[int, Key]]:
    """Yield the place of an opcode of the second map, with the prefixes before it."""
    opcode = code[start + 1]
    has_rex = start > 0 and code[start - 1] & 0xF0 == 0x40
    begin = start - 1 if has_rex else start
    prefix = code[begin - 1] if begin > 0 else 0
    if opcode in _PREFIXES:
        if prefix in _PREFIXES[opcode]:
            yield begin - 1, (prefix, opcode)
    elif opcode in (0x38, 0x3A):
        has_prefix = prefix in (_OPERAND, _REP, _REPNE)
        third = code[start + 2] if start + 2 < len(code) else 0
        yield begin - 1 if has_prefix else begin, (prefix if has_prefix else 0, opcode, third)
    elif opcode == 0xC7:
        field = code[start + 2] >> 3 & 7 if start + 2 < len(code) else 0
        if field == 1 and has_rex and code[start - 1] & 0x08:
            yield begin - (prefix == _LOCK), (0, opcode, field)  # cmpxchg16b
    else:
        yield start, (0, opcode, 0)  # cpuid, xgetbv
