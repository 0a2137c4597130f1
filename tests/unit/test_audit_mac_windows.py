"""The checks of macOS and Windows binaries on constructed facts: the exact finding of each fault, and none otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.audit import Report, fail_on_findings
from everywheel.audit.checks import CHECKS, summarize_checks
from everywheel.audit.hygiene import check_debug, check_exports
from everywheel.audit.sbom import Sbom
from everywheel.audit.summary import describe_files
from everywheel.audit.tags import check_tags
from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.elf import ElfFacts
from everywheel.binaries.macho import MachoFacts
from everywheel.binaries.pe import PeFacts
from everywheel.errors import AuditError
from example_wheels import ELF, IMAGE, PE, make_demo_wheel
from packaging.tags import mac_platforms

MAC, WINDOWS = "cp311-abi3-macosx_11_0_arm64", "cp311-abi3-win_amd64"
FORMAT_CHECKS = ("tags", "arch", "system", "libraries", "rpath", "names", "signature", "mitigations")
UNUSABLE = "does not export PyInit__demo, so Python cannot import it; functions for ctypes or cffi belong in `exports`"
LIBS = b"import os\nos.add_dll_directory(os.path.join(os.path.dirname(__file__), os.pardir, 'demo.libs'))\n"


def make_content(
    tag: str,
    *,
    elves: Mapping[str, ElfFacts] | None = None,
    machos: Mapping[str, MachoFacts] | None = None,
    pes: Mapping[str, PeFacts] | None = None,
    files: Mapping[str, bytes] | None = None,
) -> WheelContents:
    all_files = {
        "demo-1.0.dist-info/METADATA": b"Name: demo\nVersion: 1.0\n",
        "demo-1.0.dist-info/WHEEL": f"Root-Is-Purelib: false\nTag: {tag}\n".encode(),
        **(files or {}),
    }
    wheel = make_demo_wheel(tag, all_files)
    path = Path(f"demo-1.0-{tag}.whl")
    return WheelContents(path=path, wheel=wheel, elves=elves or {}, machos=machos or {}, pes=pes or {})


def list_findings(contents: WheelContents) -> list[tuple[str, str, str]]:
    """Return the findings of the checks that depend on the binary format."""
    checks = [check for check in CHECKS if check.name in FORMAT_CHECKS]
    findings = [finding for check in checks for find in check.faults for finding in find(contents)]
    return [(finding.check, finding.file, finding.message) for finding in findings if "Tag" not in finding.message]


def check_image(tag: str = MAC, **changes: object) -> list[tuple[str, str]]:
    macho = MachoFacts(images=(replace(IMAGE, **changes),))  # type: ignore[arg-type]
    return [
        (check, message) for check, _, message in list_findings(make_content(tag, machos={"demo/_demo.abi3.so": macho}))
    ]


def check_pe(tag: str = WINDOWS, **changes: object) -> list[tuple[str, str]]:
    contents = make_content(tag, pes={"demo/_demo.pyd": replace(PE, **changes)})  # type: ignore[arg-type]
    return [(check, message) for check, _, message in list_findings(contents)]


# --- macOS


def test_a_correct_wheel_for_macos_has_no_findings() -> None:
    module = replace(IMAGE, needed=("@rpath/libfoo.1.dylib", *IMAGE.needed), rpath=("@loader_path/.dylibs",))
    library = replace(
        IMAGE, name="/DLC/demo/.dylibs/libfoo.1.dylib", exports=("foo_new",), needed=("@rpath/libbar.dylib",)
    )
    machos = {
        "demo/_demo.abi3.so": MachoFacts(images=(module,)),
        "demo/.dylibs/libfoo.1.dylib": MachoFacts(images=(library,)),
        "demo/.dylibs/libbar.dylib": MachoFacts(images=(replace(IMAGE, name="@rpath/libbar.dylib", exports=()),)),
    }

    assert list_findings(make_content(MAC, machos=machos)) == []


@pytest.mark.parametrize(
    ("changes", "check", "message"),
    [
        ({"cpu": "x86_64"}, "arch", "built for x86_64; macosx_11_0_arm64 requires arm64"),
        ({"minimum": (12, 3)}, "system", "needs macOS 12.3, but macosx_11_0_arm64 promises macOS 11.0"),
        ({"minimum": None}, "system", "does not declare its oldest macOS (LC_BUILD_VERSION, LC_VERSION_MIN_MACOSX)"),
        ({"system": "iOS"}, "system", "built for iOS, not for macOS"),
        (
            {"needed": ("/opt/homebrew/lib/libz.dylib",)},
            "libraries",
            "needs /opt/homebrew/lib/libz.dylib, which is not in the wheel and not on every macosx_11_0_arm64 system",
        ),
        (
            {"needed": ("/usr/lib/libcrypto.dylib",)},
            "libraries",
            "needs /usr/lib/libcrypto.dylib, which is not in the wheel and not on every macosx_11_0_arm64 system",
        ),
        (
            {"needed": ("/System/Library/PrivateFrameworks/X.framework/X",)},
            "libraries",
            "needs /System/Library/PrivateFrameworks/X.framework/X, "
            "which is not in the wheel and not on every macosx_11_0_arm64 system",
        ),
        (
            {"needed": ("/System/Library/Frameworks/PHASE.framework/Versions/A/PHASE",)},
            "libraries",
            "needs /System/Library/Frameworks/PHASE.framework/Versions/A/PHASE, which exists since macOS 12.0, "
            "but macosx_11_0_arm64 promises macOS 11.0",
        ),
        ({"needed": ("@rpath/libfoo.dylib",)}, "libraries", "needs @rpath/libfoo.dylib, which is not in the wheel"),
        (
            {"needed": ("@rpath/_demo.abi3.so",)},
            "libraries",
            "needs @rpath/_demo.abi3.so, which is in the wheel, but not in a directory on its LC_RPATH",
        ),
        (
            {"needed": ("@loader_path/x/_demo.abi3.so",)},
            "libraries",
            "needs @loader_path/x/_demo.abi3.so, which is in the wheel, but in another directory",
        ),
        (
            {"needed": ("@executable_path/libfoo.dylib",)},
            "libraries",
            "needs @executable_path/libfoo.dylib, a path relative to the Python executable, not to this file",
        ),
        (
            {"needed": ("libfoo.dylib",)},
            "libraries",
            "needs libfoo.dylib, a path relative to the working directory",
        ),
        (
            {"needed": ("/Library/Frameworks/Python.framework/Versions/3.11/Python",)},
            "libraries",
            "needs /Library/Frameworks/Python.framework/Versions/3.11/Python: "
            "a module must use the Python that loads it instead of loading another one",
        ),
        ({"rpath": ("/Users/me/lib",)}, "rpath", "LC_RPATH '/Users/me/lib' is not relative to @loader_path"),
        (
            {"rpath": ("@executable_path/../lib",)},
            "rpath",
            "LC_RPATH '@executable_path/../lib' is not relative to @loader_path",
        ),
        ({"rpath": ("@loader_path/../..",)}, "rpath", "LC_RPATH '@loader_path/../..' leads out of the wheel"),
        (
            {"rpath": ("@loader_path", "@loader_path")},
            "rpath",
            "LC_RPATH '@loader_path' is listed 2 times, which macOS 15.4 and newer refuse",
        ),
        (
            {"name": "/Users/me/libdemo.dylib"},
            "names",
            "its install name is a path on the build machine: /Users/me/libdemo.dylib",
        ),
        ({"signature": None}, "signature", "has no code signature, which macOS requires on arm64"),
        (
            {"signature": ("1 of 4 pages do not match their hashes, the first at byte 0",)},
            "signature",
            "its code signature is not valid",
        ),
        ({"exports": ()}, "tags", UNUSABLE),
    ],
)
def test_each_fault_of_a_mach_o_file_is_found(changes: dict[str, object], check: str, message: str) -> None:
    assert check_image(**changes) == [(check, message)]


@pytest.mark.parametrize(
    "name",
    [
        "/System/Library/Frameworks/PHASE.framework/Versions/A/PHASE",
        "/usr/lib/swift/libswiftUniformTypeIdentifiers.dylib",
        "/usr/lib/libz.1.dylib",
    ],
)
def test_a_weakly_loaded_library_may_be_one_of_a_newer_macos(name: str) -> None:
    assert check_image(needed=(name,), optional=frozenset((name,))) == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/opt/homebrew/lib/libz.dylib", ", which is neither in the wheel nor a library of macOS"),
        ("/Users/me/build/libfoo.dylib", ", which is neither in the wheel nor a library of macOS"),
        ("/usr/lib/libcrypto.dylib", ", which is neither in the wheel nor a library of macOS"),
        ("/usr/lib/swift/../../local/lib/libswiftCore.dylib", ", which is neither in the wheel nor a library of macOS"),
        (
            "/System/Library/Frameworks/A.framework/../../../../opt/lib/A",
            ", which is neither in the wheel nor a library of macOS",
        ),
        ("/System/Library/PrivateFrameworks/X.framework/X", ", which is neither in the wheel nor a library of macOS"),
        (
            "/System/Library/Frameworks/Python.framework/Versions/2.7/Python",
            ": a module must use the Python that loads it instead of loading another one",
        ),
        (
            "/Library/Frameworks/Python.framework/Versions/3.11/Python",
            ": a module must use the Python that loads it instead of loading another one",
        ),
        ("@rpath/libpython3.11.dylib", ": a module must use the Python that loads it instead of loading another one"),
        ("@rpath/libfoo.dylib", ", which is not in the wheel"),
        ("@loader_path/libfoo.dylib", ", which is not in the wheel"),
        ("@rpath/_demo.abi3.so", ", which is in the wheel, but not in a directory on its LC_RPATH"),
        ("@loader_path/x/_demo.abi3.so", ", which is in the wheel, but in another directory"),
        ("@executable_path/libfoo.dylib", ", a path relative to the Python executable, not to this file"),
        ("libfoo.dylib", ", a path relative to the working directory"),
    ],
)
def test_a_weakly_loaded_library_may_not_be_outside_macos_and_the_wheel(name: str, why: str) -> None:
    assert check_image(needed=(name,), optional=frozenset((name,))) == [("libraries", f"weakly loads {name}{why}")]


def test_a_weakly_loaded_library_may_be_in_the_wheel() -> None:
    name = "@loader_path/libbar.dylib"
    machos = {
        "demo/_demo.abi3.so": MachoFacts(images=(replace(IMAGE, needed=(name,), optional=frozenset((name,))),)),
        "demo/libbar.dylib": MachoFacts(images=(replace(IMAGE, name="@rpath/libbar.dylib", exports=()),)),
    }

    assert list_findings(make_content(MAC, machos=machos)) == []


def test_a_finding_in_one_of_two_images_names_the_image() -> None:
    intel, arm = replace(IMAGE, cpu="x86_64", minimum=(12, 0), signature=None), replace(IMAGE, minimum=(12, 0))
    contents = make_content(
        "cp311-abi3-macosx_10_9_universal2", machos={"demo/_demo.abi3.so": MachoFacts(images=(intel, arm))}
    )

    assert [message for _, _, message in list_findings(contents)] == [
        "for x86_64: needs macOS 12.0, but macosx_10_9_universal2 promises macOS 10.9",
        "for arm64: needs macOS 12.0, but macosx_10_9_universal2 promises macOS 11.0",
    ]


def test_a_universal_wheel_needs_both_processors() -> None:
    assert check_image("cp311-abi3-macosx_11_0_universal2") == [
        ("arch", "built for arm64; macosx_11_0_universal2 requires x86_64 and arm64")
    ]


def test_a_tag_that_no_installer_accepts_is_found() -> None:
    assert check_image("cp311-abi3-macosx_12_3_arm64") == [
        ("tags", "no installer accepts macosx_12_3_arm64: from macOS 11 on, the minor version in a tag is 0")
    ]
    assert "macosx_12_3_arm64" not in set(mac_platforms((13, 0), "arm64"))


# --- Windows


def test_a_correct_wheel_for_windows_has_no_findings() -> None:
    imports = dict.fromkeys(("foo-1.dll", "python3.dll", "vcruntime140.dll", "api-ms-win-crt-heap-l1-1-0.dll"), ("f",))
    pes = {
        "demo/_demo.pyd": replace(PE, imports=imports),
        "demo.libs/foo-1.dll": replace(PE, imports={"bar.dll": ("g",)}, exports=("f",)),
        "demo.libs/Bar.dll": replace(PE, exports=("g",)),
    }

    assert list_findings(make_content(WINDOWS, pes=pes, files={"demo/__init__.py": LIBS})) == []


@pytest.mark.parametrize(
    ("changes", "check", "message"),
    [
        (
            {"machine": "IMAGE_FILE_MACHINE_ARM64"},
            "arch",
            "built for IMAGE_FILE_MACHINE_ARM64; win_amd64 requires IMAGE_FILE_MACHINE_AMD64",
        ),
        ({"minimum": (10, 1)}, "system", "requires Windows 10.1; the newest version is 10.0"),
        (
            {"imports": {"libfoo.dll": ()}},
            "libraries",
            "needs libfoo.dll, which is not in the wheel and not on every win_amd64 system",
        ),
        (
            {"imports": {"msvcp140.dll": ()}},
            "libraries",
            "needs msvcp140.dll, which is not in the wheel and not on every win_amd64 system",
        ),
        (
            {"imports": {"api-ms-evil.dll": ()}},
            "libraries",
            "needs api-ms-evil.dll, which is not in the wheel and not on every win_amd64 system",
        ),
        (
            {"imports": {"api-ms-win-core-file-l1-2.dll": ()}},
            "libraries",
            "needs api-ms-win-core-file-l1-2.dll, which is not in the wheel and not on every win_amd64 system",
        ),
        (
            {"imports": {"ext-ms-win-ntuser-window-l1-1-1.dll": ()}},
            "libraries",
            "needs ext-ms-win-ntuser-window-l1-1-1.dll, which is not in the wheel and not on every win_amd64 system",
        ),
        (
            {"imports": {"nvcuda.dll": ()}},
            "libraries",
            "needs nvcuda.dll, which is not in the wheel and not on every win_amd64 system",
        ),
        (
            {"imports": {"d3d12.dll": ()}},
            "libraries",
            "needs d3d12.dll, which is not in the wheel and not on every win_amd64 system",
        ),
        (
            {"imports": {"python311.dll": ("PyDict_New",)}},
            "abi3",
            "needs python311.dll, but the wheel is tagged cp311-abi3, which allows python3.dll",
        ),
        (
            {"flags": frozenset(("DYNAMIC_BASE",))},
            "mitigations",
            "the PE header does not enable the protections NX_COMPAT and HIGH_ENTROPY_VA",
        ),
        ({"exports": ()}, "tags", UNUSABLE),
    ],
)
def test_each_fault_of_a_pe_file_is_found(changes: dict[str, object], check: str, message: str) -> None:
    assert check_pe(**changes) == [(check, message)]


@pytest.mark.parametrize(
    ("tag", "library", "message"),
    [
        ("cp312-cp312-win_amd64", "python312.dll", None),
        ("cp312-cp312-win_amd64", "python3.dll", None),
        ("cp313-cp313t-win_amd64", "python313t.dll", None),
        (
            "cp312-cp312-win_amd64",
            "python311.dll",
            "needs python311.dll, but the wheel is tagged cp312-cp312, which allows python312.dll or python3.dll",
        ),
        (
            "py3-none-win_amd64",
            "python311.dll",
            "needs python311.dll, but the wheel is tagged py3-none, which allows python3.dll",
        ),
        ("pp311-pypy311_pp73-win_amd64", "libpypy3.11-c.dll", None),
    ],
)
def test_a_module_may_need_the_python_of_its_tags(tag: str, library: str, message: str | None) -> None:
    assert [text for _, text in check_pe(tag, imports={library: ()})] == ([message] if message else [])


def test_32_bit_python_does_not_contain_vcruntime140_1() -> None:
    pe = replace(PE, machine="IMAGE_FILE_MACHINE_I386", bits=32, imports={"vcruntime140_1.dll": ()})

    assert [
        message for _, _, message in list_findings(make_content("cp311-abi3-win32", pes={"demo/_demo.pyd": pe}))
    ] == ["needs vcruntime140_1.dll, which is not in the wheel and not on every win32 system"]


@pytest.mark.parametrize(
    "library",
    [
        "nvcuda.dll",
        "vulkan-1.dll",
        "d3d12.dll",
        "kernel32.dll",
        "vcruntime140.dll",
        "api-ms-win-core-file-l1-2-0.dll",
        "ext-ms-win-ntuser-window-l1-1-1.dll",
    ],
)
def test_a_delay_loaded_dll_may_belong_to_a_newer_windows_or_a_driver(library: str) -> None:
    assert check_pe(imports={library: ("f",)}, delayed=frozenset((library,))) == []


@pytest.mark.parametrize("library", ["libvips-42.dll", "nvcuda-12.dll", "api-ms-evil.dll", "ext-ms-win-x.dll"])
def test_no_other_delay_loaded_dll_may_be_missing(library: str) -> None:
    assert check_pe(imports={library: ("f",)}, delayed=frozenset((library,))) == [
        ("libraries", f"needs {library} on first use, which is neither in the wheel nor part of Windows or a driver")
    ]


def test_a_delay_loaded_dll_may_be_in_the_wheel() -> None:
    module = replace(PE, imports={"foo.dll": ("f",)}, delayed=frozenset(("foo.dll",)))
    pes = {"demo/_demo.pyd": module, "demo/foo.dll": replace(PE, exports=("f",))}

    assert list_findings(make_content(WINDOWS, pes=pes)) == []


@pytest.mark.parametrize(
    ("folder", "code", "is_found"),
    [
        ("demo", b"", True),
        ("demo.libs", LIBS, True),
        ("demo.libs", b"libs = 'demo.libs'", False),
        ("demo.libs", LIBS.replace(b"demo.libs", b"other.libs"), False),
        ("demo.libs", b"this is not Python: add_dll_directory('demo.libs')", False),
        ("demo/bin", b"import ctypes\nctypes.WinDLL(__file__ + '/../bin/foo.dll')", True),
    ],
)
def test_a_dll_must_be_found_without_path(folder: str, code: bytes, is_found: bool) -> None:
    pes = {
        "demo/_demo.pyd": replace(PE, imports={"foo.dll": ()}),
        f"{folder}/foo.dll": replace(PE, exports=()),
    }
    message = "needs foo.dll, which is in the wheel, but in a directory without os.add_dll_directory()"

    findings = list_findings(make_content(WINDOWS, pes=pes, files={"demo/__init__.py": code}))

    assert findings == ([] if is_found else [("libraries", "demo/_demo.pyd", message)])


def test_files_in_platlib_are_checked_at_their_installed_path() -> None:
    pes = {"_demo.pyd": replace(PE, imports={"foo.dll": ()}), "demo-1.0.data/platlib/foo.dll": replace(PE, exports=())}

    assert list_findings(make_content(WINDOWS, pes=pes)) == []


# --- one operating system per wheel


def test_a_wheel_with_binaries_of_two_systems_is_found() -> None:
    contents = make_content(
        WINDOWS,
        pes={"demo/_demo.pyd": PE},
        elves={"demo/a.so": ELF, "demo/b.so": ELF},
    )

    findings = tuple(check_tags(contents))
    with pytest.raises(AuditError) as caught:
        fail_on_findings((Report(wheel=contents.path.name, size=1, checks=(), files=(), findings=findings),))

    name = "demo-1.0-cp311-abi3-win_amd64.whl"
    assert caught.value.render() == (
        f"error: {name}: the audit has 1 finding\n"
        f"  | tags (load): {name}: contains binaries of more than one operating system:"
        " ELF files for Linux and PE files for Windows\n"
        "  |     ELF: demo/a.so and 1 more\n"
        "  |     PE: demo/_demo.pyd\n"
        "  hint: docs/troubleshooting.md explains how to fix each finding"
    )


@pytest.mark.parametrize(
    ("tag", "binaries", "message"),
    [
        (
            "py3-none-any",
            {"machos": {"demo/x.so": MachoFacts(images=(IMAGE,))}},
            "tagged for any platform, but contains Mach-O files",
        ),
        (MAC, {"elves": {"demo/x.so": ELF}}, "tagged macosx_11_0_arm64, but contains ELF files, which are for Linux"),
        (MAC, {}, "tagged macosx_11_0_arm64, but contains no Mach-O file"),
        (WINDOWS, {}, "tagged win_amd64, but contains no PE file"),
        (
            "cp311-abi3-manylinux2014_x86_64.win_amd64",
            {"pes": {"demo/_demo.pyd": PE}},
            "the platform tags name more than one operating system: Linux, Windows",
        ),
        ("cp311-abi3-win_ia64", {"pes": {"demo/_demo.pyd": PE}}, "no policy is known for win_ia64"),
        (
            WINDOWS,
            {"pes": {"demo/_demo.cp311-win_arm64.pyd": PE}},
            "is named as a module for win_arm64, but the wheel is tagged win_amd64",
        ),
        (
            "cp311-cp311-win_amd64",
            {"pes": {"demo/_demo.cp312-win_amd64.pyd": PE}},
            "is for cp312 only, but the wheel is tagged cp311-cp311",
        ),
    ],
)
def test_binaries_of_another_system_than_the_tags_are_found(
    tag: str, binaries: dict[str, object], message: str
) -> None:
    messages = [finding.message for finding in check_tags(make_content(tag, **binaries))]  # type: ignore[arg-type]

    assert message in messages


def test_launchers_of_windows_may_be_in_any_wheel() -> None:
    contents = make_content("py3-none-any", pes={"demo/launcher.exe": replace(PE, is_library=False, exports=())})

    assert [f.message for f in check_tags(contents) if "any" in f.message] == []


# --- summaries


def test_each_operating_system_has_its_own_summaries() -> None:
    mac = make_content(
        MAC, machos={"demo/_demo.abi3.so": MachoFacts(images=(IMAGE,))}, files={"demo/_demo.abi3.so": b"x"}
    )
    windows = make_content(WINDOWS, pes={"demo/_demo.pyd": PE}, files={"demo/_demo.pyd": b"x"})
    common = ("archive", "record", "tags", "debug", "paths", "exports", "abi3", "licenses")

    assert {summary.check: summary.message for summary in summarize_checks(mac) if summary.check not in common} == {
        "macho": "1 module, 0 libraries, 0 others",
        "arch": "arm64 64 bits",
        "undefined": "0 required symbols compared",
        "system": "needs macOS 11.0",
        "libraries": "needs from the system: /usr/lib/libSystem.B.dylib",
        "rpath": "none",
        "names": "none",
        "signature": "1 of 1 image with a valid signature",
    }
    assert {summary.check: summary.message for summary in summarize_checks(windows) if summary.check not in common} == {
        "pe": "1 module, 0 libraries, 0 others",
        "arch": "IMAGE_FILE_MACHINE_AMD64 64 bits",
        "undefined": "1 required symbol compared",
        "system": "needs Windows 6.0",
        "libraries": "needs from the system: kernel32.dll",
        "mitigations": "DYNAMIC_BASE, HIGH_ENTROPY_VA, NX_COMPAT",
    }
    (file,) = describe_files(windows)
    assert (file.kind, file.machine, file.highest, file.external) == (
        "module",
        "IMAGE_FILE_MACHINE_AMD64",
        (("Windows", "6.0"),),
        ("kernel32.dll",),
    )


def test_exports_and_debug_data_are_checked_in_every_binary_format() -> None:
    sbom = Sbom(module_exports=("PyInit_*",))
    pe = replace(PE, exports=("PyInit__demo", "atexit"), debug={".debug_info": 64})
    contents = replace(make_content(WINDOWS, pes={"demo/_demo.pyd": pe}), sbom=sbom)

    (leak,) = check_exports(contents)
    (debug,) = check_debug(contents)

    assert (leak.message, leak.evidence) == (
        "exports 1 symbol that the recipe does not declare (declared: PyInit_*)",
        ("atexit",),
    )
    assert (debug.message, debug.evidence) == ("contains 64 bytes of debug data", (".debug_info",))


def test_python_code_that_nests_too_deeply_counts_as_code_without_calls() -> None:
    code = b"os.add_dll_directory(" + b"-" * 200_000 + b"1)"
    module = replace(PE, imports={"foo.dll": ("f",)})
    pes = {"demo/_demo.pyd": module, "demo.libs/foo.dll": replace(PE, exports=("f",))}

    assert list_findings(make_content(WINDOWS, pes=pes, files={"demo/__init__.py": code})) == [
        (
            "libraries",
            "demo/_demo.pyd",
            "needs foo.dll, which is in the wheel, but in a directory without os.add_dll_directory()",
        )
    ]


@pytest.mark.parametrize(
    ("tag", "name", "suffix"),
    [
        (WINDOWS, "_demo.so", ".so"),
        (WINDOWS, "_demo.abi3.so", ".so"),
        (WINDOWS, "_demo.dll", ".dll"),
        (MAC, "_demo.pyd", ".pyd"),
        (MAC, "_demo.dylib", ".dylib"),
    ],
)
def test_a_module_named_as_those_of_another_system_is_found(tag: str, name: str, suffix: str) -> None:
    path, platform = f"demo/{name}", tag.rpartition("-")[2]
    machos = {path: MachoFacts(images=(IMAGE,))} if tag == MAC else {}
    contents = make_content(tag, machos=machos, pes={} if machos else {path: PE})

    assert [(finding.file, finding.message) for finding in check_tags(contents)] == [
        (path, f"has a name that ends with {suffix}, which Python on {platform} does not import")
    ]


def test_a_library_may_contain_the_module_next_to_it() -> None:
    contents = make_content(WINDOWS, pes={"demo/_demo.pyd": PE, "demo/_demo.dll": PE})

    assert list(check_tags(contents)) == []
