"""Symbol check without an image: each symbol that a wheel needs from the C library, resolved against one version of it.

zig contains the symbol lists of each glibc since 2.17 and generates stub libraries from them. A small object that refers to
all symbols is linked against these stubs: a symbol that the linker reports as undefined is missing on such a system.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.audit.wheel_contents import read_wheel_contents
from everywheel.binaries.elf import ElfFacts
from everywheel.errors import EverywheelError
from everywheel.execution.process import run_command
from everywheel.platforms.symbol_versions import split_version, version_key
from everywheel.platforms.target import Target
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.engines import open_engine

_MISSING = re.compile(r"undefined symbol: (\S+)")
# Parts of glibc that became one library in 2.34; musl has always been one library.
_LIBRARIES = ("-lm", "-lpthread", "-ldl", "-lrt", "-lutil", "-lresolv")


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolCheck:
    """Result of a check as one sentence and as lines of evidence; `missing` are the symbols that do not resolve."""

    message: str
    evidence: tuple[str, ...]
    missing: tuple[str, ...]


def check_symbols(wheel: Path, target: Target, version: tuple[int, ...], tools: Tools, store: Store) -> SymbolCheck:
    """Resolve all symbols that a wheel's files need from the C library against one version of it.

    Raises EverywheelError when the wheel cannot be read, or the stub libraries cannot be linked.
    """
    content, findings = read_wheel_contents(wheel)
    if content is None:
        raise EverywheelError(f"{wheel.name}: {findings[0].message}")
    symbols = list_libc_symbols(content.elves.values())
    needs = [need for elf in content.elves.values() for need in elf.versions if need.version.startswith("GLIBC_")]
    newer = [
        f"{symbol} needs {need.version}"
        for need in needs
        if version_key(split_version(need.version)[1]) > version[:2]
        for symbol in need.symbols
    ]
    floor = replace(target, libc_version=(version[0], version[1])) if target.libc == "glibc" else target
    missing = tuple(sorted({*_find_missing(symbols, floor, tools, store), *newer}))
    name = f"{target.libc} {'.'.join(map(str, version))}"
    if missing:
        return SymbolCheck(
            message=f"{name} does not have {missing[0]}"
            + (f" and {len(missing) - 1} more" if len(missing) > 1 else ""),
            evidence=missing[:20],
            missing=missing,
        )
    highest = max((version_key(split_version(need.version)[1]) for need in needs), default=())
    newest = f", the newest of them from {'.'.join(map(str, highest))}" if highest else ""
    return SymbolCheck(
        message=f"all {len(symbols)} symbols resolve against {name}{newest}; not run",
        evidence=(f"linked with -target {floor.zig}", f"symbols: {', '.join(symbols)}"),
        missing=(),
    )


def list_libc_symbols(elves: Iterable[ElfFacts]) -> list[str]:
    """Return the undefined symbols of a wheel's files that neither another of its files nor Python exports."""
    files = list(elves)
    exported = {symbol for elf in files for symbol in elf.exports}
    needed = {symbol for elf in files for symbol in elf.undefined} - exported
    return sorted(symbol for symbol in needed if not symbol.startswith(("Py", "_Py")))


def _find_missing(symbols: list[str], floor: Target, tools: Tools, store: Store) -> list[str]:
    """Return those symbols that the stub libraries of a target do not export."""
    if not symbols:
        return []
    directive = ".quad" if floor.arch.bits == 64 else ".long"
    lines = ["\t.data", *(f"\t{directive} {symbol}" for symbol in symbols), '\t.section .note.GNU-stack,"",%progbits']
    dynamic = ["-dynamic"] if floor.libc == "musl" else []
    with open_engine(EngineName.ZIG, store, tools) as engine, TemporaryDirectory(dir=store.root / "tmp") as folder:
        engine.prime_cache(floor)
        source = Path(folder) / "symbols.s"
        source.write_text("\n".join(lines) + "\n")
        result = run_command(
            [
                tools.zig,
                "cc",
                "-target",
                floor.zig,
                *dynamic,
                "-O2",
                "-shared",
                "-Wl,-z,defs",
                source,
                "-o",
                Path(folder) / "out.so",
                *(_LIBRARIES if floor.libc == "glibc" else ()),
            ],
            env={**engine.compilers(floor).environment, "HOME": folder, "PATH": "/usr/bin:/bin"},
        )
    missing = _MISSING.findall(result.errors)
    if result.exit_code != 0 and not missing:
        raise EverywheelError("the stub libraries cannot be linked", excerpt=result.errors.splitlines()[:8])
    return missing
