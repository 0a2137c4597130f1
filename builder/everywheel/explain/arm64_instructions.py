"""The instruction-set extensions that functions for arm64 use, by disassembling each value that may belong to one."""

from __future__ import annotations

import re
import struct
import sys
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace

from everywheel.explain.arm64_flow import FunctionFinder, is_guarded, list_feature_queries
from everywheel.explain.code import CHECK, Code, CodeFacts, FunctionUse

# Extensions in the order of the versions of the architecture that require them, or first allow them; those without a version
# are optional everywhere.
LEVELS: Mapping[str, str] = {
    "CRC32": "Armv8.1-A",
    "LSE": "Armv8.1-A",
    "RDM": "Armv8.1-A",
    "FP16": "Armv8.2-A",
    "DotProd": "Armv8.2-A",
    "FHM": "Armv8.2-A",
    "FCMA": "Armv8.3-A",
    "JSCVT": "Armv8.3-A",
    "RCPC": "Armv8.3-A",
    "PAuth": "Armv8.3-A",
    "FlagM": "Armv8.4-A",
    "MTE": "Armv8.5-A",
    "BF16": "Armv8.6-A",
    "I8MM": "Armv8.6-A",
    "MOPS": "Armv8.8-A",
    "SVE": "Armv9.0-A",
    "SVE2": "Armv9.0-A",
    "SME": "Armv9.2-A",
}
# The masks and values of all numbers that may belong to an extension: about one in seven.
_CANDIDATES = (
    (0xFFFFF000, 0xD5380000),  # mrs from a register that describes the processor
    (0x7FE0E000, 0x1AC04000),  # crc32
    (0x3FA07C00, 0x08A07C00),  # cas
    (0xBFA07C00, 0x08207C00),  # casp
    (0x3F200C00, 0x38200000),  # atomic operations on memory
    (0x9F208400, 0x0E008400),  # three registers: rdm, dotprod, fcma, i8mm, bf16
    (0x9F60C400, 0x0E400400),  # three registers with half precision
    (0x9F7E0C00, 0x0E780800),  # two registers with half precision
    (0x9F7FCC00, 0x0E30C800),  # a vector with half precision
    (0xBFFFFC00, 0x0EA16800),  # bfcvtn
    (0x9F20F400, 0x0E20E400),  # fmlal
    (0x9F20FC00, 0x0E20CC00),  # fmlal2
    (0x9F000400, 0x0F000000),  # elements
    (0x9FF0E400, 0x0F10E400),  # conversions of vectors with half precision
    (0x9FF8FC00, 0x0F00FC00),  # constants with half precision
    (0xFF3E0C00, 0x4E280800),  # aes
    (0xBF20FC00, 0x0E20E000),  # pmull
    (0xFF000000, 0xCE000000),  # sha3, sha512, sm3, sm4
    (0xDE000000, 0x5E000000),  # scalars: sha1, sha256, rdm, half precision
    (0xFFFFFC00, 0x1E7E0000),  # fjcvtzs
    (0xFFFFFC00, 0x1E634000),  # bfcvt
    (0x7FC00000, 0x1EC00000),  # half precision
    (0xFFC00000, 0x1FC00000),  # half precision, four registers
    (0xBFC0C000, 0x91800000),  # addg
    (0xDFE0F800, 0x9AC01000),  # irg, gmi
    (0xDFE0FC00, 0x9AC00000),  # subp
    (0xFFE0FC00, 0x9AC03000),  # pacga
    (0xFF200400, 0xF8200400),  # ldraa
    (0xFFE07C10, 0xBA000400),  # rmif
    (0xFFFFBC1F, 0x3A00080D),  # setf
    (0xFFFFF0FF, 0xD500401F),  # cfinv
    (0xFFFFF800, 0xD61F0800),  # braa
    (0xFF000000, 0xD7000000),  # braa with a modifier
    (0xFFFFFBFF, 0xD65F0BFF),  # retaa
    (0x1E000000, 0x04000000),  # sve
    (0x9E000000, 0x84000000),  # sve memory
    (0xFE000000, 0x80000000),  # sme
    (0xFE000000, 0xA0000000),  # sme
    (0xFE000000, 0xC0000000),  # sme
    (0xFE000000, 0xE0000000),  # sme
    (0x3B200C00, 0x19000400),  # mops
    (0x3F200C00, 0x19000000),  # rcpc, mte
    (0xFF200000, 0xD9200000),  # mte
)
# Whether a candidate may begin with these eleven bits: most numbers are not looked at further.
_FIRST_BITS = bytes(any((bits ^ value >> 21) & mask >> 21 == 0 for mask, value in _CANDIDATES) for bits in range(2048))
# GCC's code that unwinds the stack reads the length of vectors (cntd) and clears tags of memory (stg) only if a function has
# used these. Code that uses them has other instructions of the extension too.
_LENGTH, _TAG = "length of vectors", "tags of memory"
_SECONDARY = {_LENGTH: "SVE", _TAG: "MTE"}
_TABLE = re.compile(r"\bza|\bzt0")
_NAMES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), extension)
    for pattern, extension in (
        (r"crc32", "CRC32"),
        (
            r"(cas|casp|swp|ldadd|ldclr|ldeor|ldset|ld[su](max|min)|st(add|clr|eor|set|[su]max|[su]min))(a?l?[bh]?)$",
            "LSE",
        ),
        (r"sqrdml[as]h", "RDM"),
        (r"[su]dot", "DotProd"),
        (r"fml[as]l2?", "FHM"),
        (r"fcmla|fcadd", "FCMA"),
        (r"fjcvtzs", "JSCVT"),
        (r"ldapu?r", "RCPC"),
        (r"reta[ab]|bl?ra[ab]|ldra[ab]|pacga", "PAuth"),
        (r"cfinv|rmif|setf(8|16)", "FlagM"),
        (r"stg$", _TAG),
        (r"irg|gmi|subps?$|st2?z?g$|stz2g|ldgm?$|stz?gm|stgp|addg|subg", "MTE"),
        (r"bf(dot|mmla|mlal[bt]|cvt)", "BF16"),
        (r"us?mmla|smmla|usdot|sudot", "I8MM"),
        (r"cpyf?[pme]|setg?[pme]", "MOPS"),
        (r"aes", "AES"),
        (r"sha512|eor3|rax1|xar|bcax", "SHA3"),
        (r"sha(1|256)", "SHA2"),
        (r"sm[34]", "SM4"),
        # These count with the length of vectors in ordinary registers.
        (r"cntd$", _LENGTH),
        (r"(cnt|[us]?q?(inc|dec))[bhwd]$|rdvl|add[vp]l$|cterm(eq|ne)", "SVE"),
        (r"rdsvl|adds[vp]l$|sm(start|stop)$", "SME"),
    )
)
_REGISTERS = re.compile(r"\b[zp]\d")
_HALF = re.compile(r"\.[48]h|\bh\d")
_CONVERSIONS = frozenset(("fcvt", "fcvtn", "fcvtn2", "fcvtl", "fcvtl2"))  # from and to half precision, in the baseline
_LONG_PRODUCT = re.compile(r"\.1q\b")
_NEIGHBORS = 4  # instructions before and after one, which must be valid: otherwise it is data

