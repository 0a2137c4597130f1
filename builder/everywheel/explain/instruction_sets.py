"""The instruction sets whose code is examined, x86-64 and arm64: their levels, and what shows a check of the processor."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from everywheel.explain import arm64_instructions, x86_instructions
from everywheel.explain.code import CodeFacts, FunctionUse


class Reader(Protocol):
    """A disassembler that finds the functions that use extensions."""

    @property
    def is_complete(self) -> bool: ...
    def list_uses(self, facts: CodeFacts) -> Iterator[FunctionUse]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InstructionSet:
    """An instruction set.

    Attributes:
        baseline: the name of the processors that every system of the architecture supports.
        levels: the level that first has an extension, by its name.
        guaranteed: the extensions that every processor has on which an operating system runs.
        unclear: the extensions that compilers of an operating system use inside of ordinary functions after a check.
        checks: functions by which a file learns the features of the processor without an instruction of its own.
        companions: the extension that a compiler option for an extension enables too, and that is used more widely.
        marks: the parts of names of functions that exist once for each of several processors.
        open_reader: the disassembler.
    """

    baseline: str
    levels: Mapping[str, str]
    guaranteed: Mapping[str, frozenset[str]]
    unclear: Mapping[str, frozenset[str]]
    checks: frozenset[str]
    companions: Mapping[str, str]
    marks: re.Pattern[str]
    open_reader: Callable[[], Reader]

    def order(self, extension: str) -> tuple[int, str]:
        """Return the key that sorts extensions by the order of the levels, and those without a level by name."""
        names = list(self.levels)
        return names.index(extension) if extension in names else len(names), extension


_SYSTEM_CHECKS = frozenset(
    ("getauxval", "elf_aux_info", "sysctlbyname", "IsProcessorFeaturePresent", "__aarch64_have_lse_atomics")
)
_X86 = InstructionSet(
    baseline="x86-64",
    levels=x86_instructions.LEVELS,
    guaranteed={
        # The oldest Mac of macOS 10.12 has a Penryn, and Windows 8.1 requires CMPXCHG16B.
        "macOS": frozenset(("SSE3", "SSSE3", "SSE4.1", "CMPXCHG16B")),
        "Windows": frozenset(("CMPXCHG16B",)),
    },
    # The vectorizer of Visual C++ compares `__isa_available`.
    unclear={"Windows": frozenset(("SSE3", "SSSE3", "SSE4.1", "SSE4.2"))},
    checks=_SYSTEM_CHECKS
    | {"__cpu_model", "__cpu_indicator_init", "__get_cpuid", "__x86_get_cpuid_feature_leaf", "__isa_available_init"},
    companions=dict.fromkeys(("BMI1", "BMI2", "LZCNT", "MOVBE", "F16C", "FMA", "AVX2"), "AVX"),
    marks=re.compile(
        r"sse\d|ssse3|avx|fma\d?(?![a-z])|popcnt|f16c|[sb]mi\d|aesni|shani|shaext|clmul|vaes|gfni|x86_?(64_)?v[234]|xop|mulx"
        r"|adx|ifma|haswell|skylake|sapphire|cooperlake|zen\d?(?![a-z])|nehalem|sandybridge|barcelona|prescott|penryn|dunnington"
        r"|bulldozer|piledriver|steamroller|excavator|icelake|knl|svml|movbe|rdrand|cpuid|crc32|lzcnt|crypton",
        re.IGNORECASE,
    ),
    open_reader=x86_instructions.X86Reader,
)
_ARM64 = InstructionSet(
    baseline="Armv8.0-A",
    levels=arm64_instructions.LEVELS,
    guaranteed={
        # The M1 and the A12 have these, which Apple's compiler assumes.
        "macOS": frozenset(
            (
                "CRC32",
                "LSE",
                "RDM",
                "FP16",
                "DotProd",
                "FHM",
                "FCMA",
                "JSCVT",
                "RCPC",
                "PAuth",
                "FlagM",
                "AES",
                "SHA2",
                "SHA3",
            )
        ),
    },
    unclear={},
    checks=_SYSTEM_CHECKS | {"__aarch64_cpu_features", "__init_cpu_features_resolver", "__getauxval"},
    companions={"SVE2": "SVE"},
    marks=re.compile(
        r"sve|sme\d?_|asimd|neon_?(v8|dot|fp16|bf16|i8mm)|dotprod|sdot|udot|fp16|half|bf16|i8mm|mmla|armv[89]|v8_?\d|_ce(_|$)"
        r"|aes|sha\d|pmull|clmul|crc32|sm[34]|lse|__aarch64_|neoverse|thunderx|tsv110|a64fx|falkor|cortex|vortex|ampere"
        r"|graviton|ARMV8|ARMV9|_hw(_|$)|outline_atomic|pauth|rng",
        re.IGNORECASE,
    ),
    open_reader=arm64_instructions.Arm64Reader,
)
# By the name of the architecture on Linux, macOS and Windows.
_SETS: Mapping[tuple[str, str], InstructionSet] = {
    ("Linux", "x86_64"): _X86,
    ("macOS", "x86_64"): _X86,
    ("Windows", "amd64"): _X86,
    ("Linux", "aarch64"): _ARM64,
    ("macOS", "arm64"): _ARM64,
    ("Windows", "arm64"): _ARM64,
}


def find_instruction_set(system: str, arch: str) -> InstructionSet | None:
    """Return the instruction set of an architecture under its name on a system; None if its code is not examined."""
    return _SETS.get((system, arch))
