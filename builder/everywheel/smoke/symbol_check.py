"""Floors that no image can show: every symbol that a wheel takes from the C library, looked up in that very version.

zig carries the symbol lists of every glibc from 2.17 on and makes stub libraries from them. A small object that names each
symbol is linked against the stubs of the floor: what the linker does not find, a system of that version does not have.
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

_MISSING = re.compile(r"undefined symbol: (\S+)")
# Where zig names the parts of glibc that later became one library; musl has all in one.
_LIBRARIES = ("-lm", "-lpthread", "-ldl", "-lrt", "-lutil", "-lresolv")


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolCheck:
    """What was looked up: `missing` are the symbols that the floor does not have."""

    words: str
    lines: tuple[str, ...]
    missing: tuple[str, ...]


def check_symbols(wheel: Path, target: Target, version: tuple[int, ...], tools: Tools, store: Store) -> SymbolCheck:
    """Look up, in one version of the C library, all symbols that a wheel's files take from it.

    Raises EverywheelError when the wheel cannot be read.
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
    missing = tuple(sorted({*_look_up(symbols, floor, tools, store), *newer}))
    name = f"{target.libc} {'.'.join(map(str, version))}"
    if missing:
        return SymbolCheck(
            words=f"{name} does not have {missing[0]}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else ""),
            lines=missing[:20],
            missing=missing,
        )
    highest = max((version_key(split_version(need.version)[1]) for need in needs), default=())
    newest = f", the newest of them from {'.'.join(map(str, highest))}" if highest else ""
    return SymbolCheck(
        words=f"all {len(symbols)} symbols resolve against {name}{newest}; nothing was run",
        lines=(f"linked with -target {floor.zig}", f"symbols: {', '.join(symbols)}"),
        missing=(),
    )


def list_libc_symbols(elves: Iterable[ElfFacts]) -> list[str]:
    """Return the symbols that a wheel's files take from the C library: what they need, less what they and Python give."""
    files = list(elves)
    given = {symbol for elf in files for symbol in elf.exports}
    needed = {symbol for elf in files for symbol in elf.undefined} - given
    return sorted(symbol for symbol in needed if not symbol.startswith(("Py", "_Py")))


def _look_up(symbols: list[str], floor: Target, tools: Tools, store: Store) -> list[str]:
    """Return those symbols that the stubs of a floor do not have."""
    if not symbols:
        return []
    word = ".quad" if floor.arch.bits == 64 else ".long"
    lines = ["\t.data", *(f"\t{word} {symbol}" for symbol in symbols), '\t.section .note.GNU-stack,"",%progbits']
    dynamic = ["-dynamic"] if floor.libc == "musl" else []
    cache = str(store.root / "zig")
    with TemporaryDirectory(dir=store.root / "tmp") as folder:
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
            env={"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache, "HOME": folder, "PATH": "/usr/bin:/bin"},
        )
    missing = _MISSING.findall(result.errors)
    if result.exit_code != 0 and not missing:
        raise EverywheelError("the stub libraries cannot be linked", excerpt=result.errors.splitlines()[:8])
    return missing
