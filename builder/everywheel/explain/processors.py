"""The processor that files need: the instruction-set extensions that they use, and whether they check for these first."""

from __future__ import annotations

import importlib.util
import posixpath
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from everywheel.explain.code import CHECK, CodeFacts, FunctionUse
from everywheel.explain.instruction_sets import InstructionSet

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
    """The level of the instruction set that files need, the extensions that require it, and all uses.

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


def find_processor(
    instruction_set: InstructionSet, code: Mapping[str, CodeFacts], *, system: str = "Linux", is_complete: bool = True
) -> Processor:
    """Return the processor that files need, which belong together; without `is_complete`, some have no readable code."""
    reader = instruction_set.open_reader()
    uses = {path: tuple(reader.list_uses(facts)) for path, facts in code.items()}
    checking = [path for path in code if _has_check(uses[path], code[path], instruction_set)]
    known = instruction_set.guaranteed.get(system, frozenset())
    unclear = instruction_set.unclear.get(system, frozenset())
    judged = tuple(
        use
        for path in code
        for use in _judge_file(path, uses[path], code[path], checking, instruction_set, unclear)
        if use.extension not in known
    )
    required = {use.extension for use in judged if use.is_required}
    levels = instruction_set.levels
    highest = max((extension for extension in required if extension in levels), key=instruction_set.order, default="")
    return Processor(
        level=levels.get(highest, f"processor of {system}" if known else instruction_set.baseline),
        required=tuple(sorted(required, key=instruction_set.order)),
        uses=judged,
        is_complete=reader.is_complete and is_complete,
    )


def _has_check(uses: Sequence[FunctionUse], code: CodeFacts, instruction_set: InstructionSet) -> bool:
    if any(CHECK in use.extensions for use in uses):
        return True
    return code.has_selected_functions or not instruction_set.checks.isdisjoint(code.symbols)


def _judge_file(
    path: str,
    uses: Sequence[FunctionUse],
    code: CodeFacts,
    checking: Sequence[str],
    instruction_set: InstructionSet,
    unclear: frozenset[str],
) -> Iterator[ExtensionUse]:
    starts = sorted(section.address + start for section in code.code for start, _ in section.functions)
    for extension in sorted({e for use in uses for e in use.extensions} - {CHECK}, key=instruction_set.order):
        users = [use for use in uses if extension in use.extensions]
        companion = instruction_set.companions.get(extension, extension)
        companions = [use for use in uses if companion in use.extensions] or users
        tested = [use for use in users if use.is_guarded]
        unmarked = [use for use in users if not use.is_guarded and not instruction_set.marks.search(use.name)]
        loading = [use for use in unmarked if use.address in code.startup or use.name.startswith("PyInit_")]
        is_required, reason, examples = False, "", users
        if loading:
            is_required, reason, examples = True, "it runs when the file is loaded", loading
        elif unmarked and not checking:
            # A static program without symbols may call a function of the C library for it.
            rest = "" if code.symbols else ", as far as a file without symbols shows"
            is_required, reason, examples = True, f"nothing here reads the features of the processor{rest}", unmarked
        elif extension not in unclear and _is_throughout(unmarked, starts) and _is_throughout(companions, starts):
            reason = "it is compiled into ordinary functions in all parts of the file"
            is_required, examples = True, unmarked
        elif len(tested) == len(users):
            reason = "its functions test first whether the processor has it, and do the same without it otherwise"
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
