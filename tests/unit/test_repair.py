"""Repair except grafting, which needs real libraries: validation of the input, and the added licenses and SBOM."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from everywheel.errors import BuildError
from everywheel.libraries.library_facts import Library, write_file_list
from everywheel.platforms.target import parse_target
from everywheel.repair import (
    RepairRequest,
    WheelTags,
    add_licenses_and_sbom,
    check_binaries,
    match_grafts,
    repair_wheel,
)
from everywheel.repair.data_files import add_data_files, find_data_owners
from everywheel.repair.metadata import drop_graft_hash
from everywheel.wheels.wheel import Wheel, WheelFile, pack_wheel

FOO = Library(
    name="foo",
    version="1.2",
    license="Zlib",
    linkage="shared",
    requires=("tiny", "nasm"),
    files=("libfoo", "libfoomux"),
    exports=("foo_*",),
    patches=("cve.patch",),
    texts={"COPYING": b"foo's text"},
)
TINY = Library(
    name="tiny", version="0.3", license="MIT OR Apache-2.0", linkage="static", texts={"LICENSE": b"tiny's text"}
)
REPAIR = RepairRequest(
    target=parse_target("musllinux_1_2_x86_64"),
    prefix=Path("/p"),
    patchelf=Path("/patchelf"),
    work=Path("/w"),
    log=Path("/log"),
    epoch=1577836800,
    tags=WheelTags(python="cp311", abi="abi3", platform="musllinux_1_2_x86_64"),
)
INFO = "demo-1.0.dist-info"
METADATA = "Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nLicense-Expression: MIT\nLicense-File: LICENSE\n"
OLD_METADATA = """Metadata-Version: 2.1
Name: demo
Version: 1.0
License: MIT
Classifier: License :: OSI Approved :: MIT License
Classifier: Typing :: Typed
License-File: LICENSE
"""


def make_wheel(metadata: str = METADATA, **files: bytes) -> Wheel:
    data_by_path = {
        "demo/_demo.abi3.so": b"",
        "demo.libs/libfoo-12345678.so.1.2": b"library",
        f"{INFO}/METADATA": metadata.encode(),
        f"{INFO}/WHEEL": b"",
        **(files or {f"{INFO}/licenses/LICENSE": b"own text"}),
    }
    contents = {path: WheelFile(data=data) for path, data in data_by_path.items()}
    return Wheel(
        name="demo",
        version="1.0",
        build="",
        python="cp311",
        abi="abi3",
        platform="musllinux_1_2_x86_64",
        files=contents,
    )


def metadata_of(wheel: Wheel) -> list[str]:
    return wheel.files[f"{INFO}/METADATA"].data.decode().splitlines()


def sbom_of(wheel: Wheel) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(wheel.files[f"{INFO}/sboms/demo.cdx.json"].data)
    return document


def test_the_license_of_every_library_is_added_to_the_wheel() -> None:
    wheel = add_licenses_and_sbom(make_wheel(), (FOO, TINY), REPAIR)

    assert {path: file.data for path, file in wheel.files.items() if "/licenses/" in path} == {
        f"{INFO}/licenses/LICENSE": b"own text",
        f"{INFO}/licenses/foo/COPYING": b"foo's text",
        f"{INFO}/licenses/tiny/LICENSE": b"tiny's text",
    }
    assert metadata_of(wheel) == [
        "Metadata-Version: 2.4",
        "Name: demo",
        "Version: 1.0",
        "License-Expression: MIT AND Zlib AND (MIT OR Apache-2.0)",
        "License-File: LICENSE",
        "License-File: foo/COPYING",
        "License-File: tiny/LICENSE",
        "",
    ]


def test_metadata_older_than_pep_639_is_updated() -> None:
    wheel = add_licenses_and_sbom(make_wheel(OLD_METADATA, **{f"{INFO}/LICENSE": b"own text"}), (FOO,), REPAIR)

    assert metadata_of(wheel) == [
        "Metadata-Version: 2.4",
        "Name: demo",
        "Version: 1.0",
        "License-Expression: MIT AND Zlib",
        "License-File: LICENSE",
        "License-File: foo/COPYING",
        "Classifier: Typing :: Typed",
        "",
    ]
    assert f"{INFO}/LICENSE" not in wheel.files
    assert wheel.files[f"{INFO}/licenses/LICENSE"].data == b"own text"


def test_a_newer_metadata_version_is_kept() -> None:
    wheel = add_licenses_and_sbom(make_wheel(METADATA.replace("2.4", "2.5")), (FOO,), REPAIR)

    assert metadata_of(wheel)[0] == "Metadata-Version: 2.5"


def test_the_text_of_a_license_becomes_a_file_and_a_reference() -> None:
    text = "License: Copyright me\n        \n        All rights."
    wheel = make_wheel(f"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n{text}\n")

    licensed = add_licenses_and_sbom(wheel, (FOO,), REPAIR)

    assert licensed.files[f"{INFO}/licenses/LICENSE.txt"].data == b"Copyright me\n\nAll rights.\n"
    assert "License-Expression: LicenseRef-demo AND Zlib" in metadata_of(licensed)
    assert "License-File: LICENSE.txt" in metadata_of(licensed)
    root = sbom_of(licensed)["metadata"]["component"]
    assert root["licenses"] == [{"expression": "LicenseRef-demo"}]


def test_a_library_license_that_is_not_an_expression_is_refused() -> None:
    with pytest.raises(BuildError) as caught:
        add_licenses_and_sbom(make_wheel(), (replace(FOO, license="as is"),), REPAIR)

    assert caught.value.fact == (
        "demo 1.0 for musllinux_1_2_x86_64: a license is not a valid SPDX expression: Invalid license expression: 'as is'"
    )


def test_grafts_are_matched_to_their_libraries_by_name() -> None:
    wheel = make_wheel(
        METADATA,
        **{"demo.libs/libfoomux-87654321.so.3": b"", "demo.libs/libbar-11111111.so": b"", "demo/libfoo.so": b""},
    )

    assert match_grafts(wheel, (FOO, TINY)) == {
        "foo": ("demo.libs/libfoo-12345678.so.1.2", "demo.libs/libfoomux-87654321.so.3")
    }


def test_the_sbom_names_the_data_files_of_a_library() -> None:
    wheel = make_wheel(METADATA, **{"demo/words": b"one two"})

    foo, tiny = sbom_of(add_licenses_and_sbom(wheel, (FOO, TINY), REPAIR, {"tiny": ["demo/words"]}))["components"]

    assert [p["value"] for p in tiny["properties"] if p["name"] == "everywheel:file"] == ["demo/words"]
    assert tiny["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"one two").hexdigest()}]
    assert [p["value"] for p in foo["properties"] if p["name"] == "everywheel:file"] == [
        "demo.libs/libfoo-12345678.so.1.2"
    ]


def test_the_sbom_has_a_hash_of_each_of_several_files() -> None:
    wheel = make_wheel(METADATA, **{"demo/b": b"two", "demo/a": b"one"})

    sbom = sbom_of(add_licenses_and_sbom(wheel, (TINY,), REPAIR, {"tiny": ["demo/a", "demo/b"]}))

    (tiny,) = sbom["components"]
    assert "hashes" not in tiny
    assert tiny["components"] == [
        {
            "bom-ref": f"pkg:generic/tiny@0.3#demo/{name}",
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(data).hexdigest()}],
            "name": f"demo/{name}",
            "type": "file",
        }
        for name, data in (("a", b"one"), ("b", b"two"))
    ]


def test_the_sbom_describes_each_library_and_its_requirements() -> None:
    sbom = sbom_of(add_licenses_and_sbom(make_wheel(), (FOO, TINY), REPAIR))

    foo, tiny = sbom["components"]
    assert (foo["name"], foo["version"], foo["purl"]) == ("foo", "1.2", "pkg:generic/foo@1.2")
    assert foo["licenses"] == [{"expression": "Zlib"}]
    assert [(p["name"], p["value"]) for p in foo["properties"]] == [
        ("everywheel:exports", "foo_*"),
        ("everywheel:file", "demo.libs/libfoo-12345678.so.1.2"),
        ("everywheel:linkage", "shared"),
        ("everywheel:patch", "cve.patch"),
    ]
    assert [(p["name"], p["value"]) for p in tiny["properties"]] == [("everywheel:linkage", "static")]
    assert {d["ref"]: d.get("dependsOn", []) for d in sbom["dependencies"]} == {
        "pkg:generic/foo@1.2": ["pkg:generic/tiny@0.3"],
        "pkg:generic/tiny@0.3": [],
        "pkg:pypi/demo@1.0": ["pkg:generic/foo@1.2", "pkg:generic/tiny@0.3"],
    }


def test_the_sbom_has_the_names_by_which_scanners_find_vulnerabilities() -> None:
    library = replace(
        TINY,
        cpe="tiny_project:tiny",
        packaging="pkg:deb/debian/tiny@0.3-1%2Bdeb13u2?arch=source",
        patches=("CVE-2026-1001.patch", "overflow.patch (CVE-2026-1002, CVE-2026-1003)", "build.patch"),
    )

    (component,) = sbom_of(add_licenses_and_sbom(make_wheel(), (library,), REPAIR))["components"]

    assert component["cpe"] == "cpe:2.3:a:tiny_project:tiny:0.3:*:*:*:*:*:*:*"
    (ancestor,) = component["pedigree"]["ancestors"]
    assert (ancestor["name"], ancestor["version"], ancestor["purl"]) == ("tiny", "0.3-1+deb13u2", library.packaging)
    patches = [
        (patch["type"], patch["diff"]["url"], [issue["id"] for issue in patch.get("resolves", ())])
        for patch in component["pedigree"]["patches"]
    ]
    assert sorted(patches) == [
        ("backport", "CVE-2026-1001.patch", ["CVE-2026-1001"]),
        ("backport", "overflow.patch", ["CVE-2026-1002", "CVE-2026-1003"]),
        ("unofficial", "build.patch", []),
    ]


def test_the_sbom_is_reproducible_and_depends_on_the_libraries() -> None:
    first, second = (add_licenses_and_sbom(make_wheel(), (FOO, TINY), REPAIR) for _ in range(2))
    other = add_licenses_and_sbom(make_wheel(), (FOO, replace(TINY, version="0.4")), REPAIR)

    assert first == second
    assert sbom_of(first)["serialNumber"] != sbom_of(other)["serialNumber"]


def test_grafts_on_macos_are_matched_by_their_names_without_versions() -> None:
    files = {
        "demo/.dylibs/libfoo.1.2.dylib": b"",
        "demo/.dylibs/libfoomux.dylib": b"",
        "demo/.dylibs/libfoo2.0.dylib": b"",
        "demo/_demo.abi3.so": b"",
    }
    wheel = make_wheel()
    wheel = replace(wheel, files={path: WheelFile(data=data) for path, data in files.items()})

    assert match_grafts(wheel, (FOO, TINY)) == {
        "foo": ("demo/.dylibs/libfoo.1.2.dylib", "demo/.dylibs/libfoomux.dylib")
    }


# --- validation before grafting

SMALLEST_ELF = b"\x7fELF\2\1\1".ljust(16, b"\0") + struct.pack(
    "<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, 0, 0, 64, 56, 0, 64, 0, 0
)
SMALLEST_MACHO = struct.pack("<8I", 0xFEEDFACF, 0x0100000C, 0, 6, 0, 0, 0, 0)
HINT = "  hint: such a file is truncated, damaged or not a compiled file: build the wheel again"


@pytest.mark.parametrize(
    ("tag", "files", "lines"),
    [
        (
            "manylinux_2_17_x86_64",
            {"demo/_demo.abi3.so": b"text"},
            [
                "cannot graft libraries, because a compiled file cannot be read",
                "  demo/_demo.abi3.so: not a complete ELF file (Magic number does not match)",
                HINT,
            ],
        ),
        (
            "macosx_11_0_arm64",
            {"demo/b.dylib": b"text", "demo/a.so": SMALLEST_MACHO[:20], "demo/c.so": SMALLEST_MACHO},
            [
                "cannot graft libraries, because 2 compiled files cannot be read",
                "  demo/a.so: not a complete Mach-O file (unpack requires a buffer of 32 bytes)",
                "  demo/b.dylib: not a complete Mach-O file (Unknown Mach-O header: 0x74657874)",
                HINT,
            ],
        ),
        (
            "win_arm64",
            {"demo/_demo.pyd": b"text", "demo/x.dll": b"text" * 32},
            [
                "cannot graft libraries, because 2 compiled files cannot be read",
                "  demo/_demo.pyd: not a complete PE file (Unable to read the DOS Header, possibly a truncated file.)",
                "  demo/x.dll: not a complete PE file (DOS Header magic not found.)",
                HINT,
            ],
        ),
        (
            "win_amd64",
            {"demo/_demo.abi3.so": SMALLEST_ELF, "demo/libfoo.dylib": b"text"},
            [
                "nothing to repair for win_amd64: the wheel has no PE file",
                "  hint: build the extension for Windows, or name the wheel's target with --target",
            ],
        ),
    ],
)
def test_a_wheel_with_broken_or_missing_binaries_is_refused(
    tag: str, files: dict[str, bytes], lines: list[str], tmp_path: Path
) -> None:
    info = {path: make_wheel().files[path] for path in (f"{INFO}/METADATA", f"{INFO}/WHEEL")}
    wheel = replace(make_wheel(), files={**info, **{path: WheelFile(data=data) for path, data in files.items()}})
    path = pack_wheel(wheel, tmp_path, epoch=1577836800)

    with pytest.raises(BuildError) as caught:
        repair_wheel(path, replace(REPAIR, target=parse_target(tag)), tmp_path / "wheelhouse")

    assert caught.value.render().splitlines() == [f"error: {path.name}: {lines[0]}", *lines[1:]]
    assert not (tmp_path / "wheelhouse").exists()


def test_broken_files_of_other_systems_do_not_prevent_a_repair() -> None:
    wheel = make_wheel(**{"demo/launcher.exe": b"text", "demo/libfoo.dylib": b"text"})
    whole = {path: WheelFile(data=SMALLEST_ELF) for path in wheel.files if ".so" in path}

    check_binaries(replace(wheel, files={**wheel.files, **whole}), REPAIR.target)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("libvips-1a2b3c4d.so.42.17.1", "libvips.so.42.17.1"),
        ("libvips.so.42", "libvips.so.42"),
        ("libstdc++-0a1b2c3d.so.6", "libstdc++.so.6"),
        ("libgio-2.so.0", "libgio-2.so.0"),
        ("libfoo-42-3b5e95e7245261947fc91694ae71ade6.dll", "libfoo-42.dll"),
        ("libfoo-1a2b3c4d.42.dylib", "libfoo.42.dylib"),
    ],
)
def test_the_hash_of_a_graft_is_removed_from_its_name(name: str, plain: str) -> None:
    assert drop_graft_hash(name) == plain


def make_data(prefix: Path) -> None:
    for name in ("share/words/en", "share/words/old/de", "share/other"):
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).write_text(name)
    (prefix / "share" / "words" / "old" / "de").chmod(0o755)


def test_files_and_folders_of_the_prefix_become_part_of_the_wheel(tmp_path: Path) -> None:
    make_data(tmp_path)
    request = replace(REPAIR, prefix=tmp_path, data={"demo/data": "share/words", "demo/one.txt": "share/other"})

    wheel = add_data_files(make_wheel(), request)

    assert {path: file.data for path, file in wheel.files.items() if path not in make_wheel().files} == {
        "demo/data/en": b"share/words/en",
        "demo/data/old/de": b"share/words/old/de",
        "demo/one.txt": b"share/other",
    }
    assert wheel.files.keys() > make_wheel().files.keys()
    assert [path for path, file in wheel.files.items() if file.executable] == ["demo/data/old/de"]
    assert add_data_files(wheel, request) == wheel


def test_a_data_file_belongs_to_the_libraries_that_install_it(tmp_path: Path) -> None:
    make_data(tmp_path)
    write_file_list("words", tmp_path)
    for name in ("share/both", "share/only"):
        (tmp_path / name).write_text(name)
    write_file_list("other", tmp_path)
    (tmp_path / "share" / "everywheel" / "words.files").open("a").write("share/both\0")
    (tmp_path / "share" / "link").symlink_to("words")
    (tmp_path / "share" / "written-later").write_text("by no library")
    data = {
        "demo/en": "share/link/en",
        "demo/both": "share/both",
        "demo/only": "share/only",
        "demo/x": "share/written-later",
    }

    owners = find_data_owners(make_wheel(), replace(REPAIR, prefix=tmp_path, data=data))

    assert owners == {"other": ("demo/both", "demo/en", "demo/only"), "words": ("demo/both", "demo/en")}
    assert find_data_owners(make_wheel(), REPAIR) == {}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("share/wrods", "it has no such path"),
        ("share/empty", "the folder is empty"),
        ("share/out", "it has no such path"),
    ],
)
def test_data_that_the_prefix_does_not_have_is_refused(source: str, reason: str, tmp_path: Path) -> None:
    make_data(tmp_path)
    (tmp_path / "share" / "empty").mkdir()
    (tmp_path / "share" / "out").symlink_to("/etc")

    with pytest.raises(BuildError) as caught:
        add_data_files(make_wheel(), replace(REPAIR, prefix=tmp_path, data={"demo/data": source}))

    assert caught.value.render().splitlines() == [
        "error: demo 1.0 for musllinux_1_2_x86_64: the libraries have no files for `data`",
        f"  path: {source}",
        f"  reason: {reason}",
        "  hint: name a file or a folder of a library in `requires`; `everywheel deps --output-dir DIR` writes all of them",
    ]


@pytest.mark.parametrize(
    ("file", "data"),
    [
        (f"{INFO}/licenses/LICENSE", {f"{INFO}/licenses/LICENSE": "share/other"}),
        (f"{INFO}/RECORD", {f"{INFO}/RECORD": "share/other"}),
        ("demo/words/en", {"demo/words": "share/words", "demo/words/en": "share/other"}),
    ],
    ids=["file", "RECORD", "other entry"],
)
def test_data_does_not_replace_another_file_of_the_wheel(file: str, data: dict[str, str], tmp_path: Path) -> None:
    make_data(tmp_path)
    request = replace(REPAIR, prefix=tmp_path, data=data)

    with pytest.raises(BuildError) as caught:
        add_data_files(make_wheel(), request)

    assert caught.value.render().splitlines() == [
        "error: demo 1.0 for musllinux_1_2_x86_64: a file of `data` is in the wheel already, with another content",
        f"  file: {file}",
        "  from: share/other",
        "  hint: name another path in `data`, or leave the project's own file out of the wheel",
    ]
