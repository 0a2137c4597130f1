"""Checks of binaries of all formats: executable stack, text relocations, page size, mitigations, debug data, exports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache

from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.elf import ElfFacts
from everywheel.errors import count_noun
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.symbol_lists import load_libc_symbols

# The machines on which a file without a PT_GNU_STACK header does not make the stack executable.
_SAFE_WITHOUT_HEADER = frozenset(arch.elf_machine for arch in ARCHES.values() if not arch.stack_is_executable)
_STACK_PROTECTOR = frozenset(("__stack_chk_fail", "__stack_chk_guard", "__stack_chk_fail_local"))
_MAX_SYMBOLS = 8
_MITIGATIONS = ("DYNAMIC_BASE", "NX_COMPAT", "HIGH_ENTROPY_VA")  # linkers set all three by default


def is_stack_executable(elf: ElfFacts) -> bool:
    """Return whether a file makes the stack of the whole process executable."""
    return elf.stack == "rwx" or (elf.stack is None and elf.machine not in _SAFE_WITHOUT_HEADER)


def check_stack(contents: WheelContents) -> Iterator[Finding]:
    """Find ELF files that make the stack of the whole process executable."""
    for path, elf in contents.elves.items():
        if elf.kind not in ("ET_DYN", "ET_EXEC"):
            continue
        if elf.stack == "rwx":
            message = "requires an executable stack (PT_GNU_STACK has the flag X)"
            yield Finding(check="stack", file=path, message=message)
        elif elf.stack is None and elf.machine not in _SAFE_WITHOUT_HEADER:
            message = "has no PT_GNU_STACK header, which makes the stack executable"
            yield Finding(check="stack", file=path, message=message)


def check_hardening(contents: WheelContents) -> Iterator[Finding]:
    """Find libraries whose tables of relocations stay writable, which all linkers can prevent."""
    for path, elf in contents.elves.items():
        if elf.is_library and not elf.protections.relro:
            message = "has no read-only relocations (PT_GNU_RELRO is missing): link with -z relro -z now"
            yield Finding(check="hardening", file=path, message=message)


def has_stack_protector(elf: ElfFacts) -> bool:
    """Return whether functions of a file check their stack before they return.

    Compilers omit the checks from functions without arrays, so not every file of a protected build has them.
    """
    return not _STACK_PROTECTOR.isdisjoint((*elf.undefined, *elf.exports))


def count_fortified(elf: ElfFacts) -> tuple[int, int]:
    """Return how many imported functions of glibc are the checking variants, and how many are not but have one."""
    variants, required = _list_variants(), set(elf.undefined)
    return len(required & variants.keys()), len(required & set(variants.values()))


@cache
def _list_variants() -> Mapping[str, str]:
    """Return the functions of glibc by their checking variants: `__memcpy_chk` checks the sizes of `memcpy`."""
    symbols = load_libc_symbols("glibc", "x86_64")
    names = {symbol: symbol.removeprefix("__").removesuffix("_chk") for symbol in symbols if symbol.endswith("_chk")}
    return {variant: name for variant, name in names.items() if name in symbols}


def has_branch_protection(elf: ElfFacts) -> bool:
    """Return whether all code of a file supports a protection of branches or return addresses: CET on x86-64, BTI on arm64."""
    return bool(elf.protections.branches)


def check_text_relocations(contents: WheelContents) -> Iterator[Finding]:
    """Find ELF files whose code the loader must write to; hardened systems refuse to load them."""
    for path, elf in contents.elves.items():
        if elf.text_relocations:
            message = "has text relocations: its code was not built with -fPIC"
            yield Finding(check="textrel", file=path, message=message)


def check_page_size(contents: WheelContents) -> Iterator[Finding]:
    """Find ELF files whose segments are aligned to less than the largest page size of the architecture."""
    size = max((policy.arch.page_size for policy in contents.linux_policies), default=0)
    for path, elf in contents.elves.items():
        if elf.page is not None and elf.page < size:
            message = (
                f"segments are aligned to {elf.page} bytes; kernels of this architecture may use {size}-byte pages"
            )
            yield Finding(check="pages", file=path, message=message)


def check_mitigations(contents: WheelContents) -> Iterator[Finding]:
    """Find PE files that Windows would load at a fixed address, or with executable data."""
    for path, pe in contents.pes.items():
        required = [flag for flag in _MITIGATIONS if pe.bits == 64 or flag != "HIGH_ENTROPY_VA"]
        if missing := [flag for flag in required if flag not in pe.flags]:
            message = f"the PE header does not enable the protections {' and '.join(missing)}"
            yield Finding(check="mitigations", file=path, message=message)


def check_debug(contents: WheelContents) -> Iterator[Finding]:
    """Find debug data, which makes downloads larger and is not used at run time."""
    for path, binary in contents.binaries.items():
        if binary.debug:
            message = f"contains {sum(binary.debug.values())} bytes of debug data"
            yield Finding(check="debug", file=path, message=message, evidence=tuple(binary.debug))


def check_exports(contents: WheelContents) -> Iterator[Finding]:
    """Find exported symbols that the wheel's SBOM does not declare; files without a declaration are not checked."""
    for path, patterns in find_declared_exports(contents).items():
        exports = contents.binaries[path].exports
        undeclared = [s for s in exports if not any(fnmatchcase(s, pattern) for pattern in patterns)]
        if undeclared:
            count = count_noun(len(undeclared), "symbol")
            message = f"exports {count} that the recipe does not declare (declared: {', '.join(patterns) or 'none'})"
            shown = [_describe_symbol(symbol, contents) for symbol in undeclared[:_MAX_SYMBOLS]]
            rest = len(undeclared) - len(shown)
            evidence = (*shown, *([f"and {rest} more"] if rest else []))
            yield Finding(check="exports", file=path, message=message, evidence=evidence)


def find_declared_exports(contents: WheelContents) -> dict[str, tuple[str, ...]]:
    """Return, for each compiled file with a declaration in the SBOM, the globs of the symbols that it may export."""
    declared = {}
    modules = contents.modules
    for path in contents.binaries:
        owner = contents.sbom.owner(path)
        patterns = contents.sbom.module_exports if path in modules else owner.exports if owner else None
        if patterns is not None:
            declared[path] = patterns
    return declared


def _describe_symbol(symbol: str, contents: WheelContents) -> str:
    owner = contents.sbom.statically_linked_owner(symbol)
    return f"{symbol} (from {owner.title}, which is linked statically)" if owner else symbol
