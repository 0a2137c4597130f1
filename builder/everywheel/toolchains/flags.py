"""Compiler and linker flags of every build: those of all targets, of an operating system, and of an optimization level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from everywheel.config.recipe import Optimize

COMPILE_FLAGS = ("-fPIC", "-ffunction-sections", "-fdata-sections")
NO_CXX_RUNTIME_FLAGS = ("-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics")
LEVELS: Mapping[Optimize, str] = MappingProxyType(
    {Optimize.SPEED: "-O3", Optimize.BALANCED: "-O2", Optimize.SIZE: "-Os"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFlags:
    """The flags of one operating system.

    `compile` and `link` are for every engine, `zig` for each call of zig's compilers, `native_link` for each link of the
    native engine.
    """

    link: tuple[str, ...]
    compile: tuple[str, ...] = ()
    zig: tuple[str, ...] = ()
    native_link: tuple[str, ...] = ()


# Every link has -O2: for each optimization level, zig would compile its compiler_rt again.
SYSTEM_FLAGS: Mapping[str, SystemFlags] = MappingProxyType(
    {
        "linux": SystemFlags(
            # Debuggers and debug servers find debug data by the build id, a hash of the linked file.
            link=(
                "-O2",
                "-Wl,--gc-sections",
                "-Wl,--as-needed",
                "-Wl,-z,relro",
                "-Wl,-z,now",
                "-Wl,--build-id=sha1",
                "-s",
            ),
            compile=("-fstack-protector-strong",),
            # Functions of glibc that check the size of what they write; the headers of musl have none. With the macro, headers
            # warn about ignored results, and the compiler about a project that defines it too, and about assembly files that
            # do not use it: none of these may end a build with -Werror.
            zig=(
                "-U_FORTIFY_SOURCE",
                "-D_FORTIFY_SOURCE=3",
                "-Wno-error=unused-result",
                "-Wno-error=macro-redefined",
                "-Wno-error=unused-command-line-argument",
            ),
        ),
        "darwin": SystemFlags(
            # Repair makes install names longer. The padding leaves space for them in the header.
            link=("-O2", "-Wl,-dead_strip", "-Wl,-dead_strip_dylibs", "-Wl,-headerpad_max_install_names", "-s"),
            # A function that is newer than the oldest supported macOS is an error, also in the probes of build systems.
            compile=("-Werror=unguarded-availability",),
        ),
        "windows": SystemFlags(
            link=("-O2", "-Wl,--gc-sections", "-s"),
            # Without -s, zig's objects contain the path of the build directory, even with -g0.
            zig=("-s",),
            # Windows does not include the DLLs of libgcc, libstdc++ and winpthread, the runtime libraries of MinGW.
            native_link=("-static",),
        ),
    }
)


def write_version_script(path: Path, exports: tuple[str, ...]) -> None:
    """Write a version script for the linker that exports only the symbols that match one of the patterns."""
    path.write_text("{ global: " + " ".join(f"{pattern};" for pattern in exports) + " local: *; };\n")
