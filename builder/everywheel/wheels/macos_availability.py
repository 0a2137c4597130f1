"""Availability of system symbols: whether the oldest macOS of a tag has every symbol that a wheel imports.

The linker accepts every symbol of the SDK; only the annotations in its headers state which version introduced a symbol.
Therefore a C file that refers to every symbol is compiled for the oldest system, and the compiler reports the newer ones.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from everywheel.binaries.macho import is_macho, read_macho
from everywheel.binaries.unreadable import UnreadableMacho
from everywheel.errors import BuildError, MachineError
from everywheel.execution.process import run_command
from everywheel.platforms.target import Target
from everywheel.wheels.wheel import Wheel

_HEADERS = (
    "aio",
    "arpa/inet",
    "assert",
    "complex",
    "copyfile",
    "crt_externs",
    "ctype",
    "dirent",
    "dispatch/dispatch",
    "dlfcn",
    "errno",
    "execinfo",
    "fcntl",
    "fenv",
    "fnmatch",
    "fts",
    "ftw",
    "getopt",
    "glob",
    "grp",
    "iconv",
    "ifaddrs",
    "inttypes",
    "langinfo",
    "libgen",
    "libkern/OSAtomic",
    "libproc",
    "locale",
    "mach-o/dyld",
    "mach-o/loader",
    "mach/mach",
    "mach/mach_time",
    "malloc/malloc",
    "math",
    "monetary",
    "net/if",
    "netdb",
    "netinet/in",
    "netinet/tcp",
    "os/lock",
    "os/log",
    "poll",
    "pthread",
    "pthread/qos",
    "pwd",
    "regex",
    "sched",
    "search",
    "semaphore",
    "setjmp",
    "signal",
    "spawn",
    "stdio",
    "stdlib",
    "string",
    "strings",
    "sys/attr",
    "sys/clonefile",
    "sys/event",
    "sys/file",
    "sys/ioctl",
    "sys/ipc",
    "sys/mman",
    "sys/mount",
    "sys/param",
    "sys/random",
    "sys/resource",
    "sys/select",
    "sys/sem",
    "sys/shm",
    "sys/socket",
    "sys/stat",
    "sys/statvfs",
    "sys/sysctl",
    "sys/time",
    "sys/times",
    "sys/ucred",
    "sys/uio",
    "sys/un",
    "sys/utsname",
    "sys/wait",
    "sys/xattr",
    "syslog",
    "termios",
    "time",
    "ulimit",
    "unistd",
    "utime",
    "utmpx",
    "uuid/uuid",
    "wchar",
    "wctype",
    "wordexp",
    "xlocale",
)
_NEWER = re.compile(r"error: '(?P<name>\w+)' is only available on macOS (?P<version>[\d.]+) or newer")
# A symbol that no macOS has. If the compiler does not report it, the check is void: the compiler stopped earlier, its
# warnings are disabled, or its headers have no availability annotations.
_CANARY, _NEVER = "everywheel_in_no_macos", "99.0"
_MAX_LINES = 12


def check_availability(
    wheel: Wheel, target: Target, compiler: Path, *, label: str, folder: Path, environ: Mapping[str, str]
) -> None:
    """Raise BuildError when a file of the wheel imports a symbol that the oldest macOS of the target does not have.

    Symbols that no header declares (those of Python and of the compiler's runtime) are not checked. `label` is the prefix
    of messages. Also raises the errors of `find_newer_symbols` when the check itself fails.
    """
    imported = _find_imported_symbols(wheel)
    symbols = {name for names in imported.values() for name in names}
    newer = find_newer_symbols(symbols, compiler, folder, environ, label=label)
    broken = {
        path: ", ".join(f"{name} (macOS {newer[name]})" for name in sorted(names & newer.keys()))
        for path, names in imported.items()
        if names & newer.keys()
    }
    if broken:
        raise BuildError(
            f"{label}: the wheel needs symbols that macOS {'.'.join(map(str, target.os_version))} does not have",
            details=broken,
            hint='a check of a build system detected them in the SDK: disable it in the recipe, for `os = "darwin"`',
        )


def _find_imported_symbols(wheel: Wheel) -> dict[str, set[str]]:
    """Return, by the path of the Mach-O file, the C names of the undefined symbols that no file of the wheel defines."""
    imported: dict[str, set[str]] = {}
    own: set[str] = set()
    for path, file in wheel.files.items():
        if is_macho(path, file.data):
            try:
                images = read_macho(file.data).images
            except UnreadableMacho:
                continue  # the audit reports it
            # `fopen$DARWIN_EXTSN` is a variant of fopen, of the same age. A weak symbol may be missing at run time.
            imported[path] = {s.partition("$")[0] for image in images for s in image.undefined if s not in image.weak}
            own |= {symbol for image in images for symbol in image.exports}
    return {path: names - own for path, names in imported.items()}


def find_newer_symbols(
    names: Iterable[str], compiler: Path, folder: Path, environ: Mapping[str, str], *, label: str
) -> dict[str, str]:
    """Return the symbols that are newer than the compiler's deployment target, with the macOS that introduced each.

    `label` is the prefix of messages. Raises BuildError when the compiler does not report a symbol that no macOS has, and
    MachineError when the compiler cannot be started.
    """
    symbols = sorted(name for name in names if re.fullmatch(r"[A-Za-z_]\w*", name))
    source = folder / "availability.c"
    includes = "".join(f"#if __has_include(<{name}.h>)\n#include <{name}.h>\n#endif\n" for name in _HEADERS)
    macros = "".join(f"#undef {name}\n" for name in symbols)
    # Annotated with the macro that the headers use: if it expands to nothing, their functions have no annotations either.
    canary = f"#include <Availability.h>\nextern int {_CANARY} __API_AVAILABLE(macos({_NEVER}));\n"
    # One declaration for each symbol: after an error, the compiler continues behind the next semicolon.
    uses = "".join(
        f"const void *everywheel_need_{n} = (const void *)&{name};\n" for n, name in enumerate([*symbols, _CANARY])
    )
    source.write_text(f"{includes}{canary}{macros}{uses}")
    command = [str(compiler), "-fsyntax-only", "-ferror-limit=0", "-Werror=unguarded-availability", str(source)]
    try:
        result = run_command(command, cwd=folder, env=environ)
    except OSError as error:
        hint = "`everywheel doctor` lists what is missing on this machine"
        raise MachineError(f"{label}: cannot start {compiler}", details={"reason": error.strerror}, hint=hint) from None
    newer = {match["name"]: match["version"] for match in _NEWER.finditer(result.errors)}
    if newer.pop(_CANARY, None) != _NEVER:
        raise BuildError(
            f"{label}: the compiler does not report symbols that are newer than the oldest macOS",
            details={"command": shlex.join(command), "exit code": result.exit_code},
            excerpt=(result.output + result.errors).splitlines()[-_MAX_LINES:],
            hint="use clang and Apple's headers, and no flag that disables -Wunguarded-availability",
        )
    return newer
