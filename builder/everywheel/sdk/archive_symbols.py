"""Check of static archives: each symbol that one requires is in another one, or in the C library of the target.

Symbols of the C++ library are not missing, but a program must be linked to it, which the .pc files then name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from everywheel.errors import BuildError
from everywheel.platforms.linux_policy import load_policy
from everywheel.platforms.symbol_lists import has_symbol, is_macos_symbol
from everywheel.platforms.target import Target
from everywheel.sdk.contents import STATIC, Entry, SdkFacts, SdkFile, find_stem, list_archives
from everywheel.sdk.object_symbols import read_archive

CXX_LIBRARY = "-lc++"

_SHOWN = 5
_CXX = re.compile(r"_Z(N[KVO]*St|n[aw]|d[al]|St|T[ISTV]|GV|SSt)\w*|__cxa_\w+|__dynamic_cast|__gxx_personality_\w+")
# Functions of libgcc and of compiler_rt: every compiler links one of them.
_COMPILER = re.compile(
    r"__[a-z]*?(?:[hsdxtk]f|[sdt]i|[sdxt]c){1,2}\d?|__gnu_[fh]2[fh]_ieee|__(?:cpu|aarch64|aeabi|atomic|sync|gcc|emutls|chkstk|savegpr|restgpr)_?\w*|_Unwind_\w+"
    r"|__clear_cache|_?_tls_get_(?:addr|offset)|__is(?:Platform|OS)\w+|_(?:save|rest)\w*gpr\w*"
)
# Functions of libgcc that zig's compiler_rt does not have for Windows (lib/compiler_rt/clear_cache.zig).
_NOT_IN_ZIG = frozenset({"__clear_cache"})
# Symbols that the linker defines, and the functions of glibc that are in programs (libc_nonshared.a).
_LINKER = re.compile(
    r"_GLOBAL_OFFSET_TABLE_|__dso_handle|__ehdr_start|_DYNAMIC|_end|__(start|stop)_\w+|\.TOC\.|__tls_index|_tlv_bootstrap"
    r"|dyld_stub_binder|[lf]?stat(64)?|fstatat(64)?|mknod(at)?(64)?|atexit|at_quick_exit|pthread_atfork"
)
_TBD_SYMBOL = re.compile(rb"\b_(\w+)")


def check_archives(entries: Mapping[str, Entry], facts: SdkFacts) -> dict[str, str]:
    """Return the flags of the linker that archives need in addition to those of their .pc files, by module.

    Raises BuildError, which lists the symbols, when archives require symbols that nothing provides. There is no list of the
    symbols of Windows, so for it only the C++ library and what zig is known not to have are searched for.
    """
    archives = {name: read_archive(name, data) for name, data in list_archives(entries)}
    for recipe, stems in facts.archives.items():
        for stem in stems:
            if f"{STATIC}/lib{stem}.a" not in archives:
                raise BuildError(
                    f"the SDK of {facts.name} {facts.version} for {facts.target.tag} has no archive of {recipe}",
                    details={"file": f"{STATIC}/lib{stem}.a"},
                    hint="correct `libraries` in [products] of its recipe, or build it with `everywheel deps`",
                )
    defined = frozenset().union(*(symbols.defined for symbols in archives.values()))
    missing: dict[str, list[str]] = {}
    needs_cxx: set[str] = set()
    for name, symbols in archives.items():
        for symbol in sorted(symbols.required - defined):
            if _CXX.fullmatch(symbol):
                needs_cxx.add(name)
            elif not _is_provided(symbol, entries, facts.target):
                missing.setdefault(name, []).append(symbol)
    if missing:
        raise BuildError(
            f"the archives of {facts.name} {facts.version} for {facts.target.tag} require symbols that nothing provides",
            details={name: _shorten(symbols) for name, symbols in missing.items()},
            hint="build the sources that define them, or add the library that has them to `requires` of the recipe",
        )
    with_cxx = {find_stem(name) for name in needs_cxx}
    recipes = [recipe for recipe, names in facts.archives.items() if with_cxx.intersection(names)]
    return {module: CXX_LIBRARY for recipe in recipes for module in facts.modules[recipe]}


def _is_provided(symbol: str, entries: Mapping[str, Entry], target: Target) -> bool:
    if target.os == "windows":
        return symbol not in _NOT_IN_ZIG
    if _COMPILER.fullmatch(symbol) or _LINKER.fullmatch(symbol):
        return True
    if target.os == "darwin":
        return is_macos_symbol(symbol) or symbol in _list_stub_symbols(entries)
    policy = load_policy(target.tag)
    return policy is not None and has_symbol(symbol, policy)


def _list_stub_symbols(entries: Mapping[str, Entry]) -> frozenset[str]:
    """Return the symbols that stubs of the system's libraries (.tbd) name."""
    stubs = [entry.data for name, entry in entries.items() if name.endswith(".tbd") and isinstance(entry, SdkFile)]
    return frozenset(match[1].decode() for data in stubs for match in _TBD_SYMBOL.finditer(data))


def _shorten(symbols: Sequence[str]) -> str:
    rest = len(symbols) - _SHOWN
    return ", ".join(symbols[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
