"""The explanation as text: a short answer first, then the details."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from itertools import groupby

from everywheel.binaries.elf import ElfFacts
from everywheel.binaries.pe import PeFacts
from everywheel.errors import count_noun
from everywheel.explain.explanation import Explanation, Platform
from everywheel.explain.hardening import Protection, list_protections
from everywheel.explain.instruction_sets import find_instruction_set
from everywheel.explain.libraries import Library, Origin
from everywheel.explain.messages import MessageExplanation
from everywheel.explain.requirements import Cause
from everywheel.explain.subjects import Subject
from everywheel.explain.systems import Verdict, summarize

_MOST_CAUSES, _MOST_SYMBOLS, _MOST_FILES = 6, 6, 8


def render_messages(explanations: Sequence[MessageExplanation]) -> Iterator[str]:
    """Yield the lines for the messages of loaders."""
    for explanation in explanations:
        yield f"message:  {explanation.message}"
        yield f"cause:    {explanation.cause}"
        yield f"cure:     {explanation.cure}"


def render_text(explanation: Explanation, *, details: bool = True) -> Iterator[str]:
    """Yield the lines of an explanation; without `details` the short answer only."""
    yield explanation.subject.title
    if not explanation.platforms:
        yield "  It has no compiled file" + (
            " that can be read." if explanation.subject.faults else ": it runs wherever Python does."
        )
    for platform in explanation.platforms:
        yield from (f"  {line}" for line in _render_answer(platform))
    for fault in explanation.subject.faults:
        yield f"  cannot be read: {fault.file}: {fault.message}"
    if details:
        for platform in explanation.platforms:
            yield ""
            yield from (f"  {line}" for line in _render_details(platform, explanation.subject))


def name_platform(platform: Platform) -> str:
    """Return the name of a platform: `Linux, x86_64, glibc`."""
    return ", ".join(part for part in (platform.system, platform.arch, platform.libc) if part)


def _render_answer(platform: Platform) -> Iterator[str]:
    processor = f"; processor: {platform.processor.name}" if platform.processor else ""
    yield f"{name_platform(platform)}: {platform.minimum}{processor}"
    if not platform.verdicts:
        if platform.system == "Linux":
            yield "There is no list of distributions for this architecture."
        return
    summary = summarize(platform.verdicts)
    yield f"Runs on: {', '.join(summary.runs) or 'none of the known distributions'}."
    if summary.fails:
        yield f"Does not run on: {', '.join(summary.fails)}{summary.because}."
    if platform.missing:
        names = ", ".join(describe_library(library) for library in platform.missing)
        yield f"Only if these are installed: {names}."


def describe_library(library: Library) -> str:
    """Return a library with the packages that have it."""
    return f"{library.name} ({library.details})" if library.details else library.name


def _render_details(platform: Platform, subject: Subject) -> Iterator[str]:
    yield f"{name_platform(platform)}: {count_noun(len(platform.files), 'file')}"
    if platform.causes:
        yield "  Required versions, and what causes them:"
        yield from (f"    {line}" for line in describe_causes(platform.causes))
    yield "  Needed libraries:"
    yield from (f"    {line}" for line in _describe_libraries(platform.libraries))
    if platform.system == "Linux":
        yield "  Instruction sets:"
        yield from (f"    {line}" for line in describe_instructions(platform))
    yield "  Protections:"
    yield from (f"    {line}" for line in describe_protections(platform, subject))
    yield "  Exports:"
    yield from (f"    {line}" for line in _describe_exports(platform, subject))
    if platform.verdicts:
        yield "  Distributions:"
        rows = list(list_rows(platform.verdicts))
        width = max(len(name) for name, _ in rows)
        yield from (f"    {name:<{width}}  {text}" for name, text in rows)


def list_rows(verdicts: Sequence[Verdict]) -> Iterator[tuple[str, str]]:
    """Yield each release with its verdict; a distribution with another C library is one row."""
    for title, rows in groupby(verdicts, key=lambda verdict: verdict.distribution.title):
        releases = list(rows)
        libc, reasons = releases[0].distribution.libc, {verdict.reasons for verdict in releases}
        if all(reason.endswith(f" has {libc}") for group in reasons for reason in group or ("",)):
            yield title, f"does not: {releases[0].reasons[0].partition('; ')[0]}; {title} has {libc}"
        else:
            yield from ((verdict.distribution.name, verdict.describe()) for verdict in releases)


def describe_causes(causes: Sequence[Cause]) -> Iterator[str]:
    """Yield the newest required versions of each family, with the symbols and the files that cause them."""
    shown: dict[str, int] = {}
    for cause in causes:
        shown[cause.family] = shown.get(cause.family, 0) + 1
        if shown[cause.family] <= _MOST_CAUSES:
            symbols = ", ".join(cause.symbols[:_MOST_SYMBOLS])
            rest = len(cause.symbols) - _MOST_SYMBOLS
            others = f" and {rest} more" if rest > 0 else ""
            yield f"{cause.version:<16}{posixpath.basename(cause.file)}: {symbols}{others}"
    for family, count in shown.items():
        if count > _MOST_CAUSES:
            yield f"{family}: {count - _MOST_CAUSES} older ones are not shown (`--json` has all)"


def _describe_libraries(libraries: Sequence[Library]) -> Iterator[str]:
    if not libraries:
        yield "none"
    for origin in Origin:
        for library in libraries:
            if library.origin is origin:
                details = f": {library.details}" if library.details else ""
                yield f"{library.name:<34}{_describe_origin(origin)}{details}"


def describe_instructions(platform: Platform) -> Iterator[str]:
    """Yield the extensions that functions use, the required ones first, each with the files and the evidence."""
    instruction_set = find_instruction_set(platform.system, platform.arch)
    if platform.processor is None or instruction_set is None:
        yield "not examined: " + (
            "this is done for x86-64 and arm64"
            if instruction_set is None
            else "install everywheel[explain], which has a disassembler"
        )
        return
    if not platform.processor.is_complete:
        yield "not all of the code could be examined"
    for required in (True, False):
        uses = [use for use in platform.processor.uses if use.is_required is required]
        for extension in dict.fromkeys(use.extension for use in uses):
            same = sorted((use for use in uses if use.extension == extension), key=lambda use: -use.functions)
            first, rest = same[0], len(same) - 1
            others = f", and {count_noun(rest, 'other file')}" if rest else ""
            yield (
                f"{extension:<10} {'required' if required else 'optional'}: {posixpath.basename(first.file)}, "
                f"{count_noun(first.functions, 'function')} ({', '.join(first.examples[:2])}): {first.reason}{others}"
            )
    if not platform.processor.uses:
        yield f"nothing beyond {instruction_set.baseline}"


def describe_protections(platform: Platform, subject: Subject) -> Iterator[str]:
    """Yield the protections that files have and those that are missing; files with the same ones are together."""
    groups: dict[tuple[Protection, ...], list[str]] = {}
    for path in platform.files:
        binary = subject.contents.binaries[path]
        if isinstance(binary, ElfFacts | PeFacts):
            groups.setdefault(list_protections(binary), []).append(posixpath.basename(path))
    for protections, files in groups.items():
        names = files[0] if len(files) == 1 else f"{files[0]} and {count_noun(len(files) - 1, 'other file')}"
        yield f"{names}: {', '.join(f'{item.name} {item.state}' for item in protections)}"
    if not groups:
        yield "not examined"


def _describe_exports(platform: Platform, subject: Subject) -> Iterator[str]:
    for path in platform.files[:_MOST_FILES]:
        exports = subject.contents.binaries[path].exports
        shown = f": {', '.join(exports[:_MOST_SYMBOLS])}" if exports else ""
        yield f"{posixpath.basename(path)}: {count_noun(len(exports), 'symbol')}{shown}"
    if len(platform.files) > _MOST_FILES:
        yield f"{len(platform.files) - _MOST_FILES} other files are not shown (`--json` has all)"


def _describe_origin(origin: Origin) -> str:
    return {
        Origin.INSIDE: "inside",
        Origin.LIBC: "the C library",
        Origin.SYSTEM: "the system",
        Origin.PYTHON: "Python",
        Origin.PACKAGE: "must be installed",
        Origin.MISSING: "nowhere",
    }[origin]
