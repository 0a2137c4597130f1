"""The instruction-set extensions that functions for x86-64 use, by disassembling the places that may need one."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from everywheel.explain.code import CHECK, Code, CodeFacts, FunctionUse
from everywheel.explain.x86_candidates import Key, find_candidates

# Extensions in the order of the levels of the x86-64 psABI; those without a level are optional on every processor.
LEVELS: Mapping[str, str] = {
    "SSE3": "x86-64-v2",
    "SSSE3": "x86-64-v2",
    "SSE4.1": "x86-64-v2",
    "SSE4.2": "x86-64-v2",
    "POPCNT": "x86-64-v2",
    "CMPXCHG16B": "x86-64-v2",
    "AVX": "x86-64-v3",
    "AVX2": "x86-64-v3",
    "BMI1": "x86-64-v3",
    "BMI2": "x86-64-v3",
    "F16C": "x86-64-v3",
    "FMA": "x86-64-v3",
    "LZCNT": "x86-64-v3",
    "MOVBE": "x86-64-v3",
    "AVX-512": "x86-64-v4",
}
_GROUPS = {
    "sse3": "SSE3",
    "ssse3": "SSSE3",
    "sse41": "SSE4.1",
    "sse42": "SSE4.2",
    "avx": "AVX",
    "avx2": "AVX2",
    "avx512": "AVX-512",
    "bmi": "BMI1",
    "bmi2": "BMI2",
    "f16c": "F16C",
    "fma": "FMA",
    "aes": "AES",
    "pclmul": "PCLMUL",
    "sha": "SHA",
    "sse4a": "SSE4A",
    "xop": "XOP",
    "fma4": "FMA4",
    "tbm": "TBM",
    "adx": "ADX",
}
_MNEMONICS = {
    "popcnt": "POPCNT",
    "lzcnt": "LZCNT",
    "movbe": "MOVBE",
    "crc32": "SSE4.2",
    "cmpxchg16b": "CMPXCHG16B",
    "adcx": "ADX",
    "adox": "ADX",
    "cpuid": CHECK,
    "vcvtph2ps": "F16C",
    "vcvtps2ph": "F16C",
    "xgetbv": CHECK,
}
_FUSED = ("vfmadd", "vfmsub", "vfnmadd", "vfnmsub")  # capstone has no group for them
_WINDOW, _SECOND_WINDOW = 80, 67  # bytes before a place, after which a disassembler is in step with the code
_LONGEST = 15  # bytes of an instruction
_MOST_TRIES = 4  # of a key in one function
_MOST_CHECKS = 300_000  # of places in all files of a subject: about 10 seconds; large wheels need a tenth of it


class _Boundaries:
    """A disassembler that finds where instructions begin.

    capstone's own method makes four Python objects of each instruction, which takes longer than the disassembling. This uses
    its private `_cs` and `_cs_insn`, so pyproject.toml has an upper bound of its version.
    """

    def __init__(self) -> None:
        import capstone

        self._disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        self._disassembler.skipdata = True
        self._library, self._type = capstone._cs, capstone._cs_insn
        self._size, self._address = ctypes.sizeof(self._type), self._type.address.offset

    def has_start(self, data: bytes, offset: int) -> bool:
        """Return whether an instruction begins at an offset of code that begins with one; data has none."""
        array = ctypes.POINTER(self._type)()
        count = self._library.cs_disasm(self._disassembler.csh, data, len(data), 0, 0, ctypes.byref(array))
        if not count:
            return False
        records = memoryview(ctypes.string_at(array, count * self._size))
        self._library.cs_free(array, count)
        starts = records.cast("Q")[self._address // 8 :: self._size // 8].tolist()
        # Data has the number 0.
        return offset in starts and records.cast("I")[starts.index(offset) * self._size // 4] != 0


class X86Reader:
    """A disassembler that remembers the extension of each key."""

    def __init__(self) -> None:
        import capstone

        self._boundaries = _Boundaries()
        self._detailed: Any = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        self._detailed.detail = True
        self._known: dict[Key, frozenset[str]] = {}
        self._checks = 0

    @property
    def is_complete(self) -> bool:
        """False if so many places had to be disassembled that the rest was left out."""
        return self._checks <= _MOST_CHECKS

    def list_uses(self, facts: CodeFacts) -> Iterator[FunctionUse]:
        """Yield each function that uses an extension or reads the features of the processor."""
        for code in facts.code:
            starts = [start for start, _ in code.functions]
            for index, keys in find_candidates(code.data, starts):
                start, name = code.functions[index] if index >= 0 else (0, "")
                used = self._find_extensions(code, start, keys)
                if used:
                    yield FunctionUse(name=name, address=code.address + start, extensions=frozenset(used))

    def _find_extensions(self, code: Code, start: int, keys: Mapping[Key, Sequence[int]]) -> set[str]:
        used: set[str] = set()
        for key, offsets in sorted(keys.items(), key=lambda item: -len(item[1])):
            if key in self._known and self._known[key] <= used:
                continue
            for offset in offsets[:_MOST_TRIES]:
                if self._is_instruction(code.data, start, offset):
                    if key not in self._known:
                        self._known[key] = self._classify(code.data[offset : offset + _LONGEST])
                    used |= self._known[key]
                    break
        return used

    def _is_instruction(self, data: bytes, start: int, offset: int) -> bool:
        """Return whether an instruction begins at an offset of the function that begins at `start`."""
        if offset - start <= _WINDOW:
            return self._reaches(data, start, offset)
        return all(self._reaches(data, offset - window, offset) for window in (_SECOND_WINDOW, _WINDOW))

    def _reaches(self, data: bytes, start: int, offset: int) -> bool:
        self._checks += 1
        if not self.is_complete:
            return False
        return self._boundaries.has_start(data[start : offset + _LONGEST], offset - start)

    def _classify(self, data: bytes) -> frozenset[str]:
        instruction = next(self._detailed.disasm(data, 0, 1), None)
        if instruction is None:
            return frozenset()
        mnemonic = re.sub(r"^(rep|repne|lock|data16) ", "", instruction.mnemonic)
        if mnemonic in _MNEMONICS and data[0] != 0x62:
            return frozenset((_MNEMONICS[mnemonic],))
        if mnemonic.startswith(_FUSED) and data[0] != 0x62:
            return frozenset(("FMA",))
        groups = {_GROUPS[name] for group in instruction.groups if (name := instruction.group_name(group)) in _GROUPS}
        if data[0] == 0x62:
            return frozenset(("AVX-512",))
        if data[0] in (0xC4, 0xC5):
            # Capstone names AES and PCLMUL for their VEX forms too; any VEX encoding of a vector needs AVX.
            return frozenset(groups or {"AVX"})
        return frozenset(groups)
