"""The answers that configure scripts get instead of running their checks are those of the checks."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from everywheel.libraries.features import can_run
from everywheel.platforms.target import parse_target
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.configure_answers import (
    C_HEADERS,
    POSIX_FUNCTIONS,
    POSIX_HEADERS,
    RUN_ANSWERS,
    list_answers,
    size_types,
)
from everywheel.toolchains.list_symbols import list_symbols
from everywheel.toolchains.make_programs import write_make_programs
from everywheel.toolchains.toolchain import Toolchain
from everywheel.toolchains.toolchain_writer import write_toolchain
from everywheel.toolchains.zig import ZigEngine

TARGETS = ("manylinux2014_x86_64", "musllinux_1_2_aarch64", "manylinux_2_17_i686", "macosx_11_0_arm64", "win_amd64")
# Programs that exit with 0 if the answer is yes: what autoconf's own checks test, in the target's C library.
RUN_CHECKS = {
    "ac_cv_func_calloc_0_nonnull": "return !calloc(zero, zero);",
    "ac_cv_func_chown_works": 'return chown("file", -1, -1) != 0 || chown("file/", -1, -1) == 0;',
    "ac_cv_func_fork_works": (
        "pid_t p = fork(); if (p == 0) _exit(7); int s; return waitpid(p, &s, 0) != p || WEXITSTATUS(s) != 7;"
    ),
    "ac_cv_func_lstat_dereferences_slashed_symlink": 'struct stat s; return lstat("link/", &s) == 0;',
    "ac_cv_func_malloc_0_nonnull": "return !malloc(zero);",
    "ac_cv_func_memcmp_working": 'return memcmp("\\100", "\\200", 1 + zero) >= 0;',
    "ac_cv_func_mmap_fixed_mapped": (
        'int f = open("file", O_RDWR); char *p = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0); '
        "return mmap(p, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, f, 0) != p || *p != 't';"
    ),
    "ac_cv_func_strnlen_working": 'return strnlen("foobar", zero) != 0 || strnlen("foobar", zero + 3) != 3;',
    "ac_cv_func_strtod": 'char *e, *t = " +69"; return strtod(t, &e) != 69 || e != t + 4;',
}


@pytest.fixture(scope="module")
def engine(shared_store: Path, tmp_path_factory: pytest.TempPathFactory) -> ZigEngine:
    store = Store(shared_store)
    return ZigEngine(store=store, tools=ensure_tools(store.root), cache=tmp_path_factory.mktemp("cache"))


def prepare(engine: ZigEngine, tag: str, folder: Path) -> tuple[Toolchain, dict[str, str]]:
    """Write the toolchain of a target; return it with the environment of a configure script."""
    target = parse_target(tag)
    engine.prime_cache(target)
    toolchain = write_toolchain(target, engine.compilers(target), engine.tools, folder)
    return toolchain, {**toolchain.environment, **write_make_programs(toolchain, engine.tools, "-O2")}


def compile_and_link(text: str, folder: Path, environment: Mapping[str, str], *flags: str) -> Path:
    (folder / "check.c").write_text(text)
    for command in (["cc", *flags, "-c", "check.c", "-o", "check.o"], ["cc", "check.o", "-o", "check.exe"]):
        subprocess.run(command, cwd=folder, env=environment, check=True)
    return folder / "check.exe"


@pytest.mark.parametrize("tag", TARGETS)
def test_every_target_has_the_headers_functions_and_sizes_of_the_answers(
    engine: ZigEngine, tag: str, tmp_path: Path
) -> None:
    toolchain, environment = prepare(engine, tag, tmp_path)
    is_posix = toolchain.target.os != "windows"
    headers = [*C_HEADERS, *(POSIX_HEADERS if is_posix else ())]
    sizes = [
        f'_Static_assert(sizeof({name}) == {size}, "{name}");' for name, size in size_types(toolchain.target).items()
    ]
    order = "BIG" if list_answers(toolchain.target)["ac_cv_c_bigendian"] == "yes" else "LITTLE"
    functions = POSIX_FUNCTIONS if is_posix else ()
    # Autoconf declares each function as `char name()`, so that only its symbol is tested.
    declared = "".join(f"char {name}(void);\n" for name in functions)
    called = "".join(f"    result += {name}();\n" for name in functions)

    (tmp_path / "empty.c").write_text("")
    subprocess.run(["cc", "-c", "empty.c"], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / f"empty.{list_answers(toolchain.target)['ac_cv_objext']}").exists()
    compile_and_link(
        "\n".join([*(f"#include <{name}>" for name in headers), *sizes, "int main(void) { return 0; }"])
        + f'\n_Static_assert(__BYTE_ORDER__ == __ORDER_{order}_ENDIAN__, "");\n',
        tmp_path,
        environment,
    )
    program = compile_and_link(
        f"{declared}int main(void) {{\n    int result = 0;\n{called}    return result;\n}}\n",
        tmp_path,
        environment,
        "-fno-builtin",
        "-w",
    )

    assert program.exists()


def test_every_answer_to_a_check_that_runs_a_program_has_a_program() -> None:
    assert set(RUN_CHECKS) == set(RUN_ANSWERS)


def test_the_answers_to_checks_that_run_a_program_are_those_of_the_program(engine: ZigEngine, tmp_path: Path) -> None:
    toolchain, environment = prepare(engine, "manylinux2014_x86_64", tmp_path)
    if not can_run(toolchain.target):
        pytest.skip("this machine does not run the target's programs")
    (tmp_path / "file").write_text("text" * 2000)
    (tmp_path / "link").symlink_to("file")
    names = ("fcntl", "stdlib", "string", "sys/mman", "sys/stat", "sys/wait", "unistd")
    functions = "".join(f"static int {name}(void) {{ {body} }}\n" for name, body in RUN_CHECKS.items())
    cases = "".join(f'    printf("{name}=%s\\n", {name}() ? "no" : "yes");\n' for name in RUN_CHECKS)
    includes = "".join(f"#include <{name}.h>\n" for name in names)
    program = compile_and_link(
        f"#include <stdio.h>\n{includes}static volatile int zero;\n{functions}int main(void) {{\n{cases}}}\n",
        tmp_path,
        environment,
        "-D_GNU_SOURCE",
    )

    output = subprocess.run([program], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    assert dict(line.split("=") for line in output.splitlines()) == RUN_ANSWERS


@pytest.mark.parametrize("tag", TARGETS)
def test_the_symbols_of_an_object_and_of_an_archive_are_listed(engine: ZigEngine, tag: str, tmp_path: Path) -> None:
    _, environment = prepare(engine, tag, tmp_path)
    (tmp_path / "a.c").write_text(
        "extern int missing(void); int data = 1; int zeros[9]; const int constant = 2;\n"
        "static __attribute__((noinline)) int local(void) { return missing(); }\nint code(void) { return local() + data; }\n"
    )
    for command in (["cc", "-O0", "-c", "a.c", "-o", "a.o"], ["ar", "cr", "a.a", "a.o"]):
        subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    prefix = "_" if tag.startswith("macosx") else ""

    listed = {name.removeprefix(prefix): letter for _, letter, name in list_symbols((tmp_path / "a.o").read_bytes())}

    letters = {name: listed[name] for name in ("missing", "data", "code", "local")}
    assert letters == {"missing": "U", "data": "D", "code": "T", "local": "t"}
    assert list(list_symbols((tmp_path / "a.a").read_bytes())) == list(list_symbols((tmp_path / "a.o").read_bytes()))
    printed = subprocess.run(["nm", "a.a"], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    assert f" T {prefix}code\n" in printed.stdout
