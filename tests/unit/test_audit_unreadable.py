"""Compiled files that cannot be read: one finding for each, no findings that follow from it, and a line in the summaries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.audit import audit_wheel
from everywheel.audit.elf_linking import check_elf_libraries, find_external_libraries
from everywheel.audit.macho_linking import check_mac_libraries, find_external_install_names
from everywheel.audit.pe_linking import check_dlls, find_external_dlls
from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.formats import read_binary
from everywheel.binaries.macho import MachoFacts
from everywheel.wheels.wheel import Wheel, pack_wheel
from example_wheels import ELF, IMAGE, PE, make_demo_wheel

LINUX, MAC, WINDOWS = "manylinux2014_x86_64", "macosx_11_0_arm64", "win_amd64"
TEXT = b"this is not a program\n" * 8
INFO = "demo-1.0.dist-info"


def make_wheel(platform: str, files: dict[str, bytes]) -> Wheel:
    all_files = {
        **files,
        f"{INFO}/METADATA": b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nLicense-Expression: MIT\n",
        f"{INFO}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-abi3-{platform}\n".encode(),
    }
    return make_demo_wheel(f"cp311-abi3-{platform}", all_files)


UNREADABLE_FILES = [
    (LINUX, "demo/_demo.abi3.so", TEXT, "elf", "not a complete ELF file (Magic number does not match)"),
    (LINUX, "demo.libs/libfoo.so.1", b"", "elf", "not a complete ELF file (Magic number does not match)"),
    (LINUX, "demo/tool", b"\x7fELF\2\1\1", "elf", "not a complete ELF file (expected 1, found 0)"),
    (MAC, "demo/_demo.abi3.so", TEXT, "macho", "not a complete Mach-O file (Unknown Mach-O header: 0x74686973)"),
    (MAC, "demo/.dylibs/libfoo.dylib", TEXT, "macho", "not a complete Mach-O file (Unknown Mach-O header: 0x74686973)"),
    (WINDOWS, "demo/_demo.pyd", TEXT, "pe", "not a complete PE file (DOS Header magic not found.)"),
    (
        WINDOWS,
        "demo.libs/foo.dll",
        b"MZ",
        "pe",
        "not a complete PE file (Unable to read the DOS Header, possibly a truncated file.)",
    ),
]


@pytest.mark.parametrize(("platform", "path", "data", "check", "message"), UNREADABLE_FILES)
def test_a_file_that_cannot_be_read_is_one_finding(
    platform: str, path: str, data: bytes, check: str, message: str, tmp_path: Path
) -> None:
    wheel = pack_wheel(make_wheel(platform, {path: data}), tmp_path, epoch=1577836800)

    report = audit_wheel(wheel)

    assert [(finding.check, finding.file, finding.message) for finding in report.findings] == [(check, path, message)]
    assert report.files == ()


@pytest.mark.parametrize(
    ("platform", "path", "rows"),
    [
        (
            LINUX,
            "demo/_demo.abi3.so",
            {"elf": "0 modules, 0 libraries, 0 others, 1 unreadable", "arch": "no readable ELF file"},
        ),
        (
            MAC,
            "demo/_demo.abi3.so",
            {"macho": "0 modules, 0 libraries, 0 others, 1 unreadable", "arch": "no readable Mach-O file"},
        ),
        (
            WINDOWS,
            "demo/_demo.pyd",
            {"pe": "0 modules, 0 libraries, 0 others, 1 unreadable", "arch": "no readable PE file"},
        ),
        (LINUX, "demo/_demo.py", {"elf": "0 modules, 0 libraries, 0 others", "arch": "no ELF file"}),
        (MAC, "demo/_demo.py", {"macho": "0 modules, 0 libraries, 0 others", "arch": "no Mach-O file"}),
        (WINDOWS, "demo/_demo.py", {"pe": "0 modules, 0 libraries, 0 others", "arch": "no PE file"}),
        (
            f"{LINUX}.{MAC}",
            "demo/_demo.py",
            {
                "elf": "0 modules, 0 libraries, 0 others",
                "macho": "0 modules, 0 libraries, 0 others",
                "arch": "no ELF or Mach-O file",
            },
        ),
    ],
)
def test_the_summaries_have_a_line_for_every_finding(
    platform: str, path: str, rows: dict[str, str], tmp_path: Path
) -> None:
    report = audit_wheel(pack_wheel(make_wheel(platform, {path: TEXT}), tmp_path, epoch=1577836800))

    summaries = {summary.check: summary.message for summary in report.checks}
    assert {check: message for check, message in summaries.items() if check in ("elf", "macho", "pe", "arch")} == rows
    assert report.findings
    assert {finding.check for finding in report.findings} <= summaries.keys()


@pytest.mark.parametrize("platform", ["any", WINDOWS, "pyodide_2024_0_wasm32"])
def test_files_with_the_suffix_so_are_binaries_only_on_linux_and_macos(platform: str) -> None:
    wheel = make_wheel(platform, {})

    assert read_binary("demo/x.so", TEXT, WheelContents(path=Path(wheel.filename), wheel=wheel).systems) is None


def test_an_unreadable_library_counts_as_a_library_in_the_wheel() -> None:
    elf = replace(ELF, needed=("libfoo.so.1",), rpath=("$ORIGIN",))
    image = replace(IMAGE, needed=("@loader_path/libfoo.dylib",))
    pe = replace(PE, imports={"foo.dll": ()})
    contents = WheelContents(
        path=Path("demo.whl"),
        wheel=make_wheel(f"{LINUX}.{MAC}.{WINDOWS}", {}),
        elves={"demo/x.so": elf},
        machos={"demo/y.so": MachoFacts(images=(image,))},
        pes={"demo/z.pyd": pe},
        unread={"demo/libfoo.so.1": "elf", "demo/libfoo.dylib": "macho", "demo/foo.dll": "pe"},
    )

    findings = [
        *check_elf_libraries(contents),
        *check_mac_libraries(contents),
        *check_dlls(contents),
    ]

    assert findings == []
    assert [find(contents) for find in (find_external_libraries, find_external_install_names, find_external_dlls)] == [
        {"demo/x.so": ()},
        {"demo/y.so": ()},
        {"demo/z.pyd": ()},
    ]
