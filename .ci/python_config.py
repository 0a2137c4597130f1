#!/usr/bin/env python3
"""Write the pyconfig.h of the recipes for CPython's headers: the answers of its `configure` for every Unix target.

`python_config.py ZIG_LIB SOURCE RECIPE...` writes `overlay/Include/pyconfig.h` of each recipe: ZIG_LIB is the directory
`lib` of a zig, SOURCE the unpacked source of the recipe's CPython, whose pyconfig.h.in lists the definitions. Functions are
looked up in the lists of symbols in builder/everywheel/platforms/lists/, headers in zig's folders; the tables below have the
other answers. Run it for each new CPython and read the difference; tests/recipes/test_python_config.py compares the result
with the pyconfig.h of real Pythons.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from everywheel.config.recipe_loader import load_recipe
from everywheel.platforms.symbol_lists import is_macos_symbol, load_libc_symbols

# The conditions of the preprocessor for a group of definitions.
ANY, LINUX, GLIBC, MUSL, MACOS = (
    "",
    "defined(__linux__)",
    "defined(__GLIBC__)",
    "defined(__linux__) && !defined(__GLIBC__)",
    "defined(__APPLE__)",
)
FEATURES = (  # select declarations, so they come before the first #include
    *("_ALL_SOURCE", "_DARWIN_C_SOURCE", "_GNU_SOURCE", "_HPUX_ALT_XOPEN_SOCKET_API", "_LARGEFILE_SOURCE"),
    *("_NETBSD_SOURCE", "_OPENBSD_SOURCE", "_POSIX_PTHREAD_SEMANTICS", "_TANDEM_SOURCE", "_XOPEN_SOURCE_EXTENDED"),
    *("__BSD_VISIBLE", "__EXTENSIONS__", "__STDC_WANT_IEC_60559_ATTRIBS_EXT__", "__STDC_WANT_IEC_60559_BFP_EXT__"),
    *("__STDC_WANT_IEC_60559_DFP_EXT__", "__STDC_WANT_IEC_60559_EXT__", "__STDC_WANT_IEC_60559_FUNCS_EXT__"),
    *("__STDC_WANT_IEC_60559_TYPES_EXT__", "__STDC_WANT_LIB_EXT2__", "__STDC_WANT_MATH_SPEC_FUNCS__"),
)
# In libc_nonshared.a of every glibc, or macros and inline functions of its headers.
STATIC = frozenset(("atexit", "fstatat", "lstat", "mknod", "mknodat", "stat", "fstat", "pthread_atfork"))
# Names that are not functions on a system that exports the symbol, or that configure does not accept there.
OLD_HEADERS = frozenset(("HAVE_SYS_DIR_H", "HAVE_SYS_NDIR_H", "HAVE_NDIR_H"))  # only where there is no dirent.h
# Functions that configure does not accept although a library exports the symbol, by system.
REFUSED: Mapping[str, frozenset[str]] = {
    GLIBC: frozenset(("chflags", "lchmod")),  # stubs that always fail
    MUSL: frozenset(("lchmod",)),
    MACOS: frozenset(("mkfifoat", "mknodat", "preadv", "pwritev")),  # newer than macOS 10.15
}
OTHER: Mapping[str, Mapping[str, str]] = {
    ANY: {
        **dict.fromkeys(
            (
                *("ENABLE_IPV6", "HAVE_ADDRINFO", "HAVE_BUILTIN_ATOMIC", "HAVE_CLOCK_T", "HAVE_COMPUTED_GOTOS"),
                *("HAVE_DECL_ISFINITE", "HAVE_DECL_ISINF", "HAVE_DECL_ISNAN", "HAVE_DECL_RTLD_GLOBAL"),
                *("HAVE_DECL_RTLD_LAZY", "HAVE_DECL_RTLD_LOCAL", "HAVE_DECL_RTLD_NODELETE", "HAVE_DECL_RTLD_NOLOAD"),
                *(
                    "HAVE_DECL_RTLD_NOW",
                    "HAVE_DEVICE_MACROS",
                    "HAVE_DEV_PTMX",
                    "HAVE_DIRENT_D_TYPE",
                    "HAVE_DYNAMIC_LOADING",
                ),
                *("HAVE_GETADDRINFO", "HAVE_GETC_UNLOCKED", "HAVE_LIBDL", "HAVE_LONG_DOUBLE", "HAVE_MAKEDEV"),
                *(
                    "HAVE_PROTOTYPES",
                    "HAVE_SIGINFO_T_SI_BAND",
                    "HAVE_SOCKADDR_STORAGE",
                    "HAVE_SOCKLEN_T",
                    "HAVE_SSIZE_T",
                ),
                *(
                    "HAVE_STDARG_PROTOTYPES",
                    "HAVE_STD_ATOMIC",
                    "HAVE_STRUCT_PASSWD_PW_GECOS",
                    "HAVE_STRUCT_PASSWD_PW_PASSWD",
                ),
                *("HAVE_STRUCT_STAT_ST_BLKSIZE", "HAVE_STRUCT_STAT_ST_BLOCKS", "HAVE_STRUCT_STAT_ST_RDEV"),
                *("HAVE_STRUCT_TM_TM_ZONE", "HAVE_TM_ZONE", "HAVE_WCHAR_H", "HAVE_WORKING_TZSET"),
                *("PTHREAD_SYSTEM_SCHED_SUPPORTED", "PY_COERCE_C_LOCALE", "PY_SSL_DEFAULT_CIPHERS", "Py_REMOTE_DEBUG"),
                *("STDC_HEADERS", "SYS_SELECT_WITH_SYS_TIME", "TIME_WITH_SYS_TIME", "WITH_DECIMAL_CONTEXTVAR"),
                *("WITH_DOC_STRINGS", "WITH_FREELISTS", "WITH_MIMALLOC", "WITH_PYMALLOC", "_Py_STACK_GROWS_DOWN"),
                *("_REENTRANT", "SIZEOF__BOOL"),
            ),
            "1",
        ),
        "HAVE_DECL_RTLD_MEMBER": "0",
        "PY_FORMAT_SIZE_T": '"z"',
        "RETSIGTYPE": "void",
        "_PYTHONFRAMEWORK": '""',
        "SIZEOF_SHORT": "2",
        "SIZEOF_INT": "4",
        "SIZEOF_LONG_LONG": "8",
        "SIZEOF_FLOAT": "4",
        "SIZEOF_DOUBLE": "8",
        "SIZEOF_WCHAR_T": "4",
        "SIZEOF_PID_T": "4",
        "SIZEOF_OFF_T": "8",
    },
    LINUX: {
        **dict.fromkeys(
            (
                *(
                    "HAVE_EPOLL",
                    "HAVE_DECL_UT_NAMESIZE",
                    "HAVE_UT_NAMESIZE",
                    "HAVE_GETHOSTBYNAME_R",
                    "HAVE_GETHOSTBYNAME_R_6_ARG",
                ),
                *("HAVE_GETRANDOM_SYSCALL", "HAVE_HTOLE64", "HAVE_LINUX_CAN_RAW_FD_FRAMES", "HAVE_SOCKADDR_ALG"),
                *("HAVE_LINUX_CAN_RAW_JOIN_FILTERS", "HAVE_STAT_TV_NSEC", "MAJOR_IN_SYSMACROS"),
                "PTHREAD_KEY_T_IS_COMPATIBLE_WITH_INT",
            ),
            "1",
        ),
        "SIZEOF_PTHREAD_KEY_T": "4",
        "SIZEOF_FPOS_T": "16",
        "_PYTHREAD_NAME_MAXLEN": "15",
    },
    GLIBC: {"HAVE_DECL_RTLD_DEEPBIND": "1"},
    f"{GLIBC} && __GLIBC_MINOR__ >= 25": {"HAVE_GETRANDOM": "1"},
    f"{GLIBC} && __GLIBC_MINOR__ < 34": {"SHM_NEEDS_LIBRT": "1"},
    MUSL: {"HAVE_DECL_RTLD_DEEPBIND": "0", "HAVE_GETRANDOM": "1"},
    MACOS: {
        **dict.fromkeys(
            (
                *(
                    "HAVE_BROKEN_SEM_GETVALUE",
                    "HAVE_SOCKADDR_SA_LEN",
                    "HAVE_STAT_TV_NSEC2",
                    "HAVE_STRUCT_STAT_ST_BIRTHTIME",
                ),
                *("HAVE_STRUCT_STAT_ST_FLAGS", "HAVE_STRUCT_STAT_ST_GEN"),
            ),
            "1",
        ),
        "HAVE_DECL_RTLD_DEEPBIND": "0",
        "SIZEOF_PTHREAD_KEY_T": "8",
        "SIZEOF_FPOS_T": "8",
        "_PYTHREAD_NAME_MAXLEN": "63",
    },
    # The processor, by the compiler's macros.
    "__SIZEOF_POINTER__ == 8": dict.fromkeys(
        (
            *("SIZEOF_LONG", "SIZEOF_SIZE_T", "SIZEOF_VOID_P", "SIZEOF_UINTPTR_T", "SIZEOF_PTHREAD_T"),
            *("ALIGNOF_LONG", "ALIGNOF_SIZE_T"),
        ),
        "8",
    ),
    "__SIZEOF_POINTER__ == 4": {
        **dict.fromkeys(("SIZEOF_LONG", "SIZEOF_SIZE_T", "SIZEOF_VOID_P", "SIZEOF_UINTPTR_T", "SIZEOF_PTHREAD_T"), "4"),
        "ALIGNOF_LONG": "4",
        "ALIGNOF_SIZE_T": "4",
        "HAVE_LARGEFILE_SUPPORT": "1",
    },
    f"__SIZEOF_POINTER__ == 8 || ({MUSL})": {"SIZEOF_TIME_T": "8"},
    f"__SIZEOF_POINTER__ == 4 && {GLIBC}": {"SIZEOF_TIME_T": "4"},
    **{f"__SIZEOF_LONG_DOUBLE__ == {size}": {"SIZEOF_LONG_DOUBLE": str(size)} for size in (8, 12, 16)},
    **{f"__BIGGEST_ALIGNMENT__ == {size}": {"ALIGNOF_MAX_ALIGN_T": str(size)} for size in (8, 16)},
    "__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__": {"WORDS_BIGENDIAN": "1", "DOUBLE_IS_BIG_ENDIAN_IEEE754": "1"},
    "__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__": {"DOUBLE_IS_LITTLE_ENDIAN_IEEE754": "1"},
    "defined(__SIZEOF_INT128__)": {"HAVE_GCC_UINT128_T": "1", "HAVE___UINT128_T": "1"},
    "defined(__x86_64__)": {"HAVE_GCC_ASM_FOR_X64": "1"},
    "defined(__x86_64__) || defined(__i386__)": {"HAVE_GCC_ASM_FOR_X87": "1"},
    f"{LINUX} && (defined(__x86_64__) || defined(__aarch64__))": {"PY_HAVE_PERF_TRAMPOLINE": "1"},
    "defined(__WCHAR_UNSIGNED__)": {"HAVE_USABLE_WCHAR_T": "1"},
    "__FLT_EVAL_METHOD__ == 2": {"X87_DOUBLE_ROUNDING": "1"},
}
START = """/* The answers of the configure of CPython {version} for every Unix target, by .ci/python_config.py.

   Functions depend on the glibc floor, sizes on the processor. Definitions about optional libraries of the interpreter, such
   as readline and curses, and about its own build are omitted: they describe nothing that an extension is linked to. */
