"""The checks of ELF files, tags and licenses on constructed facts: the exact finding of each fault, and none otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.audit.elf_linking import (
    check_elf_arch,
    check_elf_libraries,
    check_elf_rpath,
    check_symbols,
    find_external_libraries,
)
from everywheel.audit.hygiene import (
    check_debug,
    check_exports,
    check_hardening,
    check_page_size,
    check_stack,
    check_text_relocations,
    find_declared_exports,
)
from everywheel.audit.licenses import check_licenses
from everywheel.audit.report import Finding
from everywheel.audit.sbom import Component, Sbom
from everywheel.audit.tags import check_tags
from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.elf import ElfFacts, VersionNeed
from everywheel.binaries.elf_protections import Protections
from everywheel.platforms.linux_policy import Policy, load_policy
from everywheel.platforms.symbol_versions import split_version
from example_wheels import ELF, make_demo_wheel

MODULE = replace(
    ELF, needed=("libfoo-12345678.so.1", "libc.so.6"), rpath=("$ORIGIN/../demo.libs",), exports=("PyInit__demo",)
)
LIBRARY = replace(
    ELF, needed=("libc.so.6", "ld-linux-x86-64.so.2"), soname="libfoo-12345678.so.1", exports=("foo_new",)
)
ELVES = {"demo/_demo.abi3.so": MODULE, "demo.libs/libfoo-12345678.so.1": LIBRARY}
FOO = Component(
    name="foo",
    version="1.2",
    license="Zlib",
    linkage="shared",
    files=("demo.libs/libfoo-12345678.so.1",),
    exports=("foo_*",),
)
TINY = Component(name="tiny", version="0.3", license="MIT", linkage="static", files=(), exports=("tiny_*",))
SBOM = Sbom(components=(FOO, TINY), module_exports=("PyInit_*",))


def policy(tag: str = "manylinux2014_x86_64") -> Policy:
    loaded = load_policy(tag)
    assert loaded is not None
    return loaded


def make_content(
    elves: Mapping[str, ElfFacts] = ELVES,
    *,
    tag: str = "cp311-abi3-manylinux2014_x86_64",
    expression: str = "MIT AND Zlib",
    wheel_file: str = "",
    metadata: str = "",
    sbom: Sbom = SBOM,
    files: Mapping[str, bytes] | None = None,
) -> WheelContents:
    wheel_file = wheel_file or f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n"
    metadata = metadata or f"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nLicense-Expression: {expression}\n"
    all_files = {
        **dict.fromkeys(elves, b"\x7fELF"),
        "demo-1.0.dist-info/METADATA": metadata.encode(),
        "demo-1.0.dist-info/WHEEL": wheel_file.encode(),
        "demo-1.0.dist-info/licenses/foo/COPYING": b"message",
        "demo-1.0.dist-info/licenses/tiny/LICENSE": b"message",
        **(files or {}),
    }
    wheel = make_demo_wheel(tag, all_files)
    return WheelContents(path=Path(f"demo-1.0-{tag}.whl"), wheel=wheel, elves=elves, sbom=sbom)


def test_a_correct_wheel_has_no_findings() -> None:
    contents = make_content()

    findings = [
        *check_tags(contents),
        *check_elf_arch(contents),
        *check_symbols(contents),
        *check_elf_libraries(contents),
        *check_elf_rpath(contents),
        *check_stack(contents),
        *check_text_relocations(contents),
        *check_page_size(contents),
        *check_debug(contents),
        *check_exports(contents),
        *check_licenses(contents),
    ]

    assert findings == []
    assert list(find_declared_exports(contents)) == list(ELVES)
    assert find_external_libraries(contents)["demo/_demo.abi3.so"] == ("libc.so.6",)


# --- policies


@pytest.mark.parametrize(
    ("tag", "version", "allowed"),
    [
        ("manylinux2014_x86_64", "GLIBC_2.17", True),
        ("manylinux2014_x86_64", "GLIBC_2.2.5", True),
        ("manylinux2014_x86_64", "GLIBC_2.18", False),
        ("manylinux2014_aarch64", "GLIBC_2.18", False),
        ("manylinux_2_33_x86_64", "GLIBC_2.33", True),
        ("manylinux_2_33_x86_64", "GLIBC_2.34", False),
        ("manylinux2014_x86_64", "GLIBC_PRIVATE", False),
        ("manylinux2014_x86_64", "GLIBC_ABI_DT_RELR", False),
        ("manylinux_2_36_x86_64", "GLIBC_ABI_DT_RELR", True),
        ("manylinux2014_x86_64", "GLIBCXX_3.4.19", True),
        ("manylinux2014_x86_64", "GLIBCXX_3.4.20", False),
        ("manylinux2014_x86_64", "CXXABI_1.3.8", False),
        ("manylinux2014_x86_64", "GCC_4.8.0", True),
        ("manylinux2014_x86_64", "LIBWEBP_9", True),
        ("manylinux1_i686", "GLIBC_2.5", True),
        ("manylinux2010_x86_64", "GLIBC_2.17", False),
        ("musllinux_1_2_x86_64", "GLIBC_2.2.5", False),
    ],
)
def test_a_policy_allows_versions_up_to_its_floor(tag: str, version: str, allowed: bool) -> None:
    assert policy(tag).allows(version) is allowed


@pytest.mark.parametrize(
    ("tag", "library", "provided"),
    [
        ("manylinux2014_x86_64", "libc.so.6", True),
        ("manylinux2014_x86_64", "libz.so.1", True),
        ("manylinux2014_x86_64", "libgio-2.0.so.0", False),
        ("manylinux2014_x86_64", "libmvec.so.1", False),
        ("manylinux_2_28_x86_64", "libmvec.so.1", True),
        ("manylinux2014_aarch64", "ld-linux-aarch64.so.1", True),
        ("musllinux_1_2_aarch64", "libc.musl-aarch64.so.1", True),
        ("musllinux_1_2_armv7l", "libc.musl-armv7.so.1", True),
        ("musllinux_1_2_x86_64", "libc.so", False),
        ("musllinux_1_2_x86_64", "ld-linux-x86-64.so.2", False),
        ("musllinux_1_2_x86_64", "libstdc++.so.6", False),
    ],
)
def test_a_policy_lists_the_libraries_of_every_system(tag: str, library: str, provided: bool) -> None:
    assert policy(tag).provides(library) is provided


@pytest.mark.parametrize("tag", ["linux_x86_64", "any", "win_amd64", "macosx_11_0_arm64", "manylinux_2_17_vax"])
def test_a_tag_without_a_policy_has_none(tag: str) -> None:
    assert load_policy(tag) is None


@pytest.mark.parametrize(
    ("version", "parts"),
    [
        ("GLIBC_2.17", ("GLIBC", "2.17")),
        ("GLIBC_PRIVATE", ("GLIBC", "")),
        ("GLIBCXX_LDBL_3.4", ("GLIBCXX_LDBL", "3.4")),
        ("GLIBC_ABI_DT_RELR", ("GLIBC", "")),
        ("VIPS_42", ("VIPS", "42")),
    ],
)
def test_a_symbol_version_is_split_into_family_and_number(version: str, parts: tuple[str, str]) -> None:
    assert split_version(version) == parts


# --- loading


def test_symbols_above_the_floor_are_named_and_a_long_list_is_shortened() -> None:
    need = VersionNeed(library="libm.so.6", version="GLIBC_2.29", symbols=tuple(f"s{number}" for number in range(10)))
    contents = make_content({"demo/_demo.abi3.so": replace(MODULE, versions=(need,))})

    assert list(check_symbols(contents)) == [
        Finding(
            check="symbols",
            file="demo/_demo.abi3.so",
            message="needs GLIBC_2.29 of libm.so.6, but manylinux2014_x86_64 promises glibc 2.17",
            evidence=(*(f"s{number}@GLIBC_2.29" for number in range(8)), "and 2 more"),
        )
    ]


def test_versions_of_a_library_in_the_wheel_are_not_checked() -> None:
    need = VersionNeed(library="libfoo-12345678.so.1", version="ZLIB_1.3.9", symbols=("x",))
    contents = make_content({**ELVES, "demo/_demo.abi3.so": replace(MODULE, versions=(need,))})

    assert list(check_symbols(contents)) == []


def test_symbols_that_differ_between_systems_are_forbidden() -> None:
    contents = make_content({"demo/x.so": replace(ELF, needed=("libz.so.1",), undefined=("bi_windup", "inflate"))})

    (finding,) = check_symbols(contents)

    assert (
        finding.message
        == "uses symbols of libz.so.1 that manylinux2014_x86_64 forbids because they differ between systems"
    )
    assert finding.evidence == ("bi_windup",)


def test_a_missing_library_is_found() -> None:
    contents = make_content({"demo/x.so": replace(ELF, needed=("libgio-2.0.so.0", "libc.so.6"))})

    assert list(check_elf_libraries(contents)) == [
        Finding(
            check="libraries",
            file="demo/x.so",
            message="needs libgio-2.0.so.0, which is not in the wheel and not on every manylinux2014_x86_64 system",
        )
    ]


def test_a_library_in_the_wheel_must_be_on_the_rpath() -> None:
    contents = make_content({**ELVES, "demo/_demo.abi3.so": replace(MODULE, rpath=("$ORIGIN",))})

    (finding,) = check_elf_libraries(contents)

    assert finding.message == "needs libfoo-12345678.so.1, which is in the wheel, but not in a directory on its RPATH"
    assert finding.evidence == ("demo.libs/libfoo-12345678.so.1",)


@pytest.mark.parametrize(("inherited", "findings"), [(True, 0), (False, 1)])
def test_an_rpath_applies_to_the_dependencies_of_a_library_and_a_runpath_does_not(
    inherited: bool, findings: int
) -> None:
    elves = {
        "a/top.so": replace(ELF, needed=("libmid.so",), rpath=("$ORIGIN/../libs",), rpath_is_inherited=inherited),
        "libs/libmid.so": replace(ELF, needed=("libend.so",)),
        "libs/libend.so": ELF,
    }

    assert len(list(check_elf_libraries(make_content(elves)))) == findings


@pytest.mark.parametrize(
    ("path", "entry", "shown"),
    [
        ("demo/x.so", "$ORIGIN/../demo.libs", None),
        ("demo/x.so", "${ORIGIN}", None),
        ("demo/x.so", "$ORIGIN/..", None),
        ("demo/x.so", "$ORIGIN/../..", "leads out of the wheel"),
        ("x.so", "$ORIGIN/../lib", "leads out of the wheel"),
        ("demo-1.0.data/platlib/demo/x.so", "$ORIGIN/../..", "leads out of the wheel"),
        ("demo/x.so", "/usr/lib", "is not relative to $ORIGIN"),
        ("demo/x.so", "lib", "is not relative to $ORIGIN"),
        ("demo/x.so", "", "is not relative to $ORIGIN"),
        ("demo/x.so", "$ORIGINAL", "is not relative to $ORIGIN"),
    ],
)
def test_an_rpath_stays_inside_the_wheel(path: str, entry: str, shown: str | None) -> None:
    findings = list(check_elf_rpath(make_content({path: replace(ELF, rpath=(entry,))})))

    expected = [Finding(check="rpath", file=path, message=f"RPATH entry '{entry}' {shown}")] if shown else []
    assert findings == expected


def test_another_architecture_is_found() -> None:
    contents = make_content({"demo/x.so": replace(ELF, machine="EM_386", bits=32)})

    (finding,) = check_elf_arch(contents)

    assert finding.message == (
        "built for EM_386, 32 bits, little-endian; manylinux2014_x86_64 requires EM_X86_64, 64 bits, little-endian"
    )


# --- hygiene


@pytest.mark.parametrize(
    ("machine", "stack", "message"),
    [
        ("EM_X86_64", "rwx", "requires an executable stack (PT_GNU_STACK has the flag X)"),
        ("EM_X86_64", None, "has no PT_GNU_STACK header, which makes the stack executable"),
        ("EM_AARCH64", None, None),
        ("EM_AARCH64", "rwx", "requires an executable stack (PT_GNU_STACK has the flag X)"),
    ],
)
def test_an_executable_stack_is_found(machine: str, stack: str | None, message: str | None) -> None:
    findings = list(check_stack(make_content({"demo/x.so": replace(ELF, machine=machine, stack=stack)})))

    assert [finding.message for finding in findings] == ([message] if message else [])


def test_a_library_without_read_only_relocations_is_found() -> None:
    elves = {"demo/x.so": replace(ELF, protections=Protections(bind_now=True)), "demo/y.so": ELF}

    assert list(check_hardening(make_content(elves))) == [
        Finding(
            check="hardening",
            file="demo/x.so",
            message="has no read-only relocations (PT_GNU_RELRO is missing): link with -z relro -z now",
        )
    ]


def test_text_relocations_debug_data_and_small_pages_are_found() -> None:
    elf = replace(ELF, text_relocations=True, debug={".debug_info": 700, ".debug_line": 34}, page=4096)
    contents = make_content({"demo/x.so": elf}, tag="cp311-abi3-manylinux2014_aarch64")

    findings = [
        *check_text_relocations(contents),
        *check_debug(contents),
        *check_page_size(contents),
    ]

    assert [(finding.check, finding.message, finding.evidence) for finding in findings] == [
        ("textrel", "has text relocations: its code was not built with -fPIC", ()),
        ("debug", "contains 734 bytes of debug data", (".debug_info", ".debug_line")),
        ("pages", "segments are aligned to 4096 bytes; kernels of this architecture may use 65536-byte pages", ()),
    ]


def test_an_undeclared_export_is_found_and_its_library_named() -> None:
    leaking = replace(LIBRARY, exports=("foo_new", "g_malloc", "tiny_alloc"))

    assert list(check_exports(make_content({**ELVES, FOO.files[0]: leaking}))) == [
        Finding(
            check="exports",
            file=FOO.files[0],
            message="exports 2 symbols that the recipe does not declare (declared: foo_*)",
            evidence=("g_malloc", "tiny_alloc (from tiny 0.3, which is linked statically)"),
        )
    ]


def test_exports_without_a_declaration_are_not_checked() -> None:
    contents = make_content(sbom=Sbom())

    assert (list(check_exports(contents)), find_declared_exports(contents)) == ([], {})


# --- tags


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        (
            {"wheel_file": "Root-Is-Purelib: false\nTag: cp311-abi3-linux_x86_64\n"},
            ("demo-1.0.dist-info/WHEEL", "the tags differ from those in the file name"),
        ),
        (
            {"wheel_file": "Root-Is-Purelib: true\nTag: cp311-abi3-manylinux2014_x86_64\n"},
            ("demo-1.0.dist-info/WHEEL", "Root-Is-Purelib is true, but the wheel contains compiled files"),
        ),
        (
            {"wheel_file": "Tag: cp311-abi3-manylinux2014_x86_64\n"},
            ("demo-1.0.dist-info/WHEEL", "Root-Is-Purelib is neither true nor false"),
        ),
        (
            {"metadata": "Name: other\nVersion: 1.0\n"},
            ("demo-1.0.dist-info/METADATA", "Name is 'other', but the file name has 'demo'"),
        ),
        (
            {"metadata": "Name: Demo\nVersion: 1.1\n"},
            ("demo-1.0.dist-info/METADATA", "Version is '1.1', but the file name has '1.0'"),
        ),
        (
            {"tag": "cp311-abi3-linux_x86_64"},
            (
                "demo-1.0-cp311-abi3-linux_x86_64.whl",
                "linux_x86_64 promises no compatibility; the wheel was not repaired",
            ),
        ),
        (
            {"tag": "cp311-abi3-manylinux_2_99_x86_64"},
            (
                "demo-1.0-cp311-abi3-manylinux_2_99_x86_64.whl",
                "no system has the glibc 2.99 that manylinux_2_99_x86_64 requires: the newest known version is 2.44",
            ),
        ),
        (
            {"tag": "cp311-abi3-musllinux_1_3_x86_64"},
            (
                "demo-1.0-cp311-abi3-musllinux_1_3_x86_64.whl",
                "no system has the musl 1.3 that musllinux_1_3_x86_64 requires: the newest known version is 1.2",
            ),
        ),
        (
            {"tag": "cp311-abi3-manylinux_2_4_x86_64"},
            (
                "demo-1.0-cp311-abi3-manylinux_2_4_x86_64.whl",
                "no installer accepts manylinux_2_4_x86_64: the oldest glibc in a tag for x86_64 is 2.5",
            ),
        ),
        (
            {"tag": "cp311-abi3-manylinux_2_12_aarch64"},
            (
                "demo-1.0-cp311-abi3-manylinux_2_12_aarch64.whl",
                "no installer accepts manylinux_2_12_aarch64: the oldest glibc in a tag for aarch64 is 2.17",
            ),
        ),
        (
            {"tag": "py3-none-any", "elves": {"demo/x.so": ELF}},
            ("demo-1.0-py3-none-any.whl", "tagged for any platform, but contains ELF files"),
        ),
        (
            {"elves": {}},
            ("demo-1.0-cp311-abi3-manylinux2014_x86_64.whl", "tagged manylinux2014_x86_64, but contains no ELF file"),
        ),
        (
            {"elves": {"demo/_demo.cpython-311-x86_64-linux-gnu.so": MODULE}},
            ("demo/_demo.cpython-311-x86_64-linux-gnu.so", "is for cp311 only, but the wheel is tagged cp311-abi3"),
        ),
        (
            {
                "elves": {"demo/_demo.cpython-312-x86_64-linux-gnu.so": MODULE},
                "tag": "cp311-cp311-manylinux2014_x86_64",
            },
            ("demo/_demo.cpython-312-x86_64-linux-gnu.so", "is for cp312 only, but the wheel is tagged cp311-cp311"),
        ),
        (
            {
                "elves": {"demo/_demo.cpython-311-x86_64-linux-musl.so": MODULE},
                "tag": "cp311-cp311-manylinux2014_x86_64",
            },
            (
                "demo/_demo.cpython-311-x86_64-linux-musl.so",
                "is named as a module for x86_64-linux-musl, but the wheel is tagged manylinux2014_x86_64",
            ),
        ),
        (
            {"elves": {"demo/_demo.abi3.so": MODULE}, "tag": "py3-none-manylinux2014_x86_64"},
            ("demo/_demo.abi3.so", "is named as a module of the stable ABI, but the wheel's ABI tag is 'none'"),
        ),
        (
            {"elves": {"demo/_demo.abi3t.so": MODULE}},
            (
                "demo/_demo.abi3t.so",
                "is named as a module for CPython 3.15 and later, but the wheel is tagged cp311-abi3",
            ),
        ),
        (
            {
                "elves": {"demo/_demo.abi3-x86_64-linux-gnu.so": MODULE},
                "tag": "cp314.cp315-abi3-manylinux2014_x86_64",
            },
            (
                "demo/_demo.abi3-x86_64-linux-gnu.so",
                "is named as a module for CPython 3.15 and later, but the wheel is tagged cp314.cp315-abi3",
            ),
        ),
        (
            {"elves": {"demo/_demo.abi3.so": MODULE}, "tag": "cp315-abi3.abi3t-manylinux2014_x86_64"},
            (
                "demo/_demo.abi3.so",
                "is named as a module for CPython with the GIL, but the wheel is tagged cp315-abi3.abi3t",
            ),
        ),
        (
            {"elves": {"demo/_other.abi3.so": MODULE}},
            ("demo/_other.abi3.so", "does not export PyInit__other, so Python cannot import it"),
        ),
        (
            {"elves": {"demo/_demo.pyd": MODULE}},
            (
                "demo/_demo.pyd",
                "has a name that ends with .pyd, which Python on manylinux2014_x86_64 does not import",
            ),
        ),
    ],
)
def test_a_tag_that_does_not_fit_the_contents_is_found(changes: dict[str, object], finding: tuple[str, str]) -> None:
    contents = make_content(**changes)  # type: ignore[arg-type]

    findings = list(check_tags(contents))

    assert [(finding.file, finding.message) for finding in findings] == [finding]


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("_demo.cpython-311-x86_64-linux-gnu.so", "cp311-cp311-manylinux2014_x86_64"),
        ("_demo.cpython-313t-x86_64-linux-gnu.so", "cp313-cp313t-manylinux2014_x86_64"),
        ("_demo.so", "cp311-abi3-manylinux2014_x86_64"),
        ("_demo.abi3.so", "cp311-cp311-manylinux2014_x86_64"),
        ("_demo.abi3t.so", "cp315-abi3.abi3t-manylinux2014_x86_64"),
        ("_demo.abi3t-x86_64-linux-gnu.so", "cp316-abi3t-manylinux2014_x86_64"),
        ("_demo.so", "cp315-abi3.abi3t-manylinux2014_x86_64"),
    ],
)
def test_a_module_may_have_any_suffix_that_its_python_imports(name: str, tag: str) -> None:
    contents = make_content({f"demo/{name}": MODULE}, tag=tag)

    assert list(check_tags(contents)) == []


def test_a_library_that_is_named_as_a_module_is_none() -> None:
    opened, unusable = replace(MODULE, exports=("demo_encrypt",)), replace(MODULE, exports=())
    contents = make_content({**ELVES, "demo/_opened.abi3.so": opened})

    assert list(check_tags(contents)) == []
    assert [*contents.modules] == ["demo/_demo.abi3.so"]
    assert list(check_licenses(contents)) == []
    assert [finding.message for finding in check_tags(make_content({"demo/_opened.abi3.so": unusable}))] == [
        "does not export PyInit__opened, so Python cannot import it; functions for ctypes or cffi belong in `exports`"
    ]


@pytest.mark.parametrize("symbol", ["_Z13PyInit__demov", "_ZTI3Foo", "?f@@YAXXZ"])
def test_a_module_that_exports_only_symbols_of_cpp_is_not_taken_for_a_library(symbol: str) -> None:
    contents = make_content({**ELVES, "demo/_demo.abi3.so": replace(MODULE, exports=(symbol,))})

    assert [finding.message for finding in check_tags(contents)] == [
        "does not export PyInit__demo, so Python cannot import it"
    ]


def test_a_compiled_package_has_the_function_of_its_directory() -> None:
    path = "demo/__init__.cpython-311-x86_64-linux-gnu.so"
    exports = {
        name: make_content({path: replace(MODULE, exports=(name,))}, tag="cp311-cp311-manylinux2014_x86_64")
        for name in ("PyInit_demo", "PyInit___init__")
    }

    assert {name: [finding.message for finding in check_tags(contents)] for name, contents in exports.items()} == {
        "PyInit_demo": [],
        "PyInit___init__": ["does not export PyInit_demo, so Python cannot import it"],
    }


def test_platform_tags_that_contradict_each_other_are_found() -> None:
    contents = make_content(tag="cp311-abi3-manylinux2014_x86_64.musllinux_1_2_aarch64")

    findings = check_tags(contents)

    assert [finding.message for finding in findings] == [
        "the platform tags name more than one architecture: aarch64, x86_64",
    ]


# --- licenses


def test_a_missing_license_text_is_found() -> None:
    contents = make_content(files={"demo-1.0.dist-info/licenses/tiny/LICENSE": b" \n"})

    assert list(check_licenses(contents)) == [
        Finding(
            check="licenses",
            file="demo-1.0.dist-info/licenses/",
            message="the wheel has no license text for 1 library",
            evidence=("tiny 0.3",),
        )
    ]


def test_an_sbom_that_lists_only_data_assigns_no_libraries() -> None:
    sbom = replace(SBOM, components=tuple(replace(component, files=("demo/words.txt",)) for component in (FOO, TINY)))
    contents = make_content({**ELVES, "demo.libs/libown.so": ELF}, sbom=sbom, files={"demo/words.txt": b""})

    assert list(check_licenses(contents)) == []


def test_a_library_that_no_sbom_lists_is_found() -> None:
    contents = make_content({**ELVES, "demo.libs/libbar-12345678.so.3": ELF})

    (finding,) = check_licenses(contents)

    assert finding.file == "demo.libs/libbar-12345678.so.3"
    assert finding.message == "no SBOM in the wheel identifies this library, so its license cannot be checked"


def test_a_library_that_is_only_in_the_sbom_is_found() -> None:
    contents = make_content({"demo/_demo.abi3.so": MODULE})

    (finding,) = check_licenses(contents)

    assert finding.message == "the SBOM lists this file for foo 1.2, but it is not in the wheel"


@pytest.mark.parametrize(
    ("metadata", "message", "evidence"),
    [
        (
            "License-Expression: MIT",
            "License-Expression 'MIT' does not cover every library in the wheel",
            ("foo 1.2: Zlib",),
        ),
        ("License: MIT", "no License-Expression (PEP 639)", ()),
        (
            "License-Expression: MIT AND Nonsense-1.0",
            "License-Expression is not valid: Unknown license: 'nonsense-1.0'",
            (),
        ),
    ],
)
def test_an_expression_that_does_not_cover_the_libraries_is_found(
    metadata: str, message: str, evidence: tuple[str, ...]
) -> None:
    contents = make_content(metadata=f"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n{metadata}\n")

    assert list(check_licenses(contents)) == [
        Finding(check="licenses", file="demo-1.0.dist-info/METADATA", message=message, evidence=evidence)
    ]


def test_one_file_with_all_texts_is_enough_in_wheels_of_other_tools() -> None:
    sbom = replace(
        SBOM, components=(Component(name="Bar", version="3", license="MIT", linkage="", files=(), exports=None),)
    )
    contents = make_content(files={"demo-1.0.dist-info/licenses/LICENSE": b"===== bar-3 =====\nMIT"})

    assert list(check_licenses(replace(contents, sbom=sbom))) == []


def test_a_listed_license_file_that_is_missing_is_found() -> None:
    text = "Name: demo\nVersion: 1.0\nLicense-Expression: MIT AND Zlib\nLicense-File: LICENSE\n"

    (finding,) = check_licenses(make_content(metadata=text, sbom=SBOM))

    assert finding.file == "demo-1.0.dist-info/licenses/LICENSE"
    assert finding.message == "License-File lists this file, but it is missing"


@pytest.mark.parametrize(
    ("license", "evidence"),
    [
        ("", "foo 1.2: the SBOM has no license for it"),
        ("(ISC OR BSD-2-Clause) AND Apache-2.0", "foo 1.2: (ISC OR BSD-2-Clause) AND Apache-2.0"),
        (
            "Zlib AND",
            "foo 1.2: the license in the SBOM is not a valid expression: Invalid license expression: 'Zlib AND'",
        ),
    ],
)
def test_a_component_without_a_valid_license_is_found(license: str, evidence: str) -> None:
    sbom = replace(SBOM, components=(replace(FOO, license=license), TINY))

    (finding,) = check_licenses(make_content(sbom=sbom))

    assert finding.message == "License-Expression 'MIT AND Zlib' does not cover every library in the wheel"
    assert finding.evidence == (evidence,)
