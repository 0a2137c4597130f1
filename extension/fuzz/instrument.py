"""Compile webpencode and its libraries with ASan, UBSan and coverage, and replace the module of the installed wheel.

    python extension/fuzz/instrument.py --output-dir DIRECTORY

The libraries are built from the recipes by the native engine with Debian's clang (`apt-get install clang libclang-rt-dev`)
and linked into the module statically. The store keeps them, so the second run compiles only the module.
`DIRECTORY/environment` lists the environment variables, as `NAME=VALUE`, that an interpreter needs to import the module.
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
# Undefined behavior in our own sources aborts the process.
MODULE_FLAGS = (
    "-fsanitize=address,undefined,fuzzer-no-link",
    "-fno-sanitize-recover=undefined",
    "-fno-omit-frame-pointer",
    "-g",
)
# In the libraries, only harmful kinds are checked, and printed: they rely on shifts and casts that compilers define.
LIBRARY_FLAGS = (
    "-fsanitize=address,bounds,integer-divide-by-zero,signed-integer-overflow,fuzzer-no-link",
    "-fno-omit-frame-pointer",
    "-O1",
)
MACROS = ("-DPy_LIMITED_API=0x030b0000", "-DG_DISABLE_CAST_CHECKS", "-DWEBPENCODE_SMALL_IMAGES")
# Not instrumented: nasm, which runs only during the build, leaks memory, and ASan cannot be configured there; glib never
# processes input, and its precompiled header contains the path of its directory.
# Instrumented code contains the names of sources and headers. They are made relative, because an artifact must not contain
# the path of its build directory.
WRAPPER = """#!/bin/sh
if [ "$*" = --version ]; then {program} --version && echo 'with {flags}, but not nasm'; exit; fi
flags='{flags}'
case $PWD in */nasm-* | */glib-*) flags= ;; esac
for arg do
  shift
  case $arg in
    -I/*) arg=-I$(realpath --relative-to=. "${{arg#-I}}") ;;
    /*.c | /*.cc | /*.cpp) arg=$(realpath --relative-to=. "$arg") ;;
    /*) [ "$previous" != -isystem ] || arg=$(realpath --relative-to=. "$arg") ;;
  esac
  previous=$arg
  set -- "$@" "$arg"
done
exec {program} "$@" $flags
"""
# Python does not free all memory on exit, so leaks are not detected. Failed allocations must reach the module.
ENVIRONMENT = """\
ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=0
UBSAN_OPTIONS=print_stacktrace=1
"""
PACKAGES = ("vips", "libwebp", "libwebpmux", "libpng", "libjpeg", "zlib")


def find_compiler(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        sys.exit(f"{name} not found in PATH: on Debian, run `apt-get install clang libclang-rt-dev`")
    return path


def find_runtime(clang: str, name: str) -> Path:
    """Return the path of a run-time library of clang."""
    command = [clang, f"-print-file-name={name}"]
    path = Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    if not path.is_absolute():
        sys.exit(f"{clang} has no {name}: on Debian, run `apt-get install libclang-rt-dev`")
    return path.resolve()


def write_wrappers(folder: Path, clang: str, clangxx: str) -> dict[str, str]:
    """Write instrumenting compiler wrappers; `--version` prints their flags, which makes them part of the cache keys."""
    folder.mkdir(parents=True, exist_ok=True)
    flags = shlex.join(LIBRARY_FLAGS)
    for name, program in (("clang", clang), ("clang++", clangxx)):
        path = folder / name
        path.write_text(WRAPPER.format(program=program, flags=flags))
        path.chmod(0o755)
    return {"CC": str(folder / "clang"), "CXX": str(folder / "clang++")}


def build_libraries(prefix: Path, compilers: dict[str, str]) -> None:
    # The result is only used on this machine, so any policy is possible; build tools are built for this one.
    environment = {
        **os.environ,
        **compilers,
        "AUDITWHEEL_PLAT": f"manylinux2014_{platform.machine()}",
    }
    shutil.rmtree(prefix, ignore_errors=True)
    command = ["everywheel", "--project", str(ROOT), "deps", "--engine", "native", "--linkage", "static"]
    subprocess.run([*command, "--prefix", str(prefix)], env=environment, check=True)


def run_pkgconf(prefix: Path, *args: str) -> list[str]:
    environment = {**os.environ, "PKG_CONFIG_LIBDIR": str(prefix / "lib" / "pkgconfig")}
    command = [sys.executable, "-m", "pkgconf", "--static", *args, *PACKAGES]
    return shlex.split(subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout)


def list_sources() -> list[Path]:
    """Return the C sources of a module that is linked to its libraries (not with linkage `system`)."""
    return sorted(path for path in SOURCES.glob("*.c") if path.name != "system_linkage.c")


def compile_module(prefix: Path, output_dir: Path, clang: str, clangxx: str) -> None:
    """Compile and link the module, with libFuzzer, which does nothing until it is called."""
    objects = output_dir / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    includes = [flag.replace("-I", "-isystem", 1) for flag in run_pkgconf(prefix, "--cflags")]
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
    # As in a wheel, export only these symbols and remove unused sections: parts of glib refer to symbols that were not built.
    exports = output_dir / "exports.map"
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
            *run_pkgconf(prefix, "--libs"),
            "-lm",
            "-lpthread",
            "-o",
            str(output_dir / "module.so"),
        ],
        check=True,
    )


def replace_module(module: Path) -> None:
    """Replace the module of the installed wheel."""
    spec = importlib.util.find_spec("webpencode")
    if spec is None or spec.origin is None:
        sys.exit("webpencode is not installed: install its wheel first")
    [installed] = Path(spec.origin).parent.glob("_webpencode.*.so")
    shutil.copyfile(module, installed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output-dir", type=Path, required=True, metavar="DIRECTORY")
    output_dir = parser.parse_args().output_dir.resolve()
    clang, clangxx = find_compiler("clang"), find_compiler("clang++")
    runtime = find_runtime(clang, f"libclang_rt.asan-{platform.machine()}.so")
    build_libraries(output_dir / "prefix", write_wrappers(output_dir / "bin", clang, clangxx))
    compile_module(output_dir / "prefix", output_dir, clang, clangxx)
    replace_module(output_dir / "module.so")
    (output_dir / "environment").write_text(f"{ENVIRONMENT}LD_PRELOAD={runtime}\n")


if __name__ == "__main__":
    main()
