"""The processor that files need: the instruction-set extensions that they use, and whether they check for these first."""

from __future__ import annotations

import contextlib
import importlib.util
import posixpath
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from everywheel.binaries.unreadable import UnreadableElf
from everywheel.explain.functions import CodeFacts, read_code
from everywheel.explain.instructions import CHECK, LEVELS, FunctionUse, X86Reader
from everywheel.explain.startup import list_startup_functions

ARCH = "x86_64"
"""The architecture whose code is examined."""
BASELINE = "x86-64"
# Functions by which a file learns the features of the processor without an instruction of its own.
_CHECK_SYMBOLS = frozenset(
    ("__cpu_model", "__cpu_indicator_init", "__get_cpuid", "__x86_get_cpuid_feature_leaf", "getauxval")
)
# Names of functions that exist once for each of several processors.
_MARKED = re.compile(
    r"sse\d|ssse3|avx|fma\d?(?![a-z])|popcnt|f16c|[sb]mi\d|aesni|shani|shaext|clmul|vaes|gfni|x86_?(64_)?v[234]|xop|mulx|adx|ifma"
    r"|haswell|skylake|sapphire|cooperlake|zen\d?(?![a-z])|nehalem|sandybridge|barcelona|prescott|penryn|dunnington|bulldozer"
    r"|piledriver|steamroller|excavator|icelake|knl|svml|movbe|rdrand|cpuid|crc32|lzcnt|crypton",
    re.IGNORECASE,
)
_PARTS = 32  # into which the functions of a file are divided
_LEAST_PARTS, _LEAST_FUNCTIONS, _MOST_ADJACENT = 16, 20, 0.55
_EXAMPLES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionUse:
    """The use of an extension in a file: in how many functions, and some of them by name or address.

    It is `required` if the file uses it without a check of the processor; `reason` is the evidence as a phrase.
    """

    file: str
    extension: str
    functions: int
    examples: tuple[str, ...]
    is_required: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """The level of the x86-64 psABI that files need, the extensions that require it, and all uses.

    `is_complete` is False if files could not be examined, or not to the end.
    """

    level: str
    required: tuple[str, ...]
    uses: tuple[ExtensionUse, ...]
    is_complete: bool = True

    @property
    def name(self) -> str:
        """The level with the extensions that are used: `x86-64-v2 (SSE3, SSSE3)`."""
        return f"{self.level} ({', '.join(self.required)})" if self.required else f"any {self.level}"


def is_available() -> bool:
    """Return whether the disassembler is installed: capstone, of the extra `explain`."""
    return importlib.util.find_spec("capstone") is not None


def find_processor(files: Mapping[str, bytes]) -> Processor:
    """Return the processor that x86-64 ELF files need, which belong together."""
    reader, code = X86Reader(), dict[str, CodeFacts]()
    for path, data in files.items():
        with contextlib.suppress(UnreadableElf):
            code[path] = read_code(data)
    uses = {path: tuple(reader.list_uses(facts)) for path, facts in code.items()}
    checking = [path for path in code if _has_check(uses[path], code[path])]
    judged = tuple(
        use
        for path in code
        for use in _judge_file(path, uses[path], code[path], checking, list_startup_functions(files[path]))
    )
    required = {use.extension for use in judged if use.is_required}
    levels = [BASELINE, *sorted({LEVELS[extension] for extension in required if extension in LEVELS})]
    return Processor(
        level=levels[-1],
        required=tuple(sorted(required, key=_order)),
        uses=judged,
        is_complete=reader.is_complete and len(code) == len(files),
    )


def _has_check(uses: Sequence[FunctionUse], code: CodeFacts) -> bool:
    if any(CHECK in use.extensions for use in uses):
        return True
    return any(symbol.name in _CHECK_SYMBOLS or symbol.is_indirect for symbol in code.symbols)


def _judge_file(
    path: str, uses: Sequence[FunctionUse], code: CodeFacts, checking: Sequence[str], startup: frozenset[int]
) -> Iterator[ExtensionUse]:
    starts = sorted(section.address + start for section in code.code for start, _ in section.functions)
    for extension in sorted({e for use in uses for e in use.extensions} - {CHECK}, key=_order):
        users = [use for use in uses if extension in use.extensions]
        unmarked = [use for use in users if not _MARKED.search(use.name)]
        loading = [use for use in unmarked if use.address in startup or use.name.startswith("PyInit_")]
        is_required, reason, examples = False, "", users
        if loading:
            is_required, reason, examples = True, "it runs when the file is loaded", loading
        elif unmarked and not checking:
            is_required, reason, examples = True, "nothing here reads the features of the processor", unmarked
        elif _is_throughout(unmarked, starts):
            is_required, reason, examples = (
                True,
                "it is compiled into ordinary functions in all parts of the file",
                unmarked,
            )
        elif not unmarked:
            reason = "the names of the functions show that they are for processors that have it"
        else:
            checker = path if path in checking else checking[0]
            reason = f"{posixpath.basename(checker)} reads the features of the processor"
        yield ExtensionUse(
            file=path,
            extension=extension,
            functions=len(users),
            examples=tuple(use.name or f"{use.address:#x}" for use in examples[:_EXAMPLES]),
            is_required=is_required,
            reason=reason,
        )


def _order(extension: str) -> int:
    names = list(LEVELS)
    return names.index(extension) if extension in names else len(names)


def _is_throughout(users: Sequence[FunctionUse], starts: Sequence[int]) -> bool:
    """Return whether the users of an extension are spread over the file like those that a compiler option results in.

    Files whose code for some processors is in sources of its own have them next to each other. Of 14 large libraries,
    those that were built for a level have users in at least half of the 32 parts of the file, and under 55 % of the users
    are followed by another one; in the others, either is different.
    """
    if len(users) < _LEAST_FUNCTIONS:
        return False
    indexes = {bisect_left(starts, use.address) for use in users}
    parts = {index * _PARTS // max(len(starts), 1) for index in indexes}
    adjacent = sum(index + 1 in indexes for index in indexes) / len(indexes)
    return len(parts) >= _LEAST_PARTS and adjacent < _MOST_ADJACENT
