"""The pyconfig.h of the recipes for CPython's headers: the answers of real Pythons, and of each kind of target."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from everywheel.toolchains.build_tools import ensure_tools

RECIPES = Path(__file__).parents[2] / "recipes"
# What a real pyconfig.h may have in addition, or with another value: what its interpreter was linked to, and how it was built.
OPTIONAL = re.compile(
    r"HAVE_(CURSES|RL_|NCURSES|PANEL|LIB(?!DL$)|GDBM|DB_H|FFI|UUID|BLUETOOTH|TERM_H|X509|ZLIB|BZLIB|LZMA|RPC|READLINE|EDITLINE"
    r"|CRYPT)\w*|MVWDELCH_IS_EXPRESSION|WINDOW_HAS_FLAGS|STRICT_SYSV_CURSES|_Py_(HACL|FFI|HAVE)_\w+|HAVE_DL_ITERATE_PHDR"
    r"|PY_(BUILTIN_HASHLIB|SQLITE|SUPPORT_TIER|SSL)\w*|(USE_COMPUTED_GOTOS|Py_RL_STARTUP_HOOK_TAKES_ARGS|WITH_DTRACE|Py_ENABLE_SHARED|WITH_VALGRIND)"
)
# glibc's features.h raises these after _GNU_SOURCE; whether it has been included differs.
RAISED = {"_POSIX_C_SOURCE", "_XOPEN_SOURCE"}
# Harmless: the header or the flag exists, but this version of configure does not set it in every build.
ADDED = {"_REENTRANT", "HAVE_MEMORY_H", "HAVE_GETHOSTBYNAME"}
# Not in every release of a version.
LATER = {"HAVE_LINUX_AUXVEC_H", "HAVE_LINUX_LIMITS_H", "HAVE_SEM_CLOCKWAIT", "HAVE_SYS_AUXV_H", "HAVE_TTYNAME"}


def _list_definitions(store: Path, header: Path, target: str) -> dict[str, str]:
    """Return the definitions in a header, as the preprocessor sees them for a target of zig."""
    tools = ensure_tools(store)
    cache = {name: str(store / "zig") for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")}
    command = [tools.zig, "cc", "-target", target, "-E", "-dM", "-x", "c", header]
    output = subprocess.run(command, env=os.environ | cache, check=True, capture_output=True, text=True).stdout
    names = set(re.findall(r"^#\s*define (\w+)", header.read_text(), re.MULTILINE))
    return {
        match[1]: match[2] for match in re.finditer(r"^#define (\w+) ?(.*)$", output, re.MULTILINE) if match[1] in names
    }


def _find_real(minor: int) -> Path | None:
    """Return the pyconfig.h of a Python on PATH or of pyenv, if it has one."""
    programs = [shutil.which(f"python3.{minor}"), *Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3.{minor}")]
    query = "import sysconfig; print(sysconfig.get_config_h_filename())"
    for program in filter(None, programs):
        result = subprocess.run([program, "-c", query], capture_output=True, text=True, check=False)
        path = Path(result.stdout.strip() or "missing")
        if path.is_file():
            return path
    return None


@pytest.mark.parametrize("minor", range(9, 15))
def test_the_definitions_are_those_of_a_real_python(shared_store: Path, minor: int) -> None:
    libc, version = platform.libc_ver()
    real = _find_real(minor)
    if real is None or libc != "glibc" or platform.machine() != "x86_64":
        pytest.skip(f"no python3.{minor} with headers, for x86_64 and glibc, is installed")
    target = f"x86_64-linux-gnu.{version}"

    expected = _list_definitions(shared_store, real, target)
    definitions = _list_definitions(shared_store, RECIPES / f"cpython-3.{minor}/overlay/Include/pyconfig.h", target)

    # An earlier release of the same version does not mention all names.
    mentioned = set(re.findall(r"#\s*(?:define|undef) (\w+)", real.read_text()))
    names = {name for name in mentioned if not OPTIONAL.fullmatch(name)} - RAISED - ADDED - LATER
    assert len(names) > 300
    assert {name: definitions.get(name) for name in names} == {name: expected.get(name) for name in names}


@pytest.mark.parametrize(
    ("target", "definitions", "missing"),
    [
        (
            "x86_64-linux-gnu.2.17",
            {"SIZEOF_LONG": "8", "SIZEOF_LONG_DOUBLE": "16", "HAVE_GCC_UINT128_T": "1"},
            {"HAVE_GETRANDOM", "HAVE_MEMFD_CREATE", "HAVE_CLOSE_RANGE", "HAVE_COPY_FILE_RANGE", "WORDS_BIGENDIAN"},
        ),
        (
            "x86_64-linux-gnu.2.28",
            {"HAVE_GETRANDOM": "1", "HAVE_MEMFD_CREATE": "1", "HAVE_COPY_FILE_RANGE": "1"},
            {"HAVE_CLOSE_RANGE"},
        ),
        (
            "x86-linux-gnu.2.17",
            {"SIZEOF_LONG": "4", "SIZEOF_TIME_T": "4", "SIZEOF_LONG_DOUBLE": "12", "HAVE_LARGEFILE_SUPPORT": "1"},
            {"HAVE_GCC_UINT128_T", "HAVE_GCC_ASM_FOR_X64"},
        ),
        (
            "arm-linux-musleabihf",
            {"SIZEOF_LONG": "4", "SIZEOF_TIME_T": "8", "SIZEOF_LONG_DOUBLE": "8", "HAVE_USABLE_WCHAR_T": "1"},
            {"HAVE_GCC_UINT128_T", "HAVE_GCC_ASM_FOR_X87", "SHM_NEEDS_LIBRT"},
        ),
        (
            "s390x-linux-gnu.2.17",
            {"WORDS_BIGENDIAN": "1", "DOUBLE_IS_BIG_ENDIAN_IEEE754": "1", "ALIGNOF_MAX_ALIGN_T": "8"},
            {"DOUBLE_IS_LITTLE_ENDIAN_IEEE754"},
        ),
        (
            "aarch64-linux-musl",
            {
                "HAVE_GETRANDOM": "1",
                "HAVE_DECL_RTLD_DEEPBIND": "0",
                "HAVE_SYS_EPOLL_H": "1",
                "SIZEOF_LONG_DOUBLE": "16",
            },
            {"HAVE_GCC_ASM_FOR_X64"},
        ),
        (
            "aarch64-macos.11.0",
            {"HAVE_KQUEUE": "1", "SIZEOF_LONG_DOUBLE": "8", "SIZEOF_FPOS_T": "8", "HAVE_SYS_EVENT_H": "1"},
            {"HAVE_EPOLL_CREATE1", "HAVE_SYS_EPOLL_H", "HAVE_GETRANDOM", "_XOPEN_SOURCE"},
        ),
    ],
)
def test_the_definitions_follow_the_target(
    shared_store: Path, target: str, definitions: dict[str, str], missing: set[str]
) -> None:
    actual = _list_definitions(shared_store, RECIPES / "cpython-3.13/overlay/Include/pyconfig.h", target)

    assert {name: actual.get(name) for name in definitions} == definitions
    assert missing & actual.keys() == set()


def test_only_the_headers_without_the_gil_disable_it(shared_store: Path) -> None:
    definitions, free_threaded = (
        _list_definitions(shared_store, RECIPES / name / "overlay/Include/pyconfig.h", "x86_64-linux-gnu.2.17")
        for name in ("cpython-3.14", "cpython-3.14t")
    )

    assert free_threaded == definitions | {"Py_GIL_DISABLED": "1"}
