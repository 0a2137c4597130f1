"""Mach-O and PE files that zig links on this machine: read, audited, truncated at many offsets, and changed after signing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from everywheel.audit import audit_wheel
from everywheel.binaries.macho import read_macho
from everywheel.binaries.pe import read_pe
from everywheel.binaries.unreadable import UnreadableMacho, UnreadablePe
from everywheel.store.local import FIXED_TIME
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.wheels.wheel import Wheel, WheelFile, pack_wheel

pytestmark = pytest.mark.xdist_group("foreign_files")

LIBRARY = "int foo_new(void) { return 42; }"
MODULE = """
int foo_new(void);
void *calloc(unsigned long, unsigned long);
void *PyInit__demo(void) { return calloc(foo_new(), 2); }
"""
DLL = """
__declspec(dllimport) void Sleep(unsigned);
int DllMain(void *module, unsigned reason, void *reserved) { return 1; }
__declspec(dllexport) void *PyInit__demo(void) { Sleep(1); return 0; }
"""


def link(store: Path, folder: Path, triple: str, code: str, name: str, *options: str) -> bytes:
    source = folder / "code.c"
    source.write_text(code)
    cache = str(store / "zig")
    subprocess.run(
        [ensure_tools(store).zig, "cc", "-target", triple, "-g0", "-O2", "-s", source, "-o", name, *options],
        cwd=folder,
        check=True,
        capture_output=True,
        env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},
    )
    return (folder / name).read_bytes()


@pytest.fixture(scope="module")
def macho(shared_store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A module for arm64, and the library that it needs."""
    folder, triple = tmp_path_factory.mktemp("macho"), "aarch64-macos.11.0"
    library = link(
        shared_store,
        folder,
        triple,
        LIBRARY,
        "libfoo.1.dylib",
        "-dynamiclib",
        "-Wl,-install_name,@rpath/libfoo.1.dylib",
    )
    module = link(
        shared_store,
        folder,
        triple,
        MODULE,
        "_demo.abi3.so",
        "-dynamiclib",
        "-undefined",
        "dynamic_lookup",
        "libfoo.1.dylib",
        "-Wl,-rpath,@loader_path/.dylibs",
        "-Wl,-install_name,@rpath/_demo.abi3.so",
    )
    return {"demo/_demo.abi3.so": module, "demo/.dylibs/libfoo.1.dylib": library}


