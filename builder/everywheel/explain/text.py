"""The explanation as text: a short answer first, then the details."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from itertools import groupby

from everywheel.errors import count_noun
from everywheel.explain.explanation import Explanation, Platform
from everywheel.explain.libraries import Library, Origin
from everywheel.explain.messages import MessageExplanation
from everywheel.explain.requirements import Cause
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
            yield from (f"  {line}" for line in _render_details(platform))


def name_platform(platform: Platform) -> str:
    """Return the name of a platform: `Linux, x86_64, glibc`."""
    return ", ".join(part for part in (platform.system, platform.arch, platform.libc) if part)


def _render_answer(platform: Platform) -> Iterator[str]:
    yield f"{name_platform(platform)}: {platform.minimum}"
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


def _render_details(platform: Platform) -> Iterator[str]:
    yield f"{name_platform(platform)}: {count_noun(len(platform.files), 'file')}"
    if platform.causes:
        yield "  Required versions, and what causes them:"
        yield from (f"    {line}" for line in describe_causes(platform.causes))
    yield "  Needed libraries:"
    yield from (f"    {line}" for line in _describe_libraries(platform.libraries))
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


def _describe_origin(origin: Origin) -> str:
    return {
        Origin.INSIDE: "inside",
        Origin.LIBC: "the C library",
        Origin.SYSTEM: "the system",
        Origin.PYTHON: "Python",
        Origin.PACKAGE: "must be installed",
        Origin.MISSING: "nowhere",
    }[origin]