#ifndef Py_PYCONFIG_H
#define Py_PYCONFIG_H
"""
END = "\n#endif\n"


def list_definitions(template: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, kind (`function`, `header` or `other`) and the subject of each definition in pyconfig.h.in."""
    comments = {
        name: " ".join(comment.split())
        for comment, name in re.findall(r"/\*((?:[^*]|\*(?!/))*)\*/\s*#\s*(?:undef|ifndef)\s+(\w+)", template)
    }
    for name in dict.fromkeys(re.findall(r"#\s*(?:undef|define)\s+(\w+)", template)):
        comment = comments.get(name, "")
        if match := re.search(r"if you have the ['`](\w+)' function", comment):
            yield name, "function", match[1]
        elif (match := re.search(r"if you have the <([^>]+)> header", comment)) and name not in OLD_HEADERS:
            yield name, "header", match[1]
        else:
            yield name, "other", ""


def find_function(name: str) -> Iterator[str]:
    """Yield the conditions under which a function exists."""
    versions = load_libc_symbols("glibc", "x86_64").get(name)
    first = (2, 17) if name in STATIC else min(versions) if versions else None
    glibc = None if first is None or name in REFUSED[GLIBC] else first
    musl = name in load_libc_symbols("musl", "x86_64") and name not in REFUSED[MUSL]
    old = glibc is not None and glibc <= (2, 17)
    macos = is_macos_symbol(name) and name not in REFUSED[MACOS]
    if old and musl and macos:
        yield ANY
        return
    if old and musl:
        yield LINUX
    elif glibc is not None:
        yield GLIBC if old else f"{GLIBC} && __GLIBC_MINOR__ >= {glibc[1]}"
    if musl and not old:
        yield MUSL
    if macos:
        yield MACOS


