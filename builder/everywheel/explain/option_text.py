"""The answers of `--lower` and `--size` as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from everywheel.errors import count_noun
from everywheel.explain.explanation import Explanation
from everywheel.explain.lower import Change, Step, list_steps
from everywheel.explain.size import Part, SizeReport
from everywheel.explain.text import name_platform

_MOST_FILES, _MOST_CHANGES = 12, 12


def render_lower(explanation: Explanation) -> Iterator[str]:
    """Yield what would have to change so that the files run on older systems."""
    yield explanation.subject.title
    for platform in explanation.platforms:
        steps = list_steps(platform)
        yield f"  {name_platform(platform)}: {platform.minimum}"
        if not steps:
            yield "  Nothing prevents an older system of the known ones."
        for step in steps:
            yield from (f"  {line}" for line in _render_step(step))


def _render_step(step: Step) -> Iterator[str]:
    remaining = f"then {step.remaining} is required" if step.remaining else "then nothing newer is required"
    gains = f", and it runs on {', '.join(step.gains)} too" if step.gains else ""
    yield f"without {step.version}: {remaining}{gains}"
    if step.target:
        yield f"  a build for {step.target} avoids it: everywheel build --target {step.target}"
    groups: dict[tuple[str, str], list[Change]] = {}
    for change in step.changes:
        groups.setdefault((change.file, change.remedy), []).append(change)
    for (file, remedy), changes in groups.items():
        symbols = ", ".join(change.symbol for change in changes[:_MOST_CHANGES] if change.symbol)
        rest = len(changes) - _MOST_CHANGES
        others = f" and {rest} more" if rest > 0 else ""
        yield f"  {file}: {symbols}{others}: {remedy}" if symbols else f"  {file}: {remedy}"
        if results := [change.configure for change in changes if change.configure]:
            yield f"    configure results behind it: {', '.join(results[:_MOST_CHANGES])}"


def render_size(report: SizeReport) -> Iterator[str]:
    """Yield what takes the space of a subject."""
    packed = f", {_name_size(report.total.packed)} packed" if report.total.packed else ""
    yield f"{report.total.name}: {_name_size(report.total.size)}{packed}, {count_noun(len(report.files), 'file')}"
    yield from _render_parts("By kind:", report.kinds, report.total)
    yield from _render_parts("Largest files:", report.files[:_MOST_FILES], report.total)
    if report.sections:
        yield from _render_parts("Parts of the ELF files:", report.sections, report.total)


def _render_parts(title: str, parts: Sequence[Part], total: Part) -> Iterator[str]:
    yield f"  {title}"
    for part in parts:
        size, whole = (part.packed, total.packed) if part.packed else (part.size, total.size)
        packed = f" ({_name_size(part.packed)} packed)" if part.packed else ""
        yield f"    {100 * size / max(whole, 1):5.1f} %  {_name_size(part.size):>9}{packed}  {part.name}"


def _name_size(size: int) -> str:
    return f"{size / 1e6:.2f} MB" if size >= 10_000 else f"{size} B"
