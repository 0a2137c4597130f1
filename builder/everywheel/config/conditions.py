"""Conditions: `when` of an override, glob patterns for facts of a target."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from everywheel.config.suggestions import find_similar, suggest
from everywheel.config.toml_reader import Table
from everywheel.config.toml_values import describe_type, quote_hint, render_value
from everywheel.errors import UsageError
from everywheel.platforms.architectures import ARCHES, find_machine_arch
from everywheel.platforms.other_names import find_system
from everywheel.platforms.target import OPERATING_SYSTEMS, Target

FACTS: Mapping[str, tuple[str, ...]] = {
    "os": tuple(OPERATING_SYSTEMS),
    "libc": ("glibc", "musl", ""),
    "arch": tuple(ARCHES),
    "endian": ("little", "big"),
}
"""The facts of every target (`Target.facts`), with their values; `libc` is empty except on Linux."""
_SEPARATORS = re.compile(r"[\s,|]+")


def load_conditions(table: Table, known: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Read `when` of an override; `known` are the values of each condition, none for one with values of another kind.

    Raises UsageError when there are no conditions, for an unknown one, and for conditions that no target meets.
    """
    globs = table.table("when", {})
    if not list(globs):
        raise UsageError(f"{table.location}: 'when' is missing", hint='add `when = { os = "linux" }`')
    when = {name: _load_glob(table, name, globs.value(name), known) for name in globs}
    tested = {name: glob for name, glob in when.items() if name in FACTS}
    if not any(all(fnmatchcase(facts[name], glob) for name, glob in tested.items()) for facts in _list_facts()):
        conditions = " and ".join(f"'{name}' = '{glob}'" for name, glob in tested.items())
        is_libc = "libc" in when and not fnmatchcase("linux", when.get("os", "linux"))
        raise UsageError(
            f"{table.location}: no target has {conditions}",
            hint="only Linux has a `libc`" if is_libc else "remove one of the conditions, or write a table for each",
        )
    return when


def _load_glob(table: Table, name: str, glob: object, known: Mapping[str, tuple[str, ...]]) -> str:
    if name not in known:
        close = find_similar(name, known)
        raise UsageError(
            f"{table.location}: unknown condition '{name}'",
            hint=f"did you mean '{close}'?" if close else f"known: {', '.join(known)}",
        )
    values = tuple(filter(None, known[name]))
    header = f"`[[{table.path}]]`"
    if not isinstance(glob, str):
        names = [item for item in glob if isinstance(item, str)] if isinstance(glob, list) else []
        raise UsageError(
            f"{table.location}: 'when.{name}' must be a string, not {describe_type(glob)}",
            details={"value": render_value(glob)},
            hint=_suggest_each(name, names, values, header) if names else quote_hint(glob),
        )
    if known[name] and not any(fnmatchcase(value, glob) for value in known[name]):
        raise UsageError(
            f"{table.location}: no target has '{name}' = '{glob}'", hint=_suggest_glob(name, glob, values, header)
        )
    return glob


def _suggest_glob(name: str, glob: str, values: tuple[str, ...], header: str) -> str:
    """Return a hint for a glob that matches no value."""
    excluded = glob.removeprefix("not ").lstrip("! ")
    if excluded != glob and excluded in values:
        others = {value for value in values if value != excluded}
        pattern = f"[!{excluded[0]}]*"
        if _match(pattern, values) == others:
            return f"write a pattern: `{pattern}` matches every value except '{excluded}'"
        return f"write one {header} for each of {', '.join(sorted(others))}"
    if len(parts := [part for part in _SEPARATORS.split(glob) if part]) > 1:
        return _suggest_each(name, parts, values, header)
    other = _find_alias(name, glob)
    return f"did you mean '{other}'?" if other in values else suggest(glob, values)


def _suggest_each(name: str, parts: list[str], values: tuple[str, ...], header: str) -> str:
    """Return a hint for several values: `when` has no lists, but a pattern may match them."""
    meant = [_find_alias(name, part) or part for part in parts]
    pattern = f"[{''.join(sorted({part[:1] for part in meant}))}]*"
    is_exact = len(meant) > 1 and _match(pattern, values) == set(meant)
    return f"write one {header} for each{f', or the pattern `{pattern}`' if is_exact else ''}"


def _find_alias(name: str, text: str) -> str:
    """Return the name of the operating system or the architecture that has another name, or an empty string."""
    if name == "os":
        return find_system(text)
    arch = find_machine_arch(text) if name == "arch" else None
    return arch.name if arch is not None else ""


def _match(pattern: str, values: tuple[str, ...]) -> set[str]:
    return {value for value in values if fnmatchcase(value, pattern)}


def _list_facts() -> Iterator[Mapping[str, str]]:
    """Yield the facts of every kind of target, also for architectures of a system that are not supported yet."""
    for os in OPERATING_SYSTEMS:
        for arch in ARCHES.values():
            for libc in ("glibc", "musl") if os == "linux" else ("",):
                yield Target(os=os, arch=arch, libc=libc).facts