@pytest.fixture(scope="module")
def pe(shared_store: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A module for x86_64 that needs no C runtime."""
    return link(
        shared_store,
        tmp_path_factory.mktemp("pe"),
        "x86_64-windows-gnu",
        DLL,
        "_demo.pyd",
        "-shared",
        "-nostdlib",
        "-Wl,--entry=DllMain",
        "-lkernel32",
    )


def audit(folder: Path, platform: str, binaries: dict[str, bytes]) -> list[tuple[str, str, str]]:
    """Return the findings in a wheel with these files, except those about licenses: it contains none."""
    info = "demo-1.0.dist-info"
    files = {
        **binaries,
        f"{info}/METADATA": b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nLicense-Expression: MIT\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-abi3-{platform}\n".encode(),
    }
    wheel = Wheel(
        name="demo",
        version="1.0",
        build="",
        python="cp311",
        abi="abi3",
        platform=platform,
        files={path: WheelFile(data=data) for path, data in files.items()},
    )
    report = audit_wheel(pack_wheel(wheel, folder, epoch=FIXED_TIME))
    return [
        (finding.check, finding.file, finding.message) for finding in report.findings if finding.check != "licenses"
    ]


def test_correct_mach_o_and_pe_files_have_no_findings(macho: dict[str, bytes], pe: bytes, tmp_path: Path) -> None:
    assert audit(tmp_path, "macosx_11_0_arm64", macho) == []
    assert audit(tmp_path, "win_amd64", {"demo/_demo.pyd": pe}) == []


def test_the_headers_of_a_mach_o_file_are_read(macho: dict[str, bytes]) -> None:
    (image,) = read_macho(macho["demo/_demo.abi3.so"]).images

    assert (image.cpu, image.bits, image.name, image.minimum) == ("arm64", 64, "@rpath/_demo.abi3.so", (11, 0))
    assert image.needed == ("/usr/lib/libSystem.B.dylib", "@rpath/libfoo.1.dylib")
    assert image.rpath == ("@loader_path/.dylibs",)
    assert (image.exports, {"calloc", "foo_new"} <= set(image.undefined)) == (("PyInit__demo",), True)
    assert (image.debug, image.signature) == ({}, ())


def test_the_headers_of_a_pe_file_are_read(pe: bytes) -> None:
    facts = read_pe(pe)

    assert (facts.machine, facts.bits, facts.is_library) == ("IMAGE_FILE_MACHINE_AMD64", 64, True)
    assert (facts.imports, facts.exports, facts.debug) == ({"kernel32.dll": ("Sleep",)}, ("PyInit__demo",), {})
    assert facts.flags == {"DYNAMIC_BASE", "NX_COMPAT", "HIGH_ENTROPY_VA"}


def test_a_truncated_mach_o_file_is_an_error_at_any_length(macho: dict[str, bytes]) -> None:
    whole = macho["demo/_demo.abi3.so"]
    for size in range(0, len(whole), 64):
        with pytest.raises(UnreadableMacho, match=r"not a complete Mach-O file|truncated: "):
            read_macho(whole[:size])


def test_a_truncated_pe_file_is_an_error_at_any_length(pe: bytes) -> None:
    for size in range(0, len(pe), 64):
        with pytest.raises(UnreadablePe, match=r"not a complete PE file|truncated: |of .* sections"):
            read_pe(pe[:size])


def test_a_truncated_file_is_the_only_finding(macho: dict[str, bytes], pe: bytes, tmp_path: Path) -> None:
    module = macho["demo/_demo.abi3.so"]

    assert audit(tmp_path, "macosx_11_0_arm64", {"demo/_demo.abi3.so": module[:-8]}) == [
        ("macho", "demo/_demo.abi3.so", f"truncated: {len(module) - 8} of {len(module)} bytes"),
    ]
    assert audit(tmp_path, "win_amd64", {"demo/_demo.pyd": pe[:-8]}) == [
        ("pe", "demo/_demo.pyd", f"truncated: {len(pe) - 8} of {len(pe)} bytes"),
    ]
    assert audit(tmp_path, "win_amd64", {"demo/_demo.pyd": b""}) == [
        ("pe", "demo/_demo.pyd", "not a complete PE file (Unable to read the DOS Header, possibly a truncated file.)"),
    ]


def test_a_reader_raises_no_other_exception_for_a_file_with_one_changed_byte(
    macho: dict[str, bytes], pe: bytes
) -> None:
    messages = []
    for whole, read, error in ((macho["demo/_demo.abi3.so"], read_macho, UnreadableMacho), (pe, read_pe, UnreadablePe)):
        for index in range(0, len(whole), 97):
            damaged = whole[:index] + bytes((whole[index] ^ 0xFF,)) + whole[index + 1 :]
            try:
                read(damaged)
            except error as failure:
                messages.append(str(failure))

    assert len(messages) > 3
    assert "" not in messages


def test_a_file_that_was_changed_after_signing_is_a_finding(macho: dict[str, bytes], tmp_path: Path) -> None:
    module = macho["demo/_demo.abi3.so"]
    offset = module.index(b"@loader_path/.dylibs")
    changed = module[:offset] + b"@loader_path/.DYLIBS" + module[offset + 20 :]

    (image,) = read_macho(changed).images

    assert image.signature is not None
    assert image.signature[0].endswith("pages do not match their hashes, the first at byte 0")
    assert ("signature", "demo/_demo.abi3.so", "its code signature is not valid") in audit(
        tmp_path, "macosx_11_0_arm64", {**macho, "demo/_demo.abi3.so": changed}
    )
