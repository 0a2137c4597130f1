"""Wheels as values: tags, metadata, RECORD, and bytes that depend on nothing else."""

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
    read_metadata,
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

Words about it.
"""


def make_wheel(**files: bytes) -> Wheel:
    given = {
        "demo/__init__.py": b"",
        "demo-1.0.dist-info/METADATA": METADATA,
        "demo-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: x 1\nRoot-Is-Purelib: true\nBuild: 3\nTag: a-b-c\n",
        **files,
    }
    contents = {path: WheelFile(data=data) for path, data in given.items()}
    return Wheel(name="demo", version="1.0", build="", python="py3", abi="none", platform="any", files=contents)


def test_a_packed_wheel_reads_back_as_it_was(tmp_path: Path) -> None:
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

    one = pack_wheel(wheel, tmp_path / "one", epoch=EPOCH).read_bytes()
    two = pack_wheel(backwards, tmp_path / "two", epoch=EPOCH).read_bytes()

    assert one == two


def test_record_lists_every_file_with_its_hash_and_stands_last(tmp_path: Path) -> None:
    with zipfile.ZipFile(pack_wheel(make_wheel(**{"demo/a,b.txt": b"x"}), tmp_path, epoch=EPOCH)) as archive:
        names = archive.namelist()
        record = archive.read("demo-1.0.dist-info/RECORD").decode().splitlines()

    digest = base64.urlsafe_b64encode(hashlib.sha256(b"x").digest()).rstrip(b"=").decode()
    assert names[-1] == "demo-1.0.dist-info/RECORD"
    assert [name.startswith("demo-1.0.dist-info/") for name in names] == [False, False, True, True, True]
    assert record[1] == f'"demo/a,b.txt",sha256={digest},1'
    assert record[-1] == "demo-1.0.dist-info/RECORD,,"


def test_a_new_tag_stands_in_the_file_name_and_in_the_wheel_file() -> None:
    wheel = retag_wheel(make_wheel(), python="cp311", abi="abi3", platform="manylinux2014_x86_64")

    assert wheel.filename == "demo-1.0-cp311-abi3-manylinux2014_x86_64.whl"
    assert wheel.files["demo-1.0.dist-info/WHEEL"].data.decode() == (
        "Wheel-Version: 1.0\nGenerator: x 1\nRoot-Is-Purelib: false\nTag: cp311-abi3-manylinux2014_x86_64\n"
    )


def test_compressed_tags_are_written_out_one_by_one() -> None:
    wheel = retag_wheel(make_wheel(), python="py2.py3", abi="none", platform="any")

    assert wheel.tags == ("py2-none-any", "py3-none-any")
    assert wheel.files["demo-1.0.dist-info/WHEEL"].data.decode().endswith("Tag: py2-none-any\nTag: py3-none-any\n")


def test_metadata_is_changed_and_the_rest_of_it_stays() -> None:
    def change(metadata: RawMetadata) -> RawMetadata:
        return RawMetadata(**{**metadata, "metadata_version": "2.4", "keywords": ["a", "b"]})

    wheel = edit_metadata(make_wheel(), change)

    assert wheel.files["demo-1.0.dist-info/METADATA"].data.decode() == (
        "Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nSummary: A demo\nKeywords: a,b\nLicense: MIT\n"
        "Project-URL: Home, https://example.org/\n\nWords about it.\n"
    )


def test_metadata_that_would_not_be_valid_is_refused() -> None:
    def change(metadata: RawMetadata) -> RawMetadata:
        return RawMetadata(**{**metadata, "metadata_version": "2.4", "license_expression": "Nonsense-1.0"})

    with pytest.raises(BuildError) as caught:
        edit_metadata(make_wheel(), change)

    assert caught.value.fact == "demo-1.0-py3-none-any.whl: METADATA would not be valid"
    assert "Nonsense-1.0" in caught.value.excerpt[0]


def test_metadata_with_unknown_fields_is_refused() -> None:
    wheel = add_files(make_wheel(), {"demo-1.0.dist-info/METADATA": METADATA.replace(b"Summary", b"Sumary")})

    with pytest.raises(BuildError) as caught:
        read_metadata(wheel)

    assert caught.value.render() == (
        "error: demo-1.0-py3-none-any.whl: METADATA has fields that nobody knows\n  fields: sumary"
    )


def test_what_is_no_zip_is_not_a_readable_wheel(tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(b"no zip")

    with pytest.raises(BuildError) as caught:
        read_wheel(path)

    assert caught.value.render() == (
        f"error: {path.name} is not a readable wheel\n  file: {path}\n  reason: File is not a zip file"
    )


def test_a_wheel_without_metadata_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("demo/__init__.py", "")

    with pytest.raises(BuildError) as caught:
        read_wheel(path)

    assert caught.value.fact == f"{path.name} has no demo-1.0.dist-info/METADATA"


@pytest.mark.parametrize("name", ["../evil.py", "/etc/passwd", "demo/../../evil.py", "C:/evil.py", "demo\\evil.py"])
def test_a_path_that_leaves_the_wheel_is_refused(tmp_path: Path, name: str) -> None:
    path = pack_wheel(make_wheel(**{name: b""}), tmp_path, epoch=EPOCH)

    with pytest.raises(BuildError) as caught:
        read_wheel(path)

    assert caught.value.fact == f"{path.name} holds a path that leaves the wheel: {name}"


def test_a_failed_pack_leaves_the_old_wheel_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = pack_wheel(make_wheel(), tmp_path, epoch=EPOCH)
    before = old.read_bytes()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))

    with pytest.raises(KeyboardInterrupt):
        pack_wheel(make_wheel(**{"demo/new.py": b""}), tmp_path, epoch=EPOCH)

    assert old.read_bytes() == before
    assert list(tmp_path.iterdir()) == [old]
