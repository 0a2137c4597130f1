"""Repair of wheels with real files: programs, own libraries, libraries that dlopen() opens, and wheels of other projects."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from click.testing import CliRunner
from everywheel.audit import audit_wheel
from everywheel.audit.record import check_record
from everywheel.audit.wheel_contents import read_wheel_contents
from everywheel.binaries.elf import ElfFacts, read_elf
from everywheel.binaries.macho import read_macho
from everywheel.cli.main import main
from everywheel.errors import AuditError, BuildError
from everywheel.libraries.library_facts import Library, write_file_list, write_library
from everywheel.platforms.target import parse_target
from everywheel.repair import RepairedWheel, RepairRequest, WheelTags, repair_wheel
from everywheel.store.local import FIXED_TIME
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.wheels.wheel import Wheel, WheelFile, add_files, pack_wheel, read_wheel

PROJECT = Path(__file__).parents[1] / "failing" / "base"
GLIBC, MUSL, WINDOWS, MACOS = "manylinux2014_x86_64", "musllinux_1_2_aarch64", "win_amd64", "macosx_11_0_arm64"
LINUX = (GLIBC, MUSL)
LIBRARY = "__declspec(dllexport) int answer(void) { return 42; }"
MODULE = "int answer(void); __declspec(dllexport) void *PyInit__demo(void) { return (char *) 0 + answer(); }"
PROGRAM = "int answer(void); int main(void) { return answer() - 42; }"
LONELY = "__declspec(dllexport) void *PyInit__demo(void) { return 0; }"
OPENER = """
#include <dlfcn.h>
__declspec(dllexport) int demo_open(void) {
  void *library = dlopen("libanswer.so.1", RTLD_NOW);
  int (*answer)(void) = library ? (int (*)(void)) dlsym(library, "answer") : 0;
  return answer ? answer() : -1;
}
void *PyInit__demo(void) { return 0; }
"""
METADATA = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nLicense-Expression: MIT\nX-Origin: factory 7\n\nA demo.\n"
WHEEL_FILE = "Wheel-Version: 1.0\nGenerator: other 1\nRoot-Is-Purelib: false\nX-Signer: factory 7\n"
INFO = "demo-1.0.dist-info"


@pytest.fixture(scope="session")
def compile_c(shared_folder: Path, shared_store: Path) -> Callable[..., bytes]:
    """A function that compiles C for a target with zig, once for each set of arguments."""
    zig = ensure_tools(shared_store).zig
    results: dict[tuple[object, ...], bytes] = {}

    def compile_source(tag: str, source: str, *flags: str | Path) -> bytes:
        arguments = (tag, source, *map(str, flags))
        if arguments not in results:
            folder = shared_folder / f"compiled-{os.getpid()}"
            folder.mkdir(exist_ok=True)
            code, output, target = folder / "code.c", folder / "libanswer.dll", parse_target(tag)
            code.write_text(source if target.os == "windows" else source.replace("__declspec(dllexport)", ""))
            kind = ["-shared", "-fPIC"] if "main(" not in source else []
            system = ["-dynamic"] if target.libc == "musl" else []
            command = [zig, "cc", "-target", target.zig, *system, *kind, "-O1", "-g0", "-s", "-o", output, code, *flags]
            caches = dict.fromkeys(("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"), str(shared_store / "zig"))
            subprocess.run(list(map(str, command)), env={**os.environ, **caches}, check=True, capture_output=True)
            results[arguments] = output.read_bytes()
        return results[arguments]

    return compile_source


@pytest.fixture
def repair(shared_store: Path, tmp_path: Path) -> Callable[..., RepairedWheel]:
    """A function that packs a wheel of the given files and repairs it."""

    def repair_files(
        tag: str,
        files: Mapping[str, bytes],
        prefix: Path | None = None,
        exports: tuple[str, ...] | None = ("PyInit_*",),
        data: Mapping[str, str] = MappingProxyType({}),
    ) -> RepairedWheel:
        wheel = make_wheel(f"cp312-cp312-{parse_target(tag).wheel_tag}", files)
        return repair_one(shared_store, tmp_path, wheel, tag, prefix, exports, data)

    return repair_files


def make_wheel(tags: str, files: Mapping[str, bytes], build: str = "") -> Wheel:
    python, abi, system = tags.split("-")
    wheel = Wheel(name="demo", version="1.0", build=build, python=python, abi=abi, platform=system, files={})
    lines = "".join(f"Tag: {tag}\n" for tag in wheel.tags) + (f"Build: {build}\n" if build else "")
    info = {"METADATA": METADATA, "WHEEL": (WHEEL_FILE + lines).encode()}
    contents = {**files, **{f"{INFO}/{name}": data for name, data in info.items()}}
    modes = {
        path: WheelFile(data=data, executable=data.startswith((b"\x7fELF", b"#!"))) for path, data in contents.items()
    }
    return replace(wheel, files=modes)


def repair_one(
    store: Path,
    folder: Path,
    wheel: Wheel,
    tag: str,
    prefix: Path | None,
    exports: tuple[str, ...] | None,
    data: Mapping[str, str] = MappingProxyType({}),
) -> RepairedWheel:
    empty = folder / "empty"
    (empty / "share" / "everywheel").mkdir(parents=True, exist_ok=True)
    request = RepairRequest(
        target=parse_target(tag),
        prefix=prefix or empty,
        patchelf=ensure_tools(store).patchelf,
        work=folder / "work",
        log=folder / "repair.log",
        epoch=FIXED_TIME,
        tags=WheelTags(build=wheel.build, python=wheel.python, abi=wheel.abi, platform=wheel.platform),
        module_exports=exports,
        data=data,
    )
    return repair_wheel(pack_wheel(wheel, folder / "built", epoch=FIXED_TIME), request, folder / "wheelhouse")


def make_prefix(folder: Path, tag: str, compile_c: Callable[..., bytes]) -> Path:
    """Create a prefix with the shared library `answer`, and with a static one that only `answer` requires."""
    prefix = folder / f"prefix-{tag}"
    target = parse_target(tag)
    name, flag = {
        "linux": ("lib/libanswer.so.1", "-Wl,-soname,libanswer.so.1"),
        "darwin": ("lib/libanswer.1.dylib", "-Wl,-install_name,@rpath/libanswer.1.dylib"),
        "windows": ("bin/libanswer.dll", "-Wl,--out-implib,"),
    }[target.os]
    library = prefix / name
    library.parent.mkdir(parents=True)
    flags = [flag + str(folder / "libanswer.dll.a")] if target.os == "windows" else [flag]
    library.write_bytes(compile_c(tag, LIBRARY, *flags))
    text = {"COPYING": b"You may.\n"}
    answer = Library(
        name="answer",
        version="1.0",
        license="Zlib",
        linkage="shared",
        requires=("part",),
        files=("libanswer",),
        texts=text,
    )
    write_library(answer, prefix)
    write_library(Library(name="part", version="2.0", license="ISC", linkage="static", texts=text), prefix)
    return prefix


def read_elves(wheel: Path) -> dict[str, ElfFacts]:
    files = read_wheel(wheel).files.items()
    return {path: read_elf(file.data) for path, file in files if file.data.startswith(b"\x7fELF")}


def metadata_of(wheel: Path) -> str:
    return read_wheel(wheel).files[f"{INFO}/METADATA"].data.decode()


# --- libraries of the wheel itself, programs, and dlopen()


@pytest.mark.parametrize("tag", LINUX)
def test_a_library_of_the_wheel_itself_is_found_where_it_is(
    tag: str, compile_c: Callable[..., bytes], repair: Callable[..., RepairedWheel], tmp_path: Path
) -> None:
    own = tmp_path / "libown.so"
    own.write_bytes(compile_c(tag, LIBRARY, "-Wl,-soname,libown.so"))
    module = compile_c(tag, MODULE, own, "-Wl,-rpath,/home/builder/build")
    files = {
        "demo/_demo.cpython-312-x.so": module,
        "demo/deep/_demo.so": module,
        "demo/lib/libown.so": own.read_bytes(),
    }

    elves = read_elves(repair(tag, files).path)

    assert elves["demo/_demo.cpython-312-x.so"].rpath == ("$ORIGIN/lib",)
    assert elves["demo/deep/_demo.so"].rpath == ("$ORIGIN/../lib",)
    assert sorted(elves) == sorted(files)


def test_a_library_of_the_wheel_itself_is_found_on_macos(
    compile_c: Callable[..., bytes], repair: Callable[..., RepairedWheel], tmp_path: Path
) -> None:
    own = tmp_path / "libown.dylib"
    own.write_bytes(compile_c(MACOS, LIBRARY, "-Wl,-install_name,@rpath/libown.dylib"))
    module = compile_c(MACOS, MODULE, own)

    wheel = repair(MACOS, {"demo/_demo.abi3.so": module, "demo/lib/libown.dylib": own.read_bytes()}).path

    (image,) = read_macho(read_wheel(wheel).files["demo/_demo.abi3.so"].data).images
    assert "@loader_path/lib/libown.dylib" in image.needed
    assert image.signature == ()
    assert [f for f in audit_wheel(wheel).findings if f.check in ("libraries", "rpath", "signature")] == []


@pytest.mark.parametrize("tag", [*LINUX, MACOS, WINDOWS])
def test_data_of_a_grafted_library_is_part_of_the_wheel(
    tag: str, compile_c: Callable[..., bytes], repair: Callable[..., RepairedWheel], tmp_path: Path
) -> None:
    prefix = make_prefix(tmp_path, tag, compile_c)
    (prefix / "share" / "answers").mkdir()
    (prefix / "share" / "answers" / "all.txt").write_bytes(b"42\n")
    library = next(path for path in [*prefix.glob("lib/*.[sd]*"), *prefix.glob("bin/*.dll")])
    module = compile_c(tag, MODULE, tmp_path / "libanswer.dll.a" if tag == WINDOWS else library)
    name = "demo/_demo.pyd" if tag == WINDOWS else "demo/_demo.abi3.so"

    wheel = repair(tag, {name: module}, prefix, data={"demo/answers": "share/answers"}).path

    assert read_wheel(wheel).files["demo/answers/all.txt"].data == b"42\n"
    assert [finding for finding in audit_wheel(wheel).findings if "all.txt" in str(finding)] == []


@pytest.mark.parametrize("exports", [("PyInit_*",), None], ids=["own", "of another project"])
def test_a_library_of_which_the_wheel_has_only_data_is_in_its_sbom(
    compile_c: Callable[..., bytes],
    repair: Callable[..., RepairedWheel],
    tmp_path: Path,
    exports: tuple[str, ...] | None,
) -> None:
    prefix = make_prefix(tmp_path, GLIBC, compile_c)
    (prefix / "share" / "tables").mkdir()
    (prefix / "share" / "tables" / "all.txt").write_bytes(b"42\n")
    write_file_list("tables", prefix)
    texts, requires = {"COPYING": b"You may read it.\n"}, ("unused",)
    library = Library(
        name="tables", version="3.1", license="CC0-1.0", linkage="shared", files=("libtables",), texts=texts
    )
    for fact in (library, replace(library, name="unused", version="1.0", license="BSD-2-Clause", files=("libunused",))):
        write_library(replace(fact, requires=requires if fact is library else ()), prefix)
    for name in ("libtables.so", "libunused.so"):
        (prefix / "lib" / name).write_bytes(compile_c(GLIBC, LIBRARY, f"-Wl,-soname,{name}"))

    repaired = repair(GLIBC, {"demo/_demo.so": compile_c(GLIBC, LONELY)}, prefix, exports, {"demo/t": "share/tables"})

    wheel = read_wheel(repaired.path)
    (component,) = json.loads(wheel.files[f"{INFO}/sboms/demo.cdx.json"].data)["components"]
    assert (component["name"], component["version"]) == ("tables", "3.1")
    assert [p["value"] for p in component["properties"] if p["name"] == "everywheel:file"] == ["demo/t/all.txt"]
    assert wheel.files[f"{INFO}/licenses/tables/COPYING"].data == texts["COPYING"]
    assert "License-Expression: MIT AND CC0-1.0\n" in metadata_of(repaired.path)
    assert audit_wheel(repaired.path).findings == ()
    assert [note for note in repaired.notes if note.startswith("tables")] == []


@pytest.mark.parametrize("tag", LINUX)
def test_programs_are_repaired_as_modules_are(
    tag: str, compile_c: Callable[..., bytes], repair: Callable[..., RepairedWheel], tmp_path: Path
) -> None:
    prefix = make_prefix(tmp_path, tag, compile_c)
    program = compile_c(tag, PROGRAM, prefix / "lib" / "libanswer.so.1", f"-Wl,-rpath,{prefix}/lib")
    files = {"demo/bin/lib": program, "demo/files": program, "demo-1.0.data/scripts/tool": program}

    wheel = repair(tag, files, prefix).path

    elves, contents = read_elves(wheel), read_wheel(wheel).files
    assert elves["demo/bin/lib"].rpath == ("$ORIGIN/../../demo.libs",)
    assert elves["demo/files"].rpath == ("$ORIGIN/../demo.libs",)
    # Where scripts are installed is not known: a script starts the program in site-packages.
    assert elves["demo.scripts/tool"].rpath == ("$ORIGIN/../demo.libs",)
    assert contents["demo-1.0.data/scripts/tool"].data.startswith(b"#!python\n")
    assert all(contents[path].executable for path in (*files, "demo.scripts/tool"))


def test_a_program_that_cannot_find_its_libraries_is_an_error(
    compile_c: Callable[..., bytes], repair: Callable[..., RepairedWheel], tmp_path: Path
) -> None:
    prefix = make_prefix(tmp_path, GLIBC, compile_c)
    library = prefix / "lib" / "libanswer.so.1"
    program, module = (compile_c(GLIBC, source, library) for source in (PROGRAM, MODULE))

    with pytest.raises(BuildError) as caught:
        repair(GLIBC, {"demo/_demo.so": module, "demo-1.0.data/data/bin/tool": program}, prefix)

    assert caught.value.render() == (
        "error: demo 1.0 for manylinux_2_17_x86_64: files are installed where they cannot find their libraries\n"
        "  demo-1.0.data/data/bin/tool: needs libanswer.so.1, which is grafted next to the package\n"
        "  hint: install the program into the package, next to its libraries, or link it statically"
    )
    assert not (tmp_path / "wheelhouse").exists()


def test_a_program_of_windows_that_needs_a_grafted_dll_is_an_error(
    compile_c: Callable[..., bytes], repair: Callable[..., RepairedWheel], tmp_path: Path
) -> None:
    prefix = make_prefix(tmp_path, WINDOWS, compile_c)
    program = compile_c(WINDOWS, PROGRAM, tmp_path / "libanswer.dll.a")

    with pytest.raises(BuildError) as caught:
        repair(WINDOWS, {"demo/tool.exe": program}, prefix)

    assert caught.value.details == {"demo/tool.exe": "needs libanswer.dll, which is grafted next to the package"}


@pytest.mark.parametrize("tag", LINUX)
def test_a_shared_library_that_is_only_opened_with_dlopen_is_grafted_under_its_name(
    tag: str, compile_c: Callable[..., bytes], repair: Callable[..., RepairedWheel], tmp_path: Path
) -> None:
    prefix = make_prefix(tmp_path, tag, compile_c)

    finished = repair(tag, {"demo/_demo.so": compile_c(tag, OPENER)}, prefix)

    elves = read_elves(finished.path)
    assert elves["demo.libs/libanswer.so.1"].soname == "libanswer.so.1"
    assert "libanswer.so.1" in elves["demo/_demo.so"].needed
    assert elves["demo/_demo.so"].rpath == ("$ORIGIN/../demo.libs",)
    assert "License-Expression: MIT AND Zlib AND ISC\n" in metadata_of(finished.path)
    assert finished.notes == ()


@pytest.mark.parametrize("file", ["libglib-2.0.so.0", "libglib-2.0.so.0.8400.4"])
def test_a_library_that_the_policy_promises_is_grafted_if_the_wheel_was_built_with_its_own(
    file: str, compile_c: Callable[..., bytes], repair: Callable[..., RepairedWheel], tmp_path: Path
) -> None:
    soname, folder = "libglib-2.0.so.0", tmp_path / "prefix" / "lib"
    folder.mkdir(parents=True)
    library = folder / file
    library.write_bytes(compile_c(GLIBC, LIBRARY, f"-Wl,-soname,{soname}"))
    if file != soname:
        (folder / soname).symlink_to(file)
    texts = {"COPYING": b"You may.\n"}
    glib = Library(name="glib", version="1.0", license="Zlib", linkage="shared", files=("libglib-2.0",), texts=texts)
    write_library(glib, tmp_path / "prefix")
    module = compile_c(GLIBC, MODULE, library)

    finished = repair(GLIBC, {"demo/_demo.so": module}, tmp_path / "prefix")

    elves = read_elves(finished.path)
    (grafted,) = [path for path in elves if path.startswith("demo.libs/")]
    assert soname in read_elf(module).needed
    assert elves["demo/_demo.so"].needed[0] == elves[grafted].soname == grafted.removeprefix("demo.libs/") != soname
    assert "License-Expression: MIT AND Zlib\n" in metadata_of(finished.path)
    assert audit_wheel(finished.path).findings == ()


def test_a_grafted_library_is_opened_with_dlopen(
    compile_c: Callable[..., bytes], repair: Callable[..., RepairedWheel], tmp_path: Path
) -> None:
    if platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc":
        pytest.skip("loads a library for x86_64 and glibc")
    finished = repair(GLIBC, {"demo/_demo.so": compile_c(GLIBC, OPENER)}, make_prefix(tmp_path, GLIBC, compile_c))
    zipfile.ZipFile(finished.path).extractall(tmp_path / "installed")
    code = f"import ctypes; print(ctypes.CDLL({str(tmp_path / 'installed/demo/_demo.so')!r}).demo_open())"

    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert output == "42\n"


@pytest.mark.parametrize("tag", [*LINUX, MACOS, WINDOWS])
def test_a_library_that_no_file_needs_is_reported_and_is_not_in_licenses_and_sbom(
    tag: str, compile_c: Callable[..., bytes], repair: Callable[..., RepairedWheel], tmp_path: Path
) -> None:
    prefix = make_prefix(tmp_path, tag, compile_c)
    name = "demo/_demo.pyd" if tag == WINDOWS else "demo/_demo.abi3.so"

    finished = repair(tag, {name: compile_c(tag, LONELY)}, prefix)

    assert finished.notes == (
        "answer 1.0 is not part of the result: no file is linked to it",
        "part 2.0 is not part of the result: no file is linked to it",
    )
    assert "License-Expression: MIT\n" in metadata_of(finished.path)
    assert not [path for path in read_wheel(finished.path).files if "/licenses/" in path]


@pytest.mark.parametrize(
    ("tag", "module", "library", "folder"),
    [(WINDOWS, "demo/_demo.pyd", "libanswer.dll", "bin"), (GLIBC, "demo/_demo.so", "libanswer.so.1", "lib")],
)
def test_a_library_that_cannot_be_found_is_named_with_its_user(
    tag: str,
    module: str,
    library: str,
    folder: str,
    compile_c: Callable[..., bytes],
    repair: Callable[..., RepairedWheel],
    tmp_path: Path,
) -> None:
    prefix = make_prefix(tmp_path, tag, compile_c)
    linked = tmp_path / "libanswer.dll.a" if tag == WINDOWS else prefix / "lib" / library

    with pytest.raises(AuditError) as caught:
        repair(tag, {module: compile_c(tag, MODULE, linked)})

    assert caught.value.exit_code == 5
    target = parse_target(tag).tag
    assert caught.value.render() == (
        f"error: demo 1.0 for {target}: a library that the wheel needs cannot be found\n"
        f"  {module}: needs {library}\n"
        f"  searched: the wheel, {tmp_path / 'empty' / folder}, and the libraries of every {target} system\n"
        "  hint: build it with a recipe that `requires` and `shared` of [tool.everywheel] name, or link it statically"
    )


# --- wheels of other projects

FOREIGN = (
    "cp312-cp312-manylinux2014_x86_64",
    "cp314-cp314t-manylinux2014_x86_64",
    "pp310-pypy310_pp73-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "py3-none-manylinux2014_x86_64",
    "py2.py3-none-manylinux2014_x86_64",
    "cp39-abi3-manylinux_2_17_x86_64.manylinux_2_28_x86_64",
)


@pytest.mark.parametrize("tags", FOREIGN)
def test_a_wheel_of_another_project_keeps_its_tags_build_number_and_metadata(
    tags: str, compile_c: Callable[..., bytes], shared_store: Path, tmp_path: Path
) -> None:
    files = {
        "demo/_demo.so": compile_c(GLIBC, LONELY),
        "demo/run": b"#!/bin/sh\n",
        "demo-1.0.data/scripts/start": b"#!python\n",
        "demo-1.0.data/headers/demo.h": b"",
        f"{INFO}/entry_points.txt": b"[console_scripts]\ndemo = demo:main\n",
        f"{INFO}/RECORD.jws": b"{}",
    }
    original = make_wheel(tags, files, build="2_x")

    finished = repair_one(shared_store, tmp_path, original, GLIBC, None, None)

    assert finished.path.name == f"demo-1.0-2_x-{tags}.whl"
    assert finished.notes == (f"{INFO}/RECORD.jws is not part of the result: the signature would not match",)
    unsigned = {path: file for path, file in original.files.items() if not path.endswith(".jws")}
    assert read_wheel(finished.path).files == unsigned
    contents, _ = read_wheel_contents(finished.path)
    assert contents is not None
    assert list(check_record(contents)) == []


def test_another_platform_tag_changes_nothing_else_in_the_wheel_file(
    compile_c: Callable[..., bytes], shared_store: Path, tmp_path: Path
) -> None:
    original = make_wheel("cp312-cp312-linux_x86_64", {"demo/_demo.so": compile_c(GLIBC, LONELY)}, build="7")
    retagged = replace(original, platform=GLIBC)

    wheel = repair_one(shared_store, tmp_path, retagged, GLIBC, None, None).path

    assert wheel.name == "demo-1.0-7-cp312-cp312-manylinux2014_x86_64.whl"
    assert read_wheel(wheel).files[f"{INFO}/WHEEL"].data.decode() == (
        "Wheel-Version: 1.0\nGenerator: other 1\nX-Signer: factory 7\nRoot-Is-Purelib: false\nBuild: 7\n"
        "Tag: cp312-cp312-manylinux2014_x86_64\n"
    )


def test_grafting_keeps_unknown_metadata_of_another_project(
    compile_c: Callable[..., bytes], repair: Callable[..., RepairedWheel], tmp_path: Path
) -> None:
    prefix = make_prefix(tmp_path, GLIBC, compile_c)
    module = compile_c(GLIBC, MODULE, prefix / "lib" / "libanswer.so.1")

    wheel = repair(GLIBC, {"demo/_demo.so": module}, prefix, None).path

    assert metadata_of(wheel) == (
        "Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nLicense-Expression: MIT AND Zlib AND ISC\n"
        "License-File: answer/COPYING\nLicense-File: part/COPYING\nX-Origin: factory 7\n\nA demo.\n"
    )
    assert b"PyInit" not in read_wheel(wheel).files[f"{INFO}/sboms/demo.cdx.json"].data


def test_files_of_platlib_are_moved_to_where_they_are_installed(
    compile_c: Callable[..., bytes], repair: Callable[..., RepairedWheel], tmp_path: Path
) -> None:
    prefix = make_prefix(tmp_path, GLIBC, compile_c)
    module = compile_c(GLIBC, MODULE, prefix / "lib" / "libanswer.so.1")

    finished = repair(GLIBC, {"demo-1.0.data/platlib/demo/_demo.so": module}, prefix)

    assert read_elves(finished.path)["demo/_demo.so"].rpath == ("$ORIGIN/../demo.libs",)
    assert finished.notes == (
        "the files of .data/platlib and .data/purelib are in the root of the result, where they are installed",
    )


def test_a_result_with_audit_findings_is_not_written(
    compile_c: Callable[..., bytes], shared_store: Path, tmp_path: Path
) -> None:
    (tmp_path / "prefix" / "share" / "everywheel").mkdir(parents=True)
    files = {
        "demo/_demo.so": compile_c(GLIBC, LONELY),
        f"{INFO}/METADATA": METADATA.replace(b"License-Expression: MIT\n", b""),
    }
    unlicensed = add_files(make_wheel(f"cp312-cp312-{GLIBC}", {}), files)
    wheel = pack_wheel(unlicensed, tmp_path, epoch=FIXED_TIME)
    command = ["--project", str(PROJECT), "repair", str(wheel), "--prefix", str(tmp_path / "prefix")]
    command += ["--wheelhouse", str(tmp_path / "wheelhouse")]

    audited = CliRunner().invoke(main, command)
    written = CliRunner().invoke(main, [*command, "--no-audit"])

    assert audited.exit_code == 5
    assert audited.output.splitlines()[:3] == [
        f"error: demo-1.0-cp312-cp312-{GLIBC}.whl: the audit has 1 finding",
        f"  result: not written to {tmp_path / 'wheelhouse'}; --ignore accepts the findings of a check, --no-audit all",
        f"  | licenses (quality): {INFO}/METADATA: no License-Expression (PEP 639)",
    ]
    assert (written.exit_code, written.output) == (0, f"{tmp_path / 'wheelhouse' / wheel.name}\n")
