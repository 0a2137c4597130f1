"""Availability: whether what a wheel for macOS takes from the system was there in the oldest macOS that its tag promises.

Linkers take whatever the newest system has. Since when it has a function stands in the system's headers alone, so every
symbol is named in a C file, and the compiler, told of the oldest system, says which ones are newer.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from everywheel.binaries.macho import UnreadableMacho, is_macho, read_macho
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
# What no macOS has. A compiler that does not say so of it says nothing of any symbol: it broke off, was told to be silent,
# or has headers that do not say since when anything is there.
_CANARY, _NEVER = "everywheel_in_no_macos", "99.0"
_MOST_LINES = 12


def check_availability(
    wheel: Wheel, target: Target, compiler: Path, *, what: str, folder: Path, environ: Mapping[str, str]
) -> None:
    """Raise BuildError when a file of the wheel takes a symbol from the system that the oldest macOS does not have.

    And when the compiler cannot be asked.
    Symbols that no header declares (Python's own, what compilers call by themselves) are not judged.
    """
    needs = _find_needs(wheel)
    every = {name for names in needs.values() for name in names}
    newer = find_newer(every, compiler, folder, environ, what=what)
    broken = {
        path: ", ".join(f"{name} (macOS {newer[name]})" for name in sorted(names & newer.keys()))
        for path, names in needs.items()
        if names & newer.keys()
    }
    if broken:
        raise BuildError(
            f"{what}: the wheel takes from the system what macOS {'.'.join(map(str, target.os_version))} does not have",
            details=broken,
            hint='a probe of a build system found it in the newest macOS: switch it off in the recipe, for `os = "darwin"`',
        )


def _find_needs(wheel: Wheel) -> dict[str, set[str]]:
    """Return for each Mach-O file the symbols, as C spells them, that nothing in the wheel defines."""
    needs: dict[str, set[str]] = {}
    own: set[str] = set()
    for path, file in wheel.files.items():
        if is_macho(path, file.data):
            try:
                images = read_macho(file.data).images
            except UnreadableMacho:
                continue  # the audit tells it
            # `fopen$DARWIN_EXTSN` is a variant of fopen, which is as old. What may be missing is asked for first.
            needs[path] = {s.partition("$")[0] for image in images for s in image.undefined if s not in image.weak}
            own |= {symbol for image in images for symbol in image.exports}
    return {path: names - own for path, names in needs.items()}


def find_newer(
    names: Iterable[str], compiler: Path, folder: Path, environ: Mapping[str, str], *, what: str
) -> dict[str, str]:
    """Return those of the symbols that are newer than the system that the compiler compiles for, and since when they are.

    Raises BuildError, with `what` in it, unless the same run tells the newest symbol of all, which comes last.
    """
    symbols = sorted(name for name in names if re.fullmatch(r"[A-Za-z_]\w*", name))
    source = folder / "availability.c"
    includes = "".join(f"#if __has_include(<{name}.h>)\n#include <{name}.h>\n#endif\n" for name in _HEADERS)
    macros = "".join(f"#undef {name}\n" for name in symbols)
    # With the headers' own macro: where that is empty, so is what they say of their functions.
    canary = f"#include <Availability.h>\nextern int {_CANARY} __API_AVAILABLE(macos({_NEVER}));\n"
    # Each in a declaration of its own, since a compiler that stumbles over one goes on behind the next semicolon.
    uses = "".join(
        f"const void *everywheel_need_{n} = (const void *)&{name};\n" for n, name in enumerate([*symbols, _CANARY])
    )
    source.write_text(f"{includes}{canary}{macros}{uses}")
    words = [str(compiler), "-fsyntax-only", "-ferror-limit=0", "-Werror=unguarded-availability", str(source)]
    try:
        result = run_command(words, cwd=folder, env=environ)
    except OSError as error:
        hint = "`everywheel doctor` says what this machine lacks"
        raise MachineError(f"{what}: cannot start {compiler}", details={"reason": error.strerror}, hint=hint) from None
    newer = {match["name"]: match["version"] for match in _NEWER.finditer(result.errors)}
    if newer.pop(_CANARY, None) != _NEVER:
        raise BuildError(
            f"{what}: the compiler does not say which symbols are newer than the oldest macOS",
            details={"command": shlex.join(words), "exit code": result.exit_code},
            excerpt=(result.output + result.errors).splitlines()[-_MOST_LINES:],
            hint="clang does, with Apple's headers; no flag may switch off -Wunguarded-availability",
        )
    return newer
