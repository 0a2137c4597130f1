"""Wheels: tags, metadata, RECORD, and reproducible bytes."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.errors import BuildError
from everywheel.wheels.wheel import (
    Wheel,
    WheelFile,
    add_files,
    edit_metadata,
    pack_wheel,
    read_wheel,
    retag_wheel,
)
from packaging.metadata import RawMetadata

EPOCH = 1577836800
METADATA = b"""Metadata-Version: 2.1
Name: demo
Version: 1.0
Summary: A demo
License: MIT
Project-URL: Home, https://example.org/

A description.
"""


def make_wheel(**files: bytes) -> Wheel:
    data_by_path = {
        "demo/__init__.py": b"",
        "demo-1.0.dist-info/METADATA": METADATA,
        "demo-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: x 1\nRoot-Is-Purelib: true\nBuild: 3\nTag: a-b-c\n",
        **files,
    }
    contents = {path: WheelFile(data=data) for path, data in data_by_path.items()}
    return Wheel(name="demo", version="1.0", build="", python="py3", abi="none", platform="any", files=contents)


def test_a_packed_wheel_is_read_back_unchanged(tmp_path: Path) -> None:
    wheel = make_wheel()
    wheel = replace(wheel, files={**wheel.files, "demo/tool": WheelFile(data=b"#!x", executable=True)})

    path = pack_wheel(wheel, tmp_path, epoch=EPOCH)

    assert path.name == "demo-1.0-py3-none-any.whl"
    assert read_wheel(path) == replace(
        wheel, files=dict(sorted(wheel.files.items(), key=lambda f: (".dist" in f[0], f)))
    )
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_same_files_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    wheel = make_wheel()
    backwards = replace(wheel, files=dict(reversed(list(wheel.files.items()))))

    first = pack_wheel(wheel, tmp_path / "first", epoch=EPOCH).read_bytes()
    second = pack_wheel(backwards, tmp_path / "second", epoch=EPOCH).read_bytes()

    assert first == second


def test_record_lists_every_file_with_its_hash_and_is_last(tmp_path: Path) -> None:
    with zipfile.ZipFile(pack_wheel(make_wheel(**{"demo/a,b.txt": b"x"}), tmp_path, epoch=EPOCH)) as archive:
        names = archive.namelist()
        record = archive.read("demo-1.0.dist-info/RECORD").decode().splitlines()

    digest = base64.urlsafe_b64encode(hashlib.sha256(b"x").digest()).rstrip(b"=").decode()
    assert names[-1] == "demo-1.0.dist-info/RECORD"
    assert [name.startswith("demo-1.0.dist-info/") for name in names] == [False, False, True, True, True]
    assert record[1] == f'"demo/a,b.txt",sha256={digest},1'
    assert record[-1] == "demo-1.0.dist-info/RECORD,,"


def test_a_new_tag_is_in_the_file_name_and_in_the_wheel_file() -> None:
    wheel = retag_wheel(make_wheel(), python="cp311", abi="abi3", platform="manylinux2014_x86_64")

    assert wheel.filename == "demo-1.0-cp311-abi3-manylinux2014_x86_64.whl"
    assert wheel.files["demo-1.0.dist-info/WHEEL"].data.decode() == (
        "Wheel-Version: 1.0\nGenerator: x 1\nRoot-Is-Purelib: false\nTag: cp311-abi3-manylinux2014_x86_64\n"
    )


def test_compressed_tags_are_expanded_in_the_wheel_file() -> None:
    wheel = retag_wheel(make_wheel(), python="py2.py3", abi="none", platform="any")

    assert wheel.tags == ("py2-none-any", "py3-none-any")
    assert wheel.files["demo-1.0.dist-info/WHEEL"].data.decode().endswith("Tag: py2-none-any\nTag: py3-none-any\n")


def test_a_change_of_metadata_keeps_the_other_fields() -> None:
    def change(metadata: RawMetadata) -> RawMetadata:
        return RawMetadata(**{**metadata, "metadata_version": "2.4", "keywords": ["a", "b"]})

    wheel = edit_metadata(make_wheel(), change)

    assert wheel.files["demo-1.0.dist-info/METADATA"].data.decode() == (
        "Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nSummary: A demo\nKeywords: a,b\nLicense: MIT\n"
        "Project-URL: Home, https://example.org/\n\nA description.\n"
    )


def test_invalid_metadata_is_refused() -> None:
    def change(metadata: RawMetadata) -> RawMetadata:
        return RawMetadata(**{**metadata, "metadata_version": "2.4", "license_expression": "Nonsense-1.0"})

    with pytest.raises(BuildError) as caught:
        edit_metadata(make_wheel(), change)

    assert caught.value.fact == "demo-1.0-py3-none-any.whl: METADATA would not be valid"
    assert "Nonsense-1.0" in caught.value.excerpt[0]


def test_a_new_tag_keeps_the_build_number_of_the_file_name() -> None:
    wheel = retag_wheel(replace(make_wheel(), build="3"), python="py3", abi="none", platform="win_amd64")

    assert wheel.filename == "demo-1.0-3-py3-none-win_amd64.whl"
    assert wheel.files["demo-1.0.dist-info/WHEEL"].data.decode() == (
        "Wheel-Version: 1.0\nGenerator: x 1\nRoot-Is-Purelib: false\nBuild: 3\nTag: py3-none-win_amd64\n"
    )


@pytest.mark.parametrize(
    ("file", "directory", "name"),
    [
        ("Foo.Bar-1.0-py3-none-any", "foo_bar-1.0", "foo_bar-1.0-py3-none-any.whl"),
        ("foo_bar-1.0-py3-none-any", "Foo.Bar-1.0", "foo_bar-1.0-py3-none-any.whl"),
        ("foo_bar-1.0-py3-none-any", "foo-bar-1.0", "foo_bar-1.0-py3-none-any.whl"),
        ("foo-1.0.0rc1-2-py3-none-any", "foo-1.0.0_rc1", "foo-1.0.0rc1-2-py3-none-any.whl"),
        ("foo-1.0.post1-py3-none-any", "foo-1.0-1", "foo-1.0.post1-py3-none-any.whl"),
        ("Foo-1.0-py3-none-any", "Foo-1.0", "Foo-1.0-py3-none-any.whl"),
    ],
)
def test_file_name_and_directories_get_one_spelling(tmp_path: Path, file: str, directory: str, name: str) -> None:
    path = tmp_path / f"{file}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member in ("dist-info/METADATA", "dist-info/WHEEL", "data/scripts/x"):
            archive.writestr(f"{directory}.{member}", "")

    wheel = read_wheel(path)

    stem = "-".join(name.split("-")[:2])
    assert wheel.filename == name
    assert set(wheel.files) == {f"{stem}.dist-info/METADATA", f"{stem}.dist-info/WHEEL", f"{stem}.data/scripts/x"}


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("demo/link.so")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "demo.so")

    with pytest.raises(BuildError) as caught:
        read_wheel(path)

    assert caught.value.details["reason"] == "'demo/link.so': a symbolic link, which installers write as a regular file"


def test_unknown_fields_of_metadata_are_kept() -> None:
    unknown = b"Summary: A demo\nX-Origin: factory 7\nX-Note: two\n        lines\n"
    wheel = add_files(make_wheel(), {"demo-1.0.dist-info/METADATA": METADATA.replace(b"Summary: A demo\n", unknown)})

    assert edit_metadata(wheel, lambda fields: fields).files["demo-1.0.dist-info/METADATA"].data.decode() == (
        "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nSummary: A demo\nLicense: MIT\n"
        "Project-URL: Home, https://example.org/\nX-Note: two\n        lines\nX-Origin: factory 7\n\nA description.\n"
    )


def test_a_file_that_is_not_a_zip_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(b"text")

    with pytest.raises(BuildError) as caught:
        read_wheel(path)

    assert caught.value.render() == (
        f"error: {path.name} is not a readable wheel\n  file: {path}\n  reason: it has no directory at its end"
    )


def test_a_wheel_without_metadata_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("demo/__init__.py", "")

    with pytest.raises(BuildError) as caught:
        read_wheel(path)

    assert caught.value.fact == f"{path.name} has no demo-1.0.dist-info/METADATA"


@pytest.mark.parametrize("name", ["../evil.py", "/etc/passwd", "demo/../../evil.py", "C:/evil.py", "demo\\evil.py"])
def test_a_path_that_leads_out_of_the_wheel_is_refused(tmp_path: Path, name: str) -> None:
    path = pack_wheel(make_wheel(**{name: b""}), tmp_path, epoch=EPOCH)

    with pytest.raises(BuildError) as caught:
        read_wheel(path)

    fault = "is absolute" if name.startswith("/") else "leads out of the directory"
    assert caught.value.details["reason"] == f"'{name}': the path {fault}"


def test_a_failed_pack_keeps_the_old_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = pack_wheel(make_wheel(), tmp_path, epoch=EPOCH)
    before = old.read_bytes()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))

    with pytest.raises(KeyboardInterrupt):
        pack_wheel(make_wheel(**{"demo/new.py": b""}), tmp_path, epoch=EPOCH)

    assert old.read_bytes() == before
    assert list(tmp_path.iterdir()) == [old]
