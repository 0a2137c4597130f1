"""Check of the symbols that ELF files need: the wheel, the C library, a library of the policy or Python must export each.

Python loads modules with RTLD_NOW: one symbol that is not found, and the import fails.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from everywheel.audit.elf_search import find_loaded_files, find_search_paths
from everywheel.audit.python_api import PythonApi, is_python_symbol, list_python_apis
from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.elf import ElfFacts
from everywheel.platforms.linux_policy import Policy
from everywheel.platforms.symbol_lists import has_symbol, has_version, is_listed_library

_MAX_SYMBOLS = 8
# Libraries of the policies whose symbols all have versions: a symbol without a version is not one of theirs.
_VERSIONED = frozenset(("libstdc++.so.6", "libgcc_s.so.1", "libatomic.so.1", "libgomp.so.1", "libmvec.so.1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """How a file's required symbols were resolved for one policy.

    `missing` are those that nothing provides; `unverified` those that a library without a list, named in `trusted`, or a
    Python without a list may provide.
    """

    missing: tuple[str, ...]
    unverified: tuple[str, ...]
    trusted: tuple[str, ...]


def check_undefined_symbols(contents: WheelContents) -> Iterator[Finding]:
    """Find symbols that no library, no file of the wheel and no Python of the tags provides."""
    for path, policy, resolution in resolve_symbols(contents):
        if resolution.missing:
            shown = [_describe_symbol(symbol, path, contents) for symbol in resolution.missing[:_MAX_SYMBOLS]]
            rest = len(resolution.missing) - len(shown)
            count = "a symbol" if len(resolution.missing) == 1 else f"{len(resolution.missing)} symbols"
            yield Finding(
                check="undefined",
                file=path,
                message=f"needs {count} that neither the wheel, nor {policy.tag} systems, nor Python provide",
                evidence=(*shown, *([f"and {rest} more"] if rest else [])),
            )


def resolve_symbols(contents: WheelContents) -> Iterator[tuple[str, Policy, Resolution]]:
    """Yield how the symbols of each ELF file are resolved on the systems of each policy."""
    loaded = find_loaded_files(contents.elves, find_search_paths(contents))
    providers = find_providers(contents.elves)
    for path, elf in contents.elves.items():
        available = frozenset(
            symbol for symbol in elf.undefined if not loaded[path].inside.isdisjoint(providers.get(symbol, ()))
        )
        apis = None if elf.is_program else list_python_apis(contents, path)
        for policy in contents.strictest_policies:
            yield path, policy, _resolve(elf, available, loaded[path].outside, apis, policy)


def find_providers(elves: Mapping[str, ElfFacts]) -> Mapping[str, frozenset[str]]:
    """Return, for each symbol, the files of the wheel that export it."""
    providers = defaultdict(set)
    for path, elf in elves.items():
        for symbol in elf.exports:
            providers[symbol].add(path)
    return {symbol: frozenset(paths) for symbol, paths in providers.items()}


def _resolve(
    elf: ElfFacts, available: Set[str], outside: Set[str], apis: Sequence[PythonApi] | None, policy: Policy
) -> Resolution:
    """Resolve the symbols of a file; `available` are exported by the wheel's files, `outside` the libraries not in it.

    `apis` are the Pythons that load the file, None for a program.
    """
    needs = {symbol: need for need in elf.versions for symbol in need.symbols}
    trusted = sorted(name for name in outside if not _is_known(name, policy))
    unknown = not all(policy.provides(library) for library in trusted)  # is a finding of its own
    missing, unverified = [], []
    for symbol in sorted(set(elf.undefined) - available):
        need = needs.get(symbol)
        if need is not None and is_listed_library(need.library, policy):
            if not has_version(symbol, need.version, policy):
                missing.append(symbol)
        elif (need is not None and need.library in outside) or has_symbol(symbol, policy):
            continue
        elif apis is not None and is_python_symbol(symbol) and not unknown:
            if not all(api.provides(symbol) for api in apis):
                missing.append(symbol)
            elif any(api.symbols is None for api in apis):
                unverified.append(symbol)
        elif trusted:
            unverified.append(symbol)
        else:
            missing.append(symbol)
    return Resolution(missing=tuple(missing), unverified=tuple(unverified), trusted=tuple(trusted))


def _is_known(library: str, policy: Policy) -> bool:
    """Return whether a symbol without a version that is in no list cannot come from a library outside of the wheel."""
    return is_listed_library(library, policy) or (library in _VERSIONED and policy.provides(library))


def _describe_symbol(symbol: str, path: str, contents: WheelContents) -> str:
    """Return a symbol with its version, and with a file of the wheel that exports it, but is not loaded with this file."""
    elf = contents.elves[path]
    version = next((f"@{need.version}" for need in elf.versions if symbol in need.symbols), "")
    elsewhere = next((other for other, facts in contents.elves.items() if symbol in facts.exports), None)
    return f"{symbol}{version}" + (f" (in {elsewhere}, which is not loaded with this file)" if elsewhere else "")
