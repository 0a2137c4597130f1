"""Arguments that the compiler wrappers of the zig engine drop, replace, translate or refuse."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from everywheel.errors import BuildError
from everywheel.platforms.target import parse_target
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.compiler_arguments import Note, NoteKind, read_notes, render_filter, report_arguments
from everywheel.toolchains.compilers import Compilers
from everywheel.toolchains.toolchain import Toolchain
from everywheel.toolchains.toolchain_writer import write_toolchain

DROPPED_VISUAL_FLAGS = """
-wd4068 /wd4996 /we4013 /EHsc -EHsc /GL /GR- /GS /MD /MT /MP4 /W3 /WX /Zi /Zc:__cplusplus /nologo /bigobj /utf-8 /fp:fast
/permissive- -permissive- -Zi /Gm- /w /volatile:iso /NODEFAULTLIB:LIBCMT /IGNORE:4217 /MANIFEST
/LTCG /OPT:REF /DEBUG:FULL /INCREMENTAL:NO /arch:SSE2
"""
NATIVE = "is refused: the code would run only on processors like that of the build machine"


@dataclass(frozen=True)
class Wrapper:
    """A wrapper of a compiler that prints each of its arguments on a line; it may name the directory `store`.

    `shell` is the command of the shell that runs it.
    """

    toolchain: Toolchain
    store: Path
    shell: tuple[str, ...]

    def call(self, *arguments: str) -> list[str]:
        """Return the arguments that the compiler receives."""
        return self.run(*arguments).stdout.splitlines()

    def run(self, *arguments: str, program: str = "cc") -> subprocess.CompletedProcess[str]:
        command = [*self.shell, str(self.toolchain.program(program)), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    @property
    def notes(self) -> list[str]:
        return [f"{note.kind} {note}" for note in read_notes(self.toolchain)]


# /bin/sh is bash on Fedora, Arch and macOS, and busybox on Alpine; no command of the wrappers is one of its own.
SHELLS = {"sh": ("/bin/sh",), "bash": ("bash", "--posix"), "busybox": ("busybox", "sh")}


@pytest.fixture(params=[name for name, shell in SHELLS.items() if shutil.which(shell[0])])
def wrapper(tmp_path: Path, request: pytest.FixtureRequest) -> Wrapper:
    workspace, store = tmp_path / "ws", tmp_path / "store"
    (workspace / "prefix" / "include" / "python").mkdir(parents=True)
    printer = (str(shutil.which("printf")), "%s\\n")
    compilers = Compilers(
        c=printer,
        cxx=(*printer, "c++"),
        build_c=printer,
        build_cxx=printer,
        ar=printer,
        ranlib=printer,
        folders=(store,),
    )
    programs = dict.fromkeys(("bin", "zig", "cmake", "ninja", "pkgconf", "patchelf"), tmp_path)
    programs["python"] = Path(sys.executable)
    target = parse_target("manylinux2014_x86_64")
    return Wrapper(write_toolchain(target, compilers, Tools(**programs), workspace), store, SHELLS[request.param])


@pytest.mark.parametrize(
    "arguments",
    [
        ["-I/usr/include"],
        ["-I", "/usr/local/include"],
        ["-isystem", "/usr/include/libxml2"],
        ["-isystem/usr/include"],
        ["-idirafter", "/opt/homebrew/include"],
        ["-iquote/home/user/headers"],
        ["-L/usr/lib/x86_64-linux-gnu"],
        ["-L", "/lib"],
        ["-B/usr/bin"],
        ["--sysroot=/"],
        ["-isysroot", "/"],
    ],
)
def test_folders_of_the_build_machine_are_dropped(wrapper: Wrapper, arguments: list[str]) -> None:
    assert wrapper.call("-DA=1", *arguments, "-c", "a b.c", "-o", "a.o") == ["-DA=1", "-c", "a b.c", "-o", "a.o"]
    assert wrapper.notes == [f"dropped {' '.join(arguments)} (for a b.c)"]


def test_folders_of_the_store_of_the_workspace_and_relative_ones_are_searched(wrapper: Wrapper) -> None:
    workspace = wrapper.toolchain.directory.parent
    arguments = [
        f"-I{wrapper.store}/tools/build-1/lib/python3.11/site-packages/numpy/_core/include",
        f"-I{workspace}/prefix/include",
        f"-I{workspace}/source/include/python3.0",
        "-isystem",
        f"{workspace}/build/generated files",
        "-Iinclude",
        "-I..",
        f"-L{workspace}/prefix/lib",
        "-L",
        ".",
        f"{workspace}/prefix/lib/libfoo.a",
    ]

    assert wrapper.call(*arguments, "-c", "a.c") == [*arguments, "-c", "a.c"]
    assert wrapper.notes == []


def test_headers_of_the_running_python_become_those_of_the_target(wrapper: Wrapper) -> None:
    headers = f"{wrapper.toolchain.prefix}/include/python"

    passed = wrapper.call(
        "-I/usr/include/python3.11",
        f"-I{wrapper.store}/tools/build-1/include/python3.13t",
        "-isystem",
        "/home/user/.pyenv/versions/3.11.7/include/python3.11/internal",
        "-c",
        "a.c",
    )

    assert passed == [f"-I{headers}", f"-I{headers}", "-isystem", f"{headers}/internal", "-c", "a.c"]
    assert wrapper.notes == []


@pytest.mark.parametrize("source", ["a.cc", "a.cpp", "a b.cxx", "a.c++", "a.C"])
def test_the_c_compiler_passes_sources_in_cxx_to_the_cxx_compiler(wrapper: Wrapper, source: str) -> None:
    assert wrapper.call("-O2", "-c", source, "-o", "a.o") == ["c++", "-O2", "-c", source, "-o", "a.o"]
    assert wrapper.call("-c", "-o", "a.o", source) == ["c++", "-c", "-o", "a.o", source]
    assert wrapper.call("-c", f"{source}.c", "-o", "a.o") == ["-c", f"{source}.c", "-o", "a.o"]
    assert wrapper.call("-shared", "a.o", "-o", "a.so") == ["-shared", "a.o", "-o", "a.so"]


def test_a_library_of_the_build_machine_is_refused(wrapper: Wrapper) -> None:
    result = wrapper.run("-shared", "a.o", "/usr/lib/x86_64-linux-gnu/libz.so", "-o", "demo.so")

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "error: /usr/lib/x86_64-linux-gnu/libz.so is refused: it is a library of the build machine\n"
    )
    assert wrapper.notes == ["refused /usr/lib/x86_64-linux-gnu/libz.so (for demo.so)"]


@pytest.mark.parametrize("flag", ["-march=native", "-mtune=native", "-mcpu=native"])
def test_code_for_the_processor_of_the_build_machine_is_refused(wrapper: Wrapper, flag: str) -> None:
    result = wrapper.run("-O3", flag, "-c", "a.c")

    assert (result.returncode, result.stdout, result.stderr) == (1, "", f"error: {flag} {NATIVE}\n")
    assert wrapper.notes == [f"refused {flag} (for a.c)"]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("-Wp,-U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=3", ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"]),
        ("-march=x86-64", ["-march=x86_64"]),
        ("-march=x86-64-v2", ["-march=x86_64_v2"]),
        ("-march=armv8-a+crc+crypto", ["-march=generic+crc+crypto"]),
        ("-march=armv8.2-a+dotprod", ["-march=generic+v8_2a+dotprod"]),
        ("-Wa,-mbranches-within-32B-boundaries", ["-mbranches-within-32B-boundaries"]),
        ("-Wl,--undefined=PyInit_demo", ["-Wl,-u,PyInit_demo"]),
        ("-Wl,--push-state,--whole-archive", ["-Wl,--whole-archive"]),
        ("-Wl,--pop-state", ["-Wl,--no-whole-archive,-search_paths_first,--as-needed"]),
        ("-Wl,-Bstatic,-lfoo,-Bdynamic", ["-Wl,-Bstatic", "-lfoo", "-Wl,-search_paths_first"]),
        ("-Wl,-rpath,/x,-rpath-link,/y,-soname,libfoo.so", ["-Wl,-soname,libfoo.so"]),
        ("-Wl,--rpath=/x", []),
        (
            "-Wl,--whole-archive,-lfoo,-lbar,--no-whole-archive,-O1",
            ["-Wl,--whole-archive", "-lfoo", "-lbar", "-Wl,--no-whole-archive,-O1"],
        ),
        ("-Wl,-lfoo", ["-lfoo"]),
        ("-Wl,-h,libfoo.so.1,--symbolic", ["-Wl,-soname,libfoo.so.1,-Bsymbolic"]),
        ("-Wl,--require-defined=PyInit_demo", ["-Wl,-u,PyInit_demo"]),
        ("-Wl,-hlibfoo.so.1", ["-Wl,-soname,libfoo.so.1"]),
        ("-Wl,-R,/x", []),
        ("-bundle", ["-shared"]),
    ],
)
def test_flags_with_an_equivalent_are_translated(wrapper: Wrapper, argument: str, expected: list[str]) -> None:
    assert wrapper.call(argument, "a.c") == [*expected, "a.c"]
    assert wrapper.notes == []


def test_flags_for_one_architecture_are_translated_or_dropped(wrapper: Wrapper) -> None:
    chosen = ["-Xarch_x86_64", "-march=x86-64-v2", "-Xarch_x86_64", "-L/usr/lib", "-Xarch_host", "-O2"]
    others = ["-Xarch_arm64", "-march=armv8-a+crypto", "-Xarch_arm64", "-O3"]

    assert wrapper.call(*others, *chosen, "-c", "a.c") == ["-march=x86_64_v2", "-O2", "-c", "a.c"]
    assert wrapper.notes == ["dropped -L/usr/lib (for a.c)"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["csrDT", "libT.a", "T.o"], ["csrD", "libT.a", "T.o"]),
        (["Tcrs", "libT.a", "a b.o"], ["crs", "libT.a", "a b.o"]),
        (["-qcT", "libT.a"], ["-qc", "libT.a"]),
        (["-T", "-r", "-cT", "libT.a"], ["-r", "-c", "libT.a"]),
        (["--thin", "--format=GNU", "rcs", "libT.a", "rcsT"], ["--format=GNU", "rcs", "libT.a", "rcsT"]),
        (["@nothing", "libT.a"], ["@nothing", "libT.a"]),
    ],
)
def test_archives_hold_their_objects(wrapper: Wrapper, arguments: list[str], expected: list[str]) -> None:
    assert wrapper.run(*arguments, program="ar").stdout.splitlines() == expected


def test_the_operation_of_an_archive_is_read_from_a_response_file(wrapper: Wrapper, tmp_path: Path) -> None:
    (tmp_path / "T.rsp").write_text('csrDT libT.a "a b.o"')

    result = wrapper.run(f"@{tmp_path}/T.rsp", program="ar")

    assert result.stdout.splitlines() == ["csrD", "libT.a", "a b.o"]


def test_flags_of_the_linker_are_translated_one_by_one(wrapper: Wrapper) -> None:
    arguments = ["-Xlinker", "-h", "-Xlinker", "libfoo.so.1", "-Xlinker", "-lfoo", "-Xlinker", "--symbolic"]

    assert wrapper.call(*arguments) == ["-Wl,-soname", "-Xlinker", "libfoo.so.1", "-lfoo", "-Wl,-Bsymbolic"]
    assert wrapper.call("-Wl,-h", "-Wl,libfoo.so.1") == ["-Wl,-soname", "-Wl,libfoo.so.1"]
    assert wrapper.notes == []


@pytest.mark.parametrize(
    ("arguments", "expected", "dropped"),
    [
        (["-Wl,--exclude-libs,ALL"], [], "-Wl,--exclude-libs"),
        (["-Wl,--exclude-libs", "-Wl,ALL"], [], "-Wl,--exclude-libs"),
        (["-Xlinker", "--exclude-libs", "-Xlinker", "ALL"], [], "-Wl,--exclude-libs"),
        (["-Wl,--dynamic-list=a.map"], [], "-Wl,--dynamic-list=a.map"),
        (["-Wl,-Bsymbolic-functions"], [], "-Wl,-Bsymbolic-functions"),
        (["-Wl,-O1,--sort-common,--icf=all,-z,defs"], ["-Wl,-O1,--sort-common,-z,defs"], "-Wl,--icf=all"),
        (["-Wl,-z,pack-relative-relocs"], ["-Wl,-z,relro"], "-Wl,-z,pack-relative-relocs"),
        (["-Wl,-Map,a.map"], [], "-Wl,-Map"),
        (["-Wl,--no-copy-dt-needed-entries"], [], "-Wl,--no-copy-dt-needed-entries"),
        (["-Wl,--package-metadata={}"], [], "-Wl,--package-metadata={}"),
        (["-Wl,-z,combreloc"], ["-Wl,-z,relro"], "-Wl,-z,combreloc"),
        (["-Wl,--no-rosegment"], [], "-Wl,--no-rosegment"),
        (["-Wl,-melf_x86_64"], [], "-Wl,-melf_x86_64"),
        (["-Wl,--gdb-index"], [], "-Wl,--gdb-index"),
        (["-Wl,-flto"], [], "-Wl,-flto"),
        (["-fno-gnu-unique"], [], "-fno-gnu-unique"),
        (["-fno-ipa-cp-clone"], [], "-fno-ipa-cp-clone"),
        (["-fno-tree-loop-vectorize"], [], "-fno-tree-loop-vectorize"),
        (["-fno-tree-pre"], [], "-fno-tree-pre"),
        (["-malign-data=cacheline"], [], "-malign-data=cacheline"),
        (["-flto=auto"], [], "-flto=auto"),
        (["-ffat-lto-objects"], [], "-ffat-lto-objects"),
        (["-mtune=haswell"], [], "-mtune=haswell"),
        (["-specs=/usr/lib/rpm/redhat/redhat-hardened-ld"], [], "-specs=/usr/lib/rpm/redhat/redhat-hardened-ld"),
    ],
)
def test_flags_that_change_nothing_a_wheel_needs_are_dropped(
    wrapper: Wrapper, arguments: list[str], expected: list[str], dropped: str
) -> None:
    assert wrapper.call("-shared", *arguments, "a.o", "-o", "demo.so") == [
        "-shared",
        *expected,
        "a.o",
        "-o",
        "demo.so",
    ]
    assert wrapper.notes == [f"dropped {dropped} (for demo.so)"]


def test_other_flags_of_the_linker_are_passed_as_they_are(wrapper: Wrapper) -> None:
    arguments = [
        "-Wl,--version-script,own.map",
        "-Wl,-z,relro,-z,now",
        "-Wl,-z",
        "-Wl,nodelete",
        "-Xlinker",
        "-soname=libfoo.so.1",
        "-Wl,--start-group",
        "-Wl,--wrap=malloc",
        "-Wl,--whole-archive,libfoo.a,--no-whole-archive",
        "-pthread",
        "-fno-plt",
        '-DTEXT="a  b"',
        "",
    ]

    assert wrapper.call(*arguments, "a.o") == [*arguments, "a.o"]
    assert wrapper.notes == []


def test_a_flag_without_an_equivalent_is_refused_by_name(wrapper: Wrapper) -> None:
    result = wrapper.run("-shared", "-Wl,--defsym=a=b", "a.o", "-o", "demo.so")

    assert (result.returncode, result.stderr) == (
        1,
        "error: -Wl,--defsym=a=b is refused: zig's linker has no such option\n",
    )


def test_a_failed_build_names_the_arguments_that_were_not_passed_on(wrapper: Wrapper, tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    for source in ("a.c", "b.c", "a.c"):
        wrapper.call("-I/usr/include", "-flto=auto", "-c", source)

    with pytest.raises(BuildError) as raised, report_arguments(wrapper.toolchain, log, "demo"):
        raise BuildError("demo failed", excerpt=["a.c:1:10: fatal error: 'yaml.h' file not found"])

    assert raised.value.render() == (
        "error: demo failed\n"
        "  dropped: -I/usr/include (for a.c and 1 other file)\n"
        "  | a.c:1:10: fatal error: 'yaml.h' file not found\n"
        "  hint: '-I/usr/include' names a folder of this machine, which no wheel may depend on: a library from there needs "
        "a recipe, named in `requires`"
    )
    assert log.read_text() == (
        "arguments that the compiler wrappers did not pass on:\n"
        "dropped: -I/usr/include (for a.c and 1 other file)\n"
        "dropped: -flto=auto (for a.c and 1 other file)\n"
    )


def test_a_dropped_folder_is_not_a_hint_if_nothing_is_missing(wrapper: Wrapper, tmp_path: Path) -> None:
    wrapper.call("-I/usr/include", "-c", "a.c")

    with pytest.raises(BuildError) as raised, report_arguments(wrapper.toolchain, tmp_path / "demo.log", "demo"):
        raise BuildError("demo failed", excerpt=["a.c:1:1: error: unknown type name 'x'"])

    assert (raised.value.details, raised.value.hint) == ({"dropped": "-I/usr/include (for a.c)"}, None)


def test_refused_arguments_are_named_before_dropped_folders(wrapper: Wrapper, tmp_path: Path) -> None:
    wrapper.run("-I/usr/include", "-march=native", "-c", "a.c")

    with pytest.raises(BuildError) as raised, report_arguments(wrapper.toolchain, tmp_path / "demo.log", "demo"):
        raise BuildError("demo failed", hint="read the log")

    assert raised.value.details == {"refused": "-march=native (for a.c)", "dropped": "-I/usr/include (for a.c)"}
    assert raised.value.hint == "read the log"
    assert Note(kind=NoteKind.REFUSED, argument="-march=native", subjects=("a.c",)) in read_notes(wrapper.toolchain)


def test_a_failed_link_with_a_framework_names_it(wrapper: Wrapper, tmp_path: Path) -> None:
    log, arguments = tmp_path / "demo.log", ["-shared", "a.o", "-framework", "CoreFoundation", "-o", "demo.so"]

    assert wrapper.call(*arguments) == arguments
    with pytest.raises(BuildError) as raised, report_arguments(wrapper.toolchain, log, "demo"):
        raise BuildError("demo failed")

    assert raised.value.render() == (
        "error: demo failed\n"
        "  frameworks: -framework CoreFoundation (for demo.so)\n"
        "  hint: zig has libSystem and no framework of macOS, and SDKROOT is not used: switch the framework off, or build for "
        "macOS on a Mac with `--engine native` (docs/macos.md)"
    )
    assert not log.exists()


def test_arguments_in_response_files_are_checked(wrapper: Wrapper, tmp_path: Path) -> None:
    inner, outer = tmp_path / "inner.rsp", tmp_path / "outer.rsp"
    inner.write_text('-I/usr/include\n\'-DTEXT="a b"\' -DPATH=C:\\\\x "-DQUOTED=\\"" \'\'')
    outer.write_text(f"-Iinclude @{inner} @rpath/none")

    assert wrapper.call("-c", f"@{outer}", "a.c") == [
        "-c",
        "-Iinclude",
        '-DTEXT="a b"',
        "-DPATH=C:\\x",
        '-DQUOTED="',
        "",
        "@rpath/none",
        "a.c",
    ]
    assert wrapper.notes == ["dropped -I/usr/include (for a.c)"]
    inner.write_text("/usr/lib/libz.so")
    assert wrapper.run("-shared", f"@{outer}").returncode == 1


def call_for(wrapper: Wrapper, target: str, *arguments: str) -> list[str]:
    """Return the arguments that the compiler of another target receives."""
    toolchain = replace(wrapper.toolchain, target=parse_target(target))
    script = wrapper.toolchain.directory / "other-target"
    text = render_filter(toolchain, (), Path(sys.executable))
    script.write_text(f"{text}if [ $# != 0 ]; then printf '%s\\n' \"$@\"; fi\n")
    process = subprocess.run([*wrapper.shell, script, *arguments], capture_output=True, text=True, check=True)
    return process.stdout.splitlines()


@pytest.mark.parametrize("flag", ["-flto", "-flto=thin", "-flto=auto", "-fwhole-program-vtables"])
@pytest.mark.parametrize("target", ["macosx_11_0_arm64", "win_amd64"])
def test_link_time_optimization_is_dropped_where_zig_does_not_link_it(wrapper: Wrapper, target: str, flag: str) -> None:
    assert call_for(wrapper, target, flag, "-c") == ["-c"]
    assert wrapper.notes == [f"dropped {flag} (for a link)"]


# https://learn.microsoft.com/cpp/build/reference/compiler-options-listed-by-category
@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("/O2", ["-O2"]),
        ("/Ox", ["-O2"]),
        ("/Od", ["-O0", "-U_FORTIFY_SOURCE"]),
        ("/DNDEBUG", ["-DNDEBUG"]),
        ("/std:c++17", ["-std=c++17"]),
        ("-std:c11", ["-std=c11"]),
        ("/std:c++latest", ["-std=c++2b"]),
        ("/std:c++23preview", ["-std=c++2b"]),
        ("/std:clatest", ["-std=c2x"]),
        ('/DVERSION="1.2"', ['-DVERSION="1.2"']),
        ("/DPATH=a/b", ["-DPATH=a/b"]),
        ("/Iinclude", ["-Iinclude"]),
        ("/UNDEBUG", ["-UNDEBUG"]),
        ("/J", ["-funsigned-char"]),
        ("/TP", ["-xc++"]),
        ("/arch:AVX2", ["-mavx2", "-mcrc32", "-mpopcnt", "-mxsave"]),
        ("-O2", ["-O2"]),
        ("-MD", ["-MD"]),
        ("-w", ["-w"]),
        ("/DEBUG/demo.c", ["/DEBUG/demo.c"]),
    ],
)
def test_flags_of_visual_cpp_are_translated_for_windows(wrapper: Wrapper, flag: str, expected: list[str]) -> None:
    assert sorted(call_for(wrapper, "win_amd64", flag, "-c")) == sorted([*expected, "-c"])
    assert wrapper.notes == []


@pytest.mark.parametrize(
    "flag",
    DROPPED_VISUAL_FLAGS.split(),
)
def test_flags_of_visual_cpp_that_gcc_does_not_have_are_dropped_for_windows(wrapper: Wrapper, flag: str) -> None:
    assert call_for(wrapper, "win_amd64", flag, "-c") == ["-c"]
    assert wrapper.notes == [f"dropped {flag} (for a link)"]


def test_flags_of_visual_cpp_are_passed_on_for_linux_where_the_compiler_names_them(wrapper: Wrapper) -> None:
    assert call_for(wrapper, "manylinux2014_x86_64", "/EHsc", "-wd4068") == ["/EHsc", "-wd4068"]


def test_a_list_of_undefined_symbols_for_the_linker_of_macos_is_translated(wrapper: Wrapper, tmp_path: Path) -> None:
    file = tmp_path / "python.sym"
    file.write_text("-U _PyLong_Type\n-U _PyErr_Format\n")

    assert wrapper.call(f"-Wl,-dead_strip,@{file}", "a.o") == ["-Wl,-dead_strip,-undefined,dynamic_lookup", "a.o"]
    assert wrapper.call("-Wl,@missing", "a.o") == ["-Wl,@missing", "a.o"]


def test_response_files_that_name_each_other_are_an_error(wrapper: Wrapper, tmp_path: Path) -> None:
    file = tmp_path / "a.rsp"
    file.write_text(f"@{file}")

    assert wrapper.run(f"@{file}").stderr == (
        f"error: the arguments in response files cannot be used: @{file}: response files name each other\n"
    )


@pytest.mark.parametrize(
    ("arguments", "added"),
    [(["-O0"], ["-U_FORTIFY_SOURCE"]), (["-O2", "-O0"], ["-U_FORTIFY_SOURCE"]), (["-O0", "-Og"], []), (["-c"], [])],
)
def test_code_without_optimization_uses_no_checked_functions(
    wrapper: Wrapper, arguments: list[str], added: list[str]
) -> None:
    assert wrapper.call(*arguments, "a.c") == [*arguments, "a.c", *added]


@pytest.mark.parametrize(
    ("argument", "implied"),
    [
        ("-msse4.1", []),
        ("-msse4.2", ["-mcrc32", "-mpopcnt"]),
        ("-mavx2", ["-mcrc32", "-mpopcnt", "-mxsave"]),
        ("-mavx512bw", ["-mcrc32", "-mpopcnt", "-mxsave"]),
        ("-mno-avx512f", []),
    ],
)
def test_instructions_that_others_imply_are_enabled(wrapper: Wrapper, argument: str, implied: list[str]) -> None:
    assert wrapper.call(argument, "-mno-popcnt", "-c", "a.c") == [*implied, argument, "-mno-popcnt", "-c", "a.c"]


CODE_FLAGS = ["-maes", "-mno-avx", "-fno-asynchronous-unwind-tables", "-fomit-frame-pointer"]


def test_a_link_of_sources_passes_flags_of_their_code_to_clang_only(wrapper: Wrapper) -> None:
    """The libraries of zig are not compiled with them."""
    features = ["-Xclang", "-target-feature", "-Xclang", "+aes", "-Xclang", "-target-feature", "-Xclang", "-avx"]
    others = ["-Xclang", "-funwind-tables=0", "-Xclang", "-mframe-pointer=none"]

    assert wrapper.call("-DA=b c", *CODE_FLAGS, "a b.c", "-o", "a") == [
        *("-DA=b c", *features, *others, "a b.c", "-o", "a"),
    ]
    assert wrapper.call("-march=x86-64-v2", "a.C++") == ["-march=x86_64_v2", "a.C++"]
    assert wrapper.call("-fomit-frame-pointer", "-fno-omit-frame-pointer", "a.c") == [
        *("-Xclang", "-mframe-pointer=none", "-Xclang", "-mframe-pointer=all", "a.c"),
    ]
    assert wrapper.call("-maes", "-x", "c", "probe", "-o", "a") == [*features[:4], "-x", "c", "probe", "-o", "a"]


def test_a_link_of_objects_has_no_flags_of_their_code(wrapper: Wrapper) -> None:
    flags = [*CODE_FLAGS, "-march=armv8-a+crypto", "-mcpu=power8", "-maltivec", "-mvx"]

    assert wrapper.call("-m64", *flags, "a b.o", "-O2", "-o", "a") == ["-m64", "a b.o", "-O2", "-o", "a"]


def test_instructions_that_the_target_or_clang_does_not_have_stay_and_fail(wrapper: Wrapper) -> None:
    """clang ignores unknown names of -target-feature, so that every check for them would succeed."""
    assert call_for(wrapper, "manylinux2014_aarch64", "-msse2", "a.c") == ["-msse2", "a.c"]
    assert call_for(wrapper, "manylinux2014_aarch64", "-msse2", "a.o") == ["-msse2", "a.o"]
    assert wrapper.call("-mxsaveall", "-m64", "a.c") == ["-mxsaveall", "-m64", "a.c"]


@pytest.mark.parametrize("arguments", [["-c", "a.c"], ["-S", "a.c"], ["-E", "-dM", "a.c"], ["a.S", "b.c", "-o", "a"]])
def test_compiled_and_assembled_sources_keep_the_flags_of_their_code(wrapper: Wrapper, arguments: list[str]) -> None:
    assert wrapper.call(*CODE_FLAGS, *arguments) == [*CODE_FLAGS, *arguments]
