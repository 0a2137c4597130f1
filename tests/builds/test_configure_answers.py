"""The answers that configure scripts get instead of running their checks are those of the checks."""

from __future__ import annotations

import os
import re
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

# What the answers to the checks of compilers state: C11 without an option, GNU C, and no header of Minix.
COMPILER_CHECKS = """
#include <stdarg.h>
#include <sys/time.h>
#include <time.h>
#if !defined __GNUC__ || __has_include(<minix/config.h>) || __STDC_VERSION__ < 201112L
#error
#endif
_Static_assert(_Generic(1, int: 1, default: 0), "");
static inline int count(const char *__restrict__ text, ...) {
    va_list first, second;
    va_start(first, text);
    va_copy(second, first);
    va_end(second);
    va_end(first);
    for (int i = 0; i < 2; i++) if (text[i] == 0) return i;
    return 2;
}
volatile const int some_variable = 1;
int some_function(void) { return count("a") + some_variable; }
"""
# The variables that the test of compilers and programs below covers, those of macOS, and those that state no fact.
COMPILER_ANSWERS = {
    "ac_cv_c_const": "yes",
    "ac_cv_c_inline": "inline",
    "ac_cv_c_restrict": "__restrict__",
    "ac_cv_c_volatile": "yes",
    "ac_cv_c_compiler_gnu": "yes",
    "ac_cv_cxx_compiler_gnu": "yes",
    "ac_cv_header_stdc": "yes",
    "ac_cv_header_time": "yes",
    "ac_cv_header_minix_config_h": "no",
    "ac_cv_prog_cc_c_o": "yes",
    "ac_cv_prog_cc_g": "yes",
    "ac_cv_prog_cxx_g": "yes",
    "ac_cv_prog_cc_c11": "",
    "ac_cv_prog_cc_c99": "",
    "ac_cv_prog_cc_c89": "",
    "am_cv_prog_cc_c_o": "yes",
    "lt_cv_sys_max_cmd_len": "98304",
    "lt_cv_ld_reload_flag": "-r",
    "lt_cv_nm_interface": "BSD nm",
    "lt_cv_path_NM": "nm",
    "lt_cv_path_LD": "ld",
    "lt_cv_deplibs_check_method": "pass_all",
    "lt_cv_prog_compiler_static_works": "no",
    "lt_cv_prog_compiler_static_works_CXX": "no",
    "lt_cv_apple_cc_single_mod": "yes",
    "lt_cv_ld_force_load": "yes",
}
OTHER_ANSWERS = ("ac_cv_c_bigendian", "ac_cv_exeext", "ac_cv_objext", "lt_cv_prog_gnu_ld", "lt_cv_prog_gnu_ldcxx")


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
    static = [flag for flag in flags if flag == "-static"]
    for command in (["cc", *flags, "-c", "check.c", "-o", "check.o"], ["cc", *static, "check.o", "-o", "check.exe"]):
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


@pytest.mark.parametrize("tag", TARGETS)
def test_the_compilers_and_programs_are_as_the_answers_state(engine: ZigEngine, tag: str, tmp_path: Path) -> None:
    toolchain, environment = prepare(engine, tag, tmp_path)
    answers = list_answers(toolchain.target)

    def run(*command: str) -> str:
        process = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)
        assert process.returncode == 0, process.stderr
        return process.stdout

    assert {name: answers[name] for name in COMPILER_ANSWERS} == COMPILER_ANSWERS
    (tmp_path / "a.c").write_text(COMPILER_CHECKS)
    (tmp_path / "b.c").write_text("int some_function(void); int main(void) { return some_function(); }\n")
    (tmp_path / "a.cc").write_text("#ifndef __GNUC__\n#error\n#endif\n")
    run("cc", "-g", "-Werror", "-c", "a.c", "-o", "other.o")
    run("c++", "-g", "-c", "a.cc", "-o", "cxx.o")
    assert run(answers["lt_cv_path_NM"], "other.o").count(" some_") + run("nm", "other.o").count(" _some_") == 2
    assert ("GNU" in run(answers["lt_cv_path_LD"], "-v")) == (answers["lt_cv_prog_gnu_ld"] == "yes")
    assert answers["lt_cv_prog_gnu_ldcxx"] == answers["lt_cv_prog_gnu_ld"]
    assert os.sysconf("SC_ARG_MAX") > int(answers["lt_cv_sys_max_cmd_len"])
    if toolchain.target.os != "windows":
        run("ld", answers["lt_cv_ld_reload_flag"], "-o", "both.o", "other.o", "cxx.o")
        assert "some_function" in run("nm", "both.o")
    if toolchain.target.os == "darwin":
        run("ar", "cr", "liba.a", "other.o")
        run("cc", "-o", "program", "b.c", "-Wl,-force_load,./liba.a")
        run("cc", "-o", "liba.dylib", "-dynamiclib", "-Wl,-single_module", "a.c")


@pytest.mark.parametrize("tag", TARGETS)
def test_every_answer_is_one_that_a_test_compares(tag: str) -> None:
    target = parse_target(tag)
    is_posix = target.os != "windows"
    headers = (*C_HEADERS, *(POSIX_HEADERS if is_posix else ()))
    names = [f"ac_cv_header_{name}" for name in headers] + [f"ac_cv_sizeof_{name}" for name in size_types(target)]
    names += [f"ac_cv_func_{name}" for name in POSIX_FUNCTIONS] if is_posix else []
    tested = {re.sub(r"\W", "_", name.replace("*", "p")) for name in names}
    runs = set(RUN_CHECKS) if is_posix else set()

    assert set(RUN_CHECKS) == set(RUN_ANSWERS)
    assert set(list_answers(target)) == tested | runs | set(COMPILER_ANSWERS) | set(OTHER_ANSWERS)


@pytest.mark.parametrize(
    ("tag", "flags"), [("manylinux2014_x86_64", ()), ("musllinux_1_2_x86_64", ("-static",))], ids=["glibc", "musl"]
)
def test_the_answers_to_checks_that_run_a_program_are_those_of_the_program(
    engine: ZigEngine, tag: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    toolchain, environment = prepare(engine, tag, tmp_path)
    if not (can_run(toolchain.target) or (flags and can_run(parse_target("manylinux2014_x86_64")))):
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
        *flags,
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
