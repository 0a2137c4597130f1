"""What a finished binary must not have: executable memory, text relocations, small pages, debug data, stray exports."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from everywheel.audit.report import Finding
from everywheel.audit.sbom import Sbom
from everywheel.audit.wheel_contents import WheelContents
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.linux_policy import Policy

_SAFE_WITHOUT_HEADER = frozenset(arch.elf_machine for arch in ARCHES.values() if not arch.stack_is_executable)
_GRAFT_HASH = re.compile(r"^(?P<stem>[^.]+)-[0-9a-f]{8,64}(?P<rest>\..+)$")
_MOST_SYMBOLS = 8
_MITIGATIONS = ("DYNAMIC_BASE", "NX_COMPAT", "HIGH_ENTROPY_VA")  # linkers set all three unless told not to


def check_stack(content: WheelContents) -> Iterator[Finding]:
    """Find files that would make the whole process's stack executable."""
    for path, elf in content.elves.items():
        if elf.kind not in ("ET_DYN", "ET_EXEC"):
            continue
        if elf.stack == "rwx":
            yield Finding(
                check="stack", file=path, message="asks for an executable stack (PT_GNU_STACK has the flag X)"
            )
        elif elf.stack is None and elf.machine not in _SAFE_WITHOUT_HEADER:
            yield Finding(check="stack", file=path, message="has no PT_GNU_STACK, which means an executable stack")


def check_text_relocations(content: WheelContents) -> Iterator[Finding]:
    """Find files whose code the loader must write to: some systems refuse to load them."""
    for path, elf in content.elves.items():
        if elf.text_relocations:
            yield Finding(check="textrel", file=path, message="has text relocations: its code was not built with -fPIC")


def check_pages(content: WheelContents, policies: Sequence[Policy]) -> Iterator[Finding]:
    """Find files whose segments are aligned to less than the largest page of the architecture's kernels."""
    size = max((policy.arch.page_size for policy in policies), default=0)
    for path, elf in content.elves.items():
        if elf.page is not None and elf.page < size:
            message = f"segments are aligned to {elf.page} bytes; kernels of this architecture may have pages of {size}"
            yield Finding(check="pages", file=path, message=message)


def check_mitigations(content: WheelContents) -> Iterator[Finding]:
    """Find PE files that Windows would load at a fixed address, or with data that can be executed."""
    for path, pe in content.pes.items():
        wanted = [flag for flag in _MITIGATIONS if pe.bits == 64 or flag != "HIGH_ENTROPY_VA"]
        if lacking := [flag for flag in wanted if flag not in pe.flags]:
            message = f"does not let Windows protect it: its header lacks {' and '.join(lacking)}"
            yield Finding(check="mitigations", file=path, message=message)


def check_debug(content: WheelContents) -> Iterator[Finding]:
    """Find debug data, which a user downloads for nothing."""
    for path, binary in content.binaries.items():
        if binary.debug:
            message = f"carries {sum(binary.debug.values())} bytes of debug data"
            yield Finding(check="debug", file=path, message=message, evidence=tuple(binary.debug))


def check_exports(
    content: WheelContents, sbom: Sbom, exports: Mapping[str, Sequence[str]] | None
) -> tuple[list[Finding], list[str]]:
    """Find symbols that a file lets out and nothing allows; return the findings and the files that were checked.

    `exports` maps globs of file names, without the hash that a graft adds (`libvips.so.*`, `*.abi3.so`), to globs of
    symbols. Where it says nothing of a file, what the wheel's SBOM says counts; where that is silent too, the file is
    not checked.
    """
    findings, checked = [], []
    for path, binary in content.binaries.items():
        patterns = _allowed(path, path in content.modules, sbom, exports or {})
        if patterns is None:
            continue
        checked.append(path)
        leaked = [s for s in binary.exports if not any(fnmatchcase(s, pattern) for pattern in patterns)]
        if leaked:
            count = "1 symbol" if len(leaked) == 1 else f"{len(leaked)} symbols"
            message = f"lets out {count} besides {', '.join(patterns) or 'none'}"
            shown = [_name_owner(symbol, sbom) for symbol in leaked[:_MOST_SYMBOLS]]
            more = len(leaked) - len(shown)
            evidence = (*shown, *([f"and {more} more"] if more else []))
            findings.append(Finding(check="exports", file=path, message=message, evidence=evidence))
    return findings, checked


def _allowed(path: str, module: bool, sbom: Sbom, exports: Mapping[str, Sequence[str]]) -> tuple[str, ...] | None:
    name = drop_graft_hash(posixpath.basename(path))
    for file, patterns in exports.items():
        if fnmatchcase(name, file):
            return tuple(patterns)
    if module:
        return sbom.module_exports
    owner = sbom.owner(path)
    return owner.exports if owner else None


def drop_graft_hash(name: str) -> str:
    """Return a grafted library's name as it was: `libvips-1a2b3c4d.so.42` gives `libvips.so.42`."""
    match = _GRAFT_HASH.match(name)
    return f"{match['stem']}{match['rest']}" if match else name


def _name_owner(symbol: str, sbom: Sbom) -> str:
    owner = sbom.statically_linked_owner(symbol)
    return f"{symbol} (of {owner.name} {owner.version}, which is linked statically)" if owner else symbol
