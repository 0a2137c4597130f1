"""The changes by which files would run on older systems: symbol by symbol, newest required version first."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from everywheel.explain.explanation import Platform
from everywheel.explain.requirements import Cause
from everywheel.explain.systems import judge
from everywheel.platforms.symbol_lists import load_libc_symbols
from everywheel.platforms.symbol_versions import version_key
from everywheel.platforms.tags import PlatformTag, TagFamily

# Floors of targets that are in use, the newest first.
_FLOORS = ((2, 39), (2, 35), (2, 34), (2, 31), (2, 28), (2, 17))
# Functions that code does not call by this name: headers, compilers and linkers replace another one by them.
_REPLACED = {
    "fcntl64": "fcntl in code with 64-bit file offsets",
    "stat": "stat, an inline function before",
    "stat64": "stat, an inline function before",
    "fstat": "fstat, an inline function before",
    "fstat64": "fstat, an inline function before",
    "lstat": "lstat, an inline function before",
    "lstat64": "lstat, an inline function before",
    "fstatat": "fstatat, an inline function before",
    "fstatat64": "fstatat, an inline function before",
    "mknod": "mknod, an inline function before",
    "mknodat": "mknodat, an inline function before",
    "_dl_find_object": "the unwinder of newer compilers",
    "__libc_single_threaded": "the reference counts of libstdc++ in newer headers",
    "__cxa_thread_atexit_impl": "destructors of thread-local objects in C++ and Rust",
    "GLIBC_ABI_DT_RELR": "packed relocations (link without -z pack-relative-relocs)",
}
_ISO_C23 = "__isoc23_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A symbol of a file that prevents an older system, and how to avoid it.

    `configure` is the result of the project's configuration that usually leads to it; empty if none does.
    """

    symbol: str
    file: str
    remedy: str
    configure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A required version with the changes that avoid it.

    `remaining` is what is required afterwards, `gains` are the releases that run the files then, and `target` is one for
    which a build avoids the version; empty if there is none.
    """

    version: str
    remaining: str
    gains: tuple[str, ...]
    target: str
    changes: tuple[Change, ...]


def list_steps(platform: Platform) -> tuple[Step, ...]:
    """Return what would have to change, from the newest required version of each family to the oldest.

    Versions that every release has are left out.
    """
    return tuple(step for family in _list_families(platform) for step in _list_family(platform, family))


def _list_families(platform: Platform) -> list[str]:
    known = {name for verdict in platform.verdicts for name, _ in verdict.distribution.versions}
    return [f for f in dict.fromkeys(cause.family for cause in platform.causes) if f in known]


def _list_family(platform: Platform, family: str) -> Iterator[Step]:
    rows = [verdict.distribution for verdict in platform.verdicts]
    oldest = min((version_key(row.version_of(family)) for row in rows if row.version_of(family)), default=())
    causes = [cause for cause in platform.causes if cause.family == family]
    for number in dict.fromkeys(cause.number for cause in causes):
        if version_key(number) <= oldest:
            continue
        causing = [cause for cause in causes if cause.number == number]
        after = [cause for cause in causes if cause.key < causing[0].key][:1]
        running = {v.distribution.name for v in judge(rows, platform.libc, causing, ()) if v.runs}
        gained = [v.distribution.name for v in judge(rows, platform.libc, after, ()) if v.runs]
        yield Step(
            version=causing[0].version,
            remaining=after[0].version if after else "",
            gains=tuple(name for name in gained if name not in running),
            target=_find_target(platform, family, version_key(number)),
            changes=tuple(_list_changes(causing, platform.arch)),
        )


def _find_target(platform: Platform, family: str, version: tuple[int, ...]) -> str:
    floors = [floor for floor in _FLOORS if floor < version] if family == "GLIBC" else []
    return PlatformTag.make(TagFamily.MANYLINUX, platform.arch, floors[0]).text if floors else ""


def _list_changes(causes: Sequence[Cause], arch: str) -> Iterator[Change]:
    for cause in causes:
        for symbol in cause.symbols or ("",):
            remedy, configure = _describe(symbol, cause, arch)
            yield Change(symbol=symbol, file=posixpath.basename(cause.file), remedy=remedy, configure=configure)


def _describe(symbol: str, cause: Cause, arch: str) -> tuple[str, str]:
    """Return how to avoid a symbol, and the configure result that usually leads to it."""
    if cause.family in ("GLIBCXX", "CXXABI"):
        return "link libstdc++ statically, or compile with an older compiler", ""
    if cause.family == "musl":
        return "avoid the function", _name_result(symbol)
    older = [version for version in load_libc_symbols("glibc", arch).get(symbol, ()) if version < cause.key]
    if older:
        number = ".".join(map(str, max(older)))
        return f"relink for an older target: glibc has an older version of it ({number})", ""
    if symbol in _REPLACED:
        return f"compile for an older target: it replaces {_REPLACED[symbol]}", ""
    if symbol.startswith(_ISO_C23):
        name = symbol.removeprefix(_ISO_C23)
        return f"compile for an older target: newer headers replace {name} by it", ""
    return "configure and compile for an older target, or do not call it", _name_result(symbol)


def _name_result(symbol: str) -> str:
    return f"HAVE_{symbol.upper()} (autoconf: ac_cv_func_{symbol}=no)" if symbol else ""