_LARGEST_NUMBER = 0xFFFF  # of the instruction UDF, which is not defined


class Arm64Reader:
    """A disassembler that remembers the extension of each value."""

    def __init__(self) -> None:
        import capstone

        self._capstone = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)
        self._known: dict[int, str] = {}
        self._valid: dict[int, bool] = {}

    @property
    def is_complete(self) -> bool:
        """True: every position is examined."""
        return True

    def list_uses(self, facts: CodeFacts) -> Iterator[FunctionUse]:
        """Yield each function that uses an extension or reads the features of the processor."""
        uses = [use for code in facts.code for use in self._list_section(code, facts.startup)]
        primary = {extension for use in uses for extension in use.extensions}
        for use in uses:
            named = {_SECONDARY.get(extension, extension) for extension in use.extensions} & primary
            if named:
                yield replace(use, extensions=frozenset(named))

    def _list_section(self, code: Code, startup: frozenset[int]) -> Iterator[FunctionUse]:
        values = _split_values(code.data)
        extensions = {value: extension for value in set(values) if (extension := self._find_extension(value))}
        functions = FunctionFinder(code, values, startup)
        used: dict[tuple[int, str, bool], set[str]] = defaultdict(set)
        known: dict[tuple[int, str], int] = {}  # the end of a function with an extension, by its index
        for position in _list_positions(code.data, values, extensions):
            index, extension = functions.find_index(position), extensions[values[position]]
            if 4 * position < known.get((index, extension), 0) or not self._is_code(values, position):
                continue
            function = functions.find(index, position)
            if function is None and extension == CHECK:
                function = 4 * position, ""  # in a function that only a pointer refers to
            if function is not None:
                guarded = extension == "LSE" and is_guarded(values, position)
                used[(*function, guarded)].add(extension)
                if not guarded and index >= 0 and function == code.functions[index]:
                    known[index, extension] = functions.find_end(index)
        for position in list_feature_queries(code.data, values):
            used[(*(functions.find(functions.find_index(position), position) or (4 * position, "")), False)].add(CHECK)
        for (start, name, guarded), names in sorted(used.items()):
            yield FunctionUse(name=name, address=code.address + start, extensions=frozenset(names), is_guarded=guarded)

    def _find_extension(self, value: int) -> str:
        """Return the extension that an instruction belongs to; empty for the baseline, and for data."""
        if not is_candidate(value):
            return ""
        if value not in self._known:
            decoded = next(self._capstone.disasm_lite(struct.pack("<I", value), 0), None)
            self._known[value] = classify(decoded[2], decoded[3]) if decoded else ""
        return self._known[value]

    def _is_code(self, values: array[int], position: int) -> bool:
        near = range(max(position - _NEIGHBORS, 0), min(position + _NEIGHBORS + 1, len(values)))
        return all(self._is_valid(values[index]) for index in near)

    def _is_valid(self, value: int) -> bool:
        if value not in self._valid:
            decoded = next(self._capstone.disasm_lite(struct.pack("<I", value), 0), None)
            # Padding is zero. Other small numbers are entries of tables.
            self._valid[value] = value == 0 or (value > _LARGEST_NUMBER and decoded is not None)
        return self._valid[value]


