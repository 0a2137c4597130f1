"""Compile webpencode and every library inside it with ASan, UBSan and coverage, and put it in the installed one's place.

    python extension/fuzz/instrument.py --output-dir FOLDER

The libraries come from the recipes, through the native engine with Debian's clang (`apt-get install clang libclang-rt-dev`),
and are linked into the module. They are kept in the store like any others, so that the second run compiles the module
alone. `FOLDER/environment` says, as `NAME=VALUE`, what a Python needs in its own to import the module.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "extension" / "src" / "webpencode"
# What is undefined in our own sources ends the process.
MODULE_FLAGS = (
    "-fsanitize=address,undefined,fuzzer-no-link",
    "-fno-sanitize-recover=undefined",
    "-fno-omit-frame-pointer",
    "-g",
)
# In the libraries it is printed, where it may do harm: they shift and cast as C compilers have always let them.
LIBRARY_FLAGS = (
    "-fsanitize=address,bounds,integer-divide-by-zero,signed-integer-overflow,fuzzer-no-link",
    "-fno-omit-frame-pointer",
    "-O1",
)
MACROS = ("-DPy_LIMITED_API=0x030b0000", "-DG_DISABLE_CAST_CHECKS")
# nasm, which only runs during the build, leaves leaks behind, and nothing there can tell ASan to be silent about them. glib
# never sees an input; its precompiled header names its folder.
# The instruments note the name of each source and header, and an artifact must not name the folder that it was made in.
WRAPPER = """#!/bin/sh
if [ "$*" = --version ]; then {program} --version && echo 'with {flags}, but not nasm'; exit; fi
flags='{flags}'
case $PWD in */nasm-* | */glib-*) flags= ;; esac
for word do
  shift
  case $word in
    -I/*) word=-I$(realpath --relative-to=. "${{word#-I}}") ;;
    /*.c | /*.cc | /*.cpp) word=$(realpath --relative-to=. "$word") ;;
    /*) [ "$last" != -isystem ] || word=$(realpath --relative-to=. "$word") ;;
  esac
  last=$word
  set -- "$@" "$word"
done
exec {program} "$@" $flags
"""
# Python itself tidies up little when it ends; without memory the module must say so, not the instruments.
ENVIRONMENT = """\
ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=0
UBSAN_OPTIONS=print_stacktrace=1
"""
PACKAGES = ("vips", "libwebp", "libwebpmux")


def find_compiler(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        sys.exit(f"no {name} is in PATH: Debian has it (`apt-get install clang libclang-rt-dev`)")
    return found


def find_runtime(clang: str, name: str) -> Path:
    """Return the path of one of clang's run-time libraries."""
    words = [clang, f"-print-file-name={name}"]
    path = Path(subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip())
    if not path.is_absolute():
        sys.exit(f"{clang} comes without {name}: Debian has it (`apt-get install libclang-rt-dev`)")
    return path.resolve()


def write_wrappers(folder: Path, clang: str, clangxx: str) -> dict[str, str]:
    """Write compilers that instrument; their flags are in what they say of themselves, and so in the store's keys."""
    folder.mkdir(parents=True, exist_ok=True)
    flags = shlex.join(LIBRARY_FLAGS)
    for name, program in (("clang", clang), ("clang++", clangxx)):
        path = folder / name
        path.write_text(WRAPPER.format(program=program, flags=flags))
        path.chmod(0o755)
    return {"CC": str(folder / "clang"), "CXX": str(folder / "clang++")}


def build_libraries(prefix: Path, compilers: dict[str, str]) -> None:
    # Nothing leaves this machine, so the policy's name is free; this one is what programs for the build are made for.
    environment = {
        **os.environ,
        **compilers,
        "AUDITWHEEL_PLAT": f"manylinux2014_{platform.machine()}",
    }
    shutil.rmtree(prefix, ignore_errors=True)
    words = ["everywheel", "--project", str(ROOT), "deps", "--engine", "native", "--linkage", "static"]
    subprocess.run([*words, "--prefix", str(prefix)], env=environment, check=True)


def ask_pkgconf(prefix: Path, *words: str) -> list[str]:
    environment = {**os.environ, "PKG_CONFIG_LIBDIR": str(prefix / "lib" / "pkgconfig")}
    command = [sys.executable, "-m", "pkgconf", "--static", *words, *PACKAGES]
    return shlex.split(subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout)


def list_sources() -> list[Path]:
    """Return what a module that has its libraries inside is compiled from."""
    return sorted(
        path for path in SOURCES.glob("*.c") if path.name != "system.c"
    )  # that one opens the system's libraries


def compile_module(prefix: Path, into: Path, clang: str, clangxx: str) -> None:
    """Compile the module into the place of the installed one, with libFuzzer, which does nothing until it is called."""
    objects = into / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    includes = [word.replace("-I", "-isystem", 1) for word in ask_pkgconf(prefix, "--cflags")]
    for source in list_sources():
        subprocess.run(
            [
                clang,
                "-c",
                "-O1",
                "-fPIC",
                "-std=gnu11",
                "-fvisibility=hidden",
                *MODULE_FLAGS,
                *MACROS,
                "-isystem",
                str(prefix / "include" / "python"),
                *includes,
                str(source),
                "-o",
                str(objects / f"{source.stem}.o"),
            ],
            check=True,
        )
    # As in a wheel, nothing else gets out, and what nothing reaches is left out: some of glib would miss what was not built.
    exports = into / "exports.map"
    exports.write_text("{ global: PyInit_*; LLVMFuzzerRunDriver; __sanitizer_*; local: *; };\n")
    fuzzer = find_runtime(clang, f"libclang_rt.fuzzer_no_main-{platform.machine()}.a")
    subprocess.run(
        [
            clangxx,
            "-shared",
            "-shared-libasan",
            "-Wl,-Bsymbolic",
            "-Wl,--gc-sections",
            f"-Wl,--version-script={exports}",
            MODULE_FLAGS[0],
            *map(str, sorted(objects.glob("*.o"))),
            "-Wl,--whole-archive",
            str(fuzzer),
            "-Wl,--no-whole-archive",
            *ask_pkgconf(prefix, "--libs"),
            "-lm",
            "-lpthread",
            "-o",
            str(into / "module.so"),
        ],
        check=True,
    )


def replace_module(module: Path) -> None:
    """Put the module in the place of the one of the installed wheel."""
    found = importlib.util.find_spec("webpencode")
    if found is None or found.origin is None:
        sys.exit("webpencode is not installed here: install its wheel first, which the tests are run against")
    [installed] = Path(found.origin).parent.glob("_webpencode.*.so")
    shutil.copyfile(module, installed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output-dir", type=Path, required=True, metavar="FOLDER")
    into = parser.parse_args().output_dir.resolve()
    clang, clangxx = find_compiler("clang"), find_compiler("clang++")
    runtime = find_runtime(clang, f"libclang_rt.asan-{platform.machine()}.so")
    build_libraries(into / "prefix", write_wrappers(into / "bin", clang, clangxx))
    compile_module(into / "prefix", into, clang, clangxx)
    replace_module(into / "module.so")
    (into / "environment").write_text(f"{ENVIRONMENT}LD_PRELOAD={runtime}\n")


if __name__ == "__main__":
    main()