def find_header(name: str, include: Path) -> Iterator[str]:
    """Yield the conditions under which a header of the C library or the kernel exists."""
    folders = {
        GLIBC: ("generic-glibc", "any-linux-any"),
        MUSL: ("generic-musl", "any-linux-any"),
        MACOS: ("any-darwin-any",),
    }
    compiler = include.parents[1] / "include" / name
    present = [
        condition
        for condition, names in folders.items()
        if compiler.exists() or any((include / folder / name).exists() for folder in names)
    ]
    if len(present) == 3:
        yield ANY
    elif present[:2] == [GLIBC, MUSL]:
        yield LINUX
    else:
        yield from present


def write_config(template: str, include: Path, version: str, extra: str) -> str:
    """Return the text of pyconfig.h for one CPython."""
    groups: dict[str, dict[str, str]] = {condition: {} for condition in OTHER} | {ANY: {}, LINUX: {}}
    names = [name for name, _, _ in list_definitions(template)]
    for name, kind, subject in list_definitions(template):
        other = {condition: table[name] for condition, table in OTHER.items() if name in table}
        conditions = other or dict.fromkeys(
            find_function(subject) if kind == "function" else find_header(subject, include) if kind == "header" else (),
            "1",
        )
        for condition, value in conditions.items():
            groups.setdefault(condition, {})[name] = value
    text = [START.format(version=version), extra]
    text += [f"#ifndef {name}\n#define {name} 1\n#endif\n" for name in FEATURES if name in names]
    text.append("#define _FILE_OFFSET_BITS 64\n\n#ifdef __linux__\n#define _XOPEN_SOURCE 700\n")
    text.append("#define _POSIX_C_SOURCE 200809L\n#include <features.h>\n#endif\n")
    for condition, table in groups.items():
        lines = "".join(f"#define {name} {value}\n" for name, value in sorted(table.items()))
        if lines:
            text.append(f"\n#if {condition}\n{lines}#endif\n" if condition else f"\n{lines}")
    return "".join([*text, END])


def main(zig: Path, source: Path, *folders: Path) -> None:
    """Write the pyconfig.h of the recipes in `folders` from the source of their CPython."""
    template = (source / "pyconfig.h.in").read_text(encoding="utf-8")
    for folder in folders:
        version = load_recipe(folder / "recipe.toml").version
        extra = "\n#define Py_GIL_DISABLED 1\n\n" if folder.name.endswith("t") else "\n"
        text = write_config(template, zig / "libc/include", version, extra)
        destination = folder / "overlay/Include/pyconfig.h"
        destination.parent.mkdir(parents=True, exist_ok=True)
        destination.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