def _list_positions(data: bytes, values: array[int], extensions: Mapping[int, str]) -> Iterator[int]:
    """Yield the positions of the values that belong to extensions."""
    tops = bytes(sorted({value >> 24 for value in extensions}))
    if tops:
        for match in re.finditer(b"[" + re.escape(tops) + b"]", data[3::4]):
            if values[match.start()] in extensions:
                yield match.start()


def _split_values(data: bytes) -> array[int]:
    values = array("I", data[: len(data) // 4 * 4])
    if sys.byteorder == "big":
        values.byteswap()
    return values


def is_candidate(value: int) -> bool:
    """Return whether a value may be an instruction of an extension; a fast check before it is decoded."""
    return _FIRST_BITS[value >> 21] == 1 and any(value & mask == bits for mask, bits in _CANDIDATES)


def classify(mnemonic: str, operands: str) -> str:
    """Return the extension of an instruction as capstone prints it; empty for one of the baseline."""
    if mnemonic == "mrs":
        return CHECK if re.search(r"id_aa64|midr_el1", operands) else ""
    if _TABLE.search(operands):
        return "SME"
    if _REGISTERS.search(operands):
        return "SVE"
    for pattern, extension in _NAMES:
        if pattern.match(mnemonic):
            return extension
    if mnemonic.startswith("pmull") and _LONG_PRODUCT.search(operands):
        return "AES"
    if mnemonic.startswith(("f", "scvtf", "ucvtf")) and mnemonic not in _CONVERSIONS and _HALF.search(operands):
        return "FP16"
    return ""
