"""Required symbols come from the wheel, the C library, a library of the policy or Python; other checks of loading a wheel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from everywheel.audit.build_paths import check_build_paths, summarize_build_paths, summarize_opened_libraries
from everywheel.audit.elf_linking import check_elf_arch, check_elf_libraries, check_elf_loader, check_elf_rpath
from everywheel.audit.imported_symbols import check_macho_symbols, check_pe_symbols
from everywheel.audit.report import Finding
from everywheel.audit.summary import summarize_undefined
from everywheel.audit.tags import check_tags
from everywheel.audit.undefined_symbols import check_undefined_symbols
from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.elf import ElfFacts, VersionNeed
from everywheel.binaries.macho import MachoFacts
from everywheel.platforms.linux_policy import load_policy
from everywheel.platforms.symbol_lists import has_symbol, load_libc_symbols, load_python_symbols
from example_wheels import ELF, IMAGE, PE, make_demo_wheel

GLIBC = "cp312-cp312-manylinux2014_x86_64"
MUSL = "cp312-cp312-musllinux_1_2_x86_64"
NAME = "demo/_demo.so"


def make_contents(
    tag: str = GLIBC, files: Mapping[str, bytes] | None = None, build_paths: tuple[str, ...] = (), **binaries: Any
) -> WheelContents:
    paths = [path for group in binaries.values() for path in group]
    wheel = make_demo_wheel(tag, {**dict.fromkeys(paths, b""), **(files or {})})
    return WheelContents(path=Path(f"demo-1.0-{tag}.whl"), wheel=wheel, build_paths=build_paths, **binaries)


def list_missing(contents: WheelContents) -> list[tuple[str, tuple[str, ...]]]:
    checks = (check_undefined_symbols, check_macho_symbols, check_pe_symbols)
    return [(finding.file, finding.evidence) for check in checks for finding in check(contents)]


def needs(version: str, *symbols: str, library: str = "libc.so.6") -> tuple[VersionNeed, ...]:
    return (VersionNeed(library=library, version=version, symbols=symbols),)


# --- ELF


@pytest.mark.parametrize(
    ("tag", "changes", "missing"),
    [
        (GLIBC, {"undefined": ("nowhere_to_be_found",)}, ("nowhere_to_be_found",)),
        (GLIBC, {"undefined": ("malloc", "PyList_New", "_Py_NoneStruct")}, ()),
        (GLIBC, {"undefined": ("reallocarray",)}, ("reallocarray",)),  # glibc 2.26
        (GLIBC.replace("2014", "_2_28"), {"undefined": ("reallocarray",)}, ()),
        (GLIBC, {"undefined": ("memcpy",), "versions": needs("GLIBC_2.14", "memcpy")}, ()),
        (GLIBC, {"undefined": ("memcpy",), "versions": needs("GLIBC_2.3", "memcpy")}, ("memcpy@GLIBC_2.3",)),
        (GLIBC.replace("x86_64", "aarch64"), {"undefined": ("memcpy",), "versions": needs("GLIBC_2.2.5", "memcpy")}, 1),
        (GLIBC, {"undefined": ("x",), "needed": ("libstdc++.so.6",)}, ("x",)),  # all symbols of libstdc++ have versions
        (GLIBC, {"undefined": ("glBegin",), "needed": ("libGL.so.1",)}, ()),  # no list of it
        (GLIBC, {"undefined": ("PyRemoved_Function",), "needed": ("libGL.so.1",)}, ("PyRemoved_Function",)),
        (GLIBC, {"undefined": ("_PyErr_StackItemToExcInfoTuple",)}, ()),
        (GLIBC.replace("12", "13"), {"undefined": ("_PyErr_StackItemToExcInfoTuple",)}, 1),
        (GLIBC.replace("12", "11"), {"undefined": ("PyType_GetDict",)}, ("PyType_GetDict",)),  # Python 3.12
        (
            "pp311-pypy311_pp73-manylinux2014_x86_64",
            {"undefined": ("PyPyList_New", "pypy_init_embedded_cffi_module")},
            (),
        ),
        ("py3-none-manylinux2014_x86_64", {"undefined": ("PyList_New",)}, ()),
        (MUSL, {"undefined": ("malloc", "fopen64", "readdir64_r", "PyList_New")}, ()),
        (MUSL, {"undefined": ("qsort_r",)}, ()),  # musl 1.2.3
        (MUSL.replace("1_2", "1_1"), {"undefined": ("qsort_r",)}, ("qsort_r",)),
        (MUSL, {"undefined": ("__memcpy_chk",)}, ("__memcpy_chk",)),  # glibc only
        (GLIBC, {"undefined": ("PyList_New",), "kind": "ET_EXEC", "is_program": True}, ("PyList_New",)),
    ],
)
def test_a_symbol_that_nothing_provides_is_found(
    tag: str, changes: dict[str, Any], missing: tuple[str, ...] | int
) -> None:
    elf = replace(ELF, exports=("PyInit__demo",), **changes)
    expected = tuple(changes["undefined"]) if missing == 1 else missing

    findings = list_missing(make_contents(tag, elves={NAME: elf}))

    assert [tuple(symbol.split("@")[0] for symbol in evidence) for _, evidence in findings] == (
        [tuple(symbol.split("@")[0] for symbol in expected)] if expected else []  # type: ignore[union-attr]
    )


def test_a_file_of_the_wheel_provides_symbols_only_to_files_that_load_it() -> None:
    library = replace(ELF, exports=("SharpYuvInit",), soname="libsharpyuv.so.0")
    module = replace(ELF, undefined=("SharpYuvInit",), exports=("PyInit__demo",), rpath=("$ORIGIN/../demo.libs",))
    loading = replace(module, needed=("libsharpyuv.so.0",))

    def audit(elf: ElfFacts) -> list[tuple[str, tuple[str, ...]]]:
        return list_missing(make_contents(elves={NAME: elf, "demo.libs/libsharpyuv.so.0": library}))

    assert audit(loading) == []
    assert audit(module) == [
        (NAME, ("SharpYuvInit (in demo.libs/libsharpyuv.so.0, which is not loaded with this file)",))
    ]


def test_the_finding_names_the_tag_and_the_summary_what_was_not_verified() -> None:
    elf = replace(ELF, undefined=("nowhere_to_be_found",), needed=("libc.so.6",))
    opengl = replace(ELF, undefined=("glBegin", "malloc"), needed=("libGL.so.1",))

    assert list(check_undefined_symbols(make_contents(elves={NAME: elf}))) == [
        Finding(
            check="undefined",
            file=NAME,
            message="needs a symbol that neither the wheel, nor manylinux2014_x86_64 systems, nor Python provide",
            evidence=("nowhere_to_be_found",),
        )
    ]
    assert summarize_undefined(make_contents(elves={NAME: opengl})) == (
        "2 required symbols compared; 1 not verified, since there is no list for libGL.so.1"
    )


def test_the_summary_names_the_patch_release_of_musl() -> None:
    elf = replace(ELF, undefined=("qsort_r", "malloc"))

    assert summarize_undefined(make_contents(MUSL, elves={NAME: elf})) == (
        "2 required symbols compared; needs musl 1.2.3 or newer"
    )


def test_the_lists_have_every_architecture_and_python() -> None:
    for libc, floor in (("glibc", "manylinux_2_35"), ("musl", "musllinux_1_2")):
        for arch in ("x86_64", "aarch64", "i686", "armv7l", "ppc64le", "s390x", "riscv64"):
            policy = load_policy(f"{floor}_{arch}")
            assert policy is not None
            assert has_symbol("malloc", policy)
            assert not has_symbol("nowhere_to_be_found", policy)
            assert len(load_libc_symbols(libc, arch)) > 1600
    for minor in range(9, 16):
        assert {"PyList_New", "PyErr_SetFromWindowsErr", "PyExc_ValueError"} <= load_python_symbols((3, minor))
    assert load_python_symbols((3, 99)) == frozenset()


# --- search paths, loaders, calling conventions, tags


@pytest.mark.parametrize(
    ("path", "entry", "library", "message"),
    [
        (NAME, "$ORIGIN/../demo.libs", "demo.libs/liba.so", None),
        ("demo-1.0.data/platlib/demo/_demo.so", "$ORIGIN/../demo.libs", "demo.libs/liba.so", None),
        (NAME, "$ORIGIN/gone/../../demo.libs", "demo.libs/liba.so", "leads out of the wheel"),
        (NAME, "$ORIGIN/../../site-packages/demo.libs", "demo.libs/liba.so", "leads out of the wheel"),
        ("demo-1.0.data/scripts/demo", "$ORIGIN/../../demo.libs", "demo.libs/liba.so", "leads out of the wheel"),
    ],
)
def test_a_library_is_found_through_a_path_that_stays_in_the_wheel(
    path: str, entry: str, library: str, message: str | None
) -> None:
    contents = make_contents(elves={path: replace(ELF, needed=("liba.so",), rpath=(entry,)), library: ELF})

    findings = [finding.message for check in (check_elf_rpath, check_elf_libraries) for finding in check(contents)]

    assert findings == (
        [
            f"RPATH entry '{entry}' {message}",
            "needs liba.so, which is in the wheel, but not in a directory on its RPATH",
        ]
        if message
        else []
    )


def test_a_needed_name_with_a_slash_is_a_path_and_not_searched_for() -> None:
    elves = {NAME: replace(ELF, needed=("sub/liba.so",), rpath=("$ORIGIN",)), "demo/sub/liba.so": ELF}

    (finding,) = check_elf_libraries(make_contents(elves=elves))

    assert (
        finding.message == "needs sub/liba.so: the loader does not search for a name with a slash, but opens that path"
    )


def test_a_program_has_the_loader_of_each_tag() -> None:
    program = replace(ELF, kind="ET_EXEC", is_program=True, interpreter="/lib64/ld-linux-x86-64.so.2")
    tag = "py3-none-manylinux2014_x86_64.musllinux_1_2_x86_64"

    assert list(check_elf_loader(make_contents("py3-none-manylinux2014_x86_64", elves={NAME: program}))) == []
    assert [finding.message for finding in check_elf_loader(make_contents(tag, elves={NAME: program}))] == [
        "is loaded by /lib64/ld-linux-x86-64.so.2; "
        "on musllinux_1_2_x86_64 systems the loader is /lib/ld-musl-x86_64.so.1"
    ]


def test_each_of_several_tags_is_checked() -> None:
    """A static program runs with both C libraries; a module needs one of them."""
    tag = "cp312-cp312-manylinux2014_x86_64.musllinux_1_2_x86_64"
    static = make_contents(tag, elves={"demo/bin/demo": replace(ELF, kind="ET_EXEC", is_program=True)})
    module = make_contents(tag, elves={NAME: replace(ELF, needed=("libc.so.6",), undefined=("__memcpy_chk",))})
    checks = (check_tags, check_elf_arch, check_elf_libraries, check_undefined_symbols)

    assert [finding for check in checks for finding in check(static)] == []
    assert [finding.message for check in checks for finding in check(module)] == [
        "needs libc.so.6, which is not in the wheel and not on every musllinux_1_2_x86_64 system"
    ]


@pytest.mark.parametrize(
    ("arch", "machine", "flags", "convention"),
    [
        ("armv7l", "EM_ARM", 0x5000200, "soft floating point"),
        ("armv7l", "EM_ARM", 0x5000400, None),
        ("ppc64le", "EM_PPC64", 1, "the ABI ELFv1"),
        ("riscv64", "EM_RISCV", 0x1, "soft floating point"),
        ("riscv64", "EM_RISCV", 0x5, None),
    ],
)
def test_another_calling_convention_is_found(arch: str, machine: str, flags: int, convention: str | None) -> None:
    bits = 32 if arch == "armv7l" else 64
    contents = make_contents(
        f"cp312-cp312-manylinux_2_31_{arch}", elves={NAME: replace(ELF, machine=machine, bits=bits, flags=flags)}
    )

    assert [finding.message for finding in check_elf_arch(contents)] == (
        [f"built for {convention}, which programs for manylinux_2_31_{arch} cannot call"] if convention else []
    )


@pytest.mark.parametrize(
    ("name", "tag", "message"),
    [
        ("_demo.cpython-312-x86_64-linux-gnu.so", GLIBC, None),
        ("_demo.cpython-312-aarch64-linux-gnu.so", GLIBC, "is named as a module for aarch64-linux-gnu"),
        ("_demo.cpython-312-arm-linux-gnueabi.so", GLIBC.replace("x86_64", "armv7l"), "is named as a module for arm"),
        ("_demo.cpython-312-i386-linux-gnu.so", GLIBC.replace("x86_64", "i686"), None),
        ("_demo.cpython-313-x86_64-linux-gnu.so", GLIBC, "is for cp313 only"),
        ("_demo.pypy311-pp73-x86_64-linux-gnu.so", "pp311-pypy311_pp73-manylinux2014_x86_64", None),
        (
            "_demo.pypy310-pp73-x86_64-linux-gnu.so",
            "pp311-pypy311_pp73-manylinux2014_x86_64",
            "is for pypy310_pp73 only",
        ),
        ("_demo.pypy311-pp73-x86_64-linux-gnu.so", GLIBC, "is for pypy311_pp73 only"),
    ],
)
def test_the_processor_and_python_in_a_modules_name_are_those_of_the_tag(
    name: str, tag: str, message: str | None
) -> None:
    contents = make_contents(tag, elves={f"demo/{name}": replace(ELF, exports=("PyInit__demo",))})

    findings = [finding.message for finding in check_tags(contents) if finding.file.startswith("demo/")]

    assert len(findings) == (message is not None)
    assert all(finding.startswith(message or "") for finding in findings)


def test_a_cffi_module_for_pypy_has_its_own_init_function() -> None:
    elves = {"demo/_demo.pypy311-pp73-x86_64-linux-gnu.so": replace(ELF, exports=("_cffi_pypyinit__demo",))}
    contents = make_contents("pp311-pypy311_pp73-manylinux2014_x86_64", elves=elves)

    assert [finding for finding in check_tags(contents) if finding.file.startswith("demo/")] == []


# --- Mach-O and PE


def make_mac(origins: Mapping[str, str], **changes: Any) -> MachoFacts:
    return MachoFacts(images=(replace(IMAGE, origins=origins, **changes),))


def test_symbols_of_a_macos_module_come_from_python_the_wheel_or_libsystem() -> None:
    name, library = "demo/_demo.cpython-312-darwin.so", "demo/.dylibs/liba.dylib"
    needed = ("/usr/lib/libSystem.B.dylib", "@loader_path/.dylibs/liba.dylib")
    origins = {
        "PyList_New": "",
        "PyRemoved_Function": "",
        "malloc": "",
        "stat$INODE64": "",
        "nowhere_to_be_found": "",
        "a_new": needed[1],
        "a_gone": needed[1],
        "printf": needed[0],
    }
    provider = make_mac({}, name="@loader_path/liba.dylib", exports=("a_new",))
    module = make_mac(origins, needed=needed)

    assert list_missing(make_contents("cp312-cp312-macosx_11_0_arm64", machos={name: module, library: provider})) == [
        (name, ("PyRemoved_Function", "a_gone", "nowhere_to_be_found"))
    ]


def test_imports_of_a_windows_module_are_exported_by_python_and_the_dlls_of_the_wheel() -> None:
    imports = {"python312.dll": ("PyList_New", "PyRemoved_Function", "number 7"), "a.dll": ("a_new", "a_gone")}
    pes = {"demo/_demo.pyd": replace(PE, imports=imports), "demo/a.dll": replace(PE, exports=("a_new",))}

    assert list_missing(make_contents("cp312-cp312-win_amd64", pes=pes)) == [
        ("demo/_demo.pyd", ("PyRemoved_Function", "a_gone"))
    ]


# --- paths of the build, libraries that are opened


def test_a_path_of_the_build_in_any_file_is_found() -> None:
    files = {"demo/config.py": b"x = 1\nprefix = '/store/work/7/prefix'\n", "demo/data.bin": b"\0/store/work/7\0"}

    assert list(check_build_paths(make_contents(files=files, build_paths=("/store/work/7", "/other")))) == [
        Finding(
            check="paths",
            file="demo/config.py",
            message="contains a path of the build machine: /store/work/7",
            evidence=("prefix = '/store/work/7/prefix'",),
        ),
        Finding(check="paths", file="demo/data.bin", message="contains a path of the build machine: /store/work/7"),
    ]
    assert list(check_build_paths(make_contents(files=files))) == []


def test_directories_of_build_tools_in_a_foreign_wheel_are_in_the_summary() -> None:
    files = {"numpy/__config__.py": b'"path": r"/tmp/build-env-3h2k1x9a/bin/cython",\n', "long.txt": b"x" * 1_000_000}

    assert summarize_build_paths(make_contents(files=files)) == (
        "searched for 0 paths of the build; "
        "directories of a build machine in numpy/__config__.py (/build-env-3h2k1x9a/bin/cython)"
    )


def test_libraries_that_are_opened_and_not_in_the_wheel_are_in_the_summary() -> None:
    elves = {NAME: replace(ELF, opened=("libcuda.so.1", "liba.so")), "demo/liba.so": ELF}

    assert summarize_opened_libraries(make_contents(elves=elves)) == "may open from the system: libcuda.so.1 (_demo.so)"
