"""The check of where installers write the files of a wheel, and of metadata that tools would read differently."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from everywheel.audit.checks import audit_wheel

NAME = "demo-1.0-py3-none-any.whl"
METADATA = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
WHEEL = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def find(folder: Path, files: Mapping[str, bytes]) -> set[tuple[str, str]]:
    """Return file and message of each finding about archive, record and tags of a wheel with these files."""
    base = {
        "demo-1.0.dist-info/METADATA": METADATA,
        "demo-1.0.dist-info/WHEEL": WHEEL,
        "demo-1.0.dist-info/RECORD": b"",
    }
    path = folder / NAME
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**base, **files}.items():
            archive.writestr(name, content)
    findings = audit_wheel(path).findings
    return {(f.file, f.message) for f in findings if f.message != "not listed in RECORD"}


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("demo-1.0.data/purelib/demo.py", "is installed to the same path as demo-1.0.data/platlib/demo.py"),
        ("demo-1.0.data/purelib/Demo/x.py", "is installed to the same path as demo/x.py"),
        (
            "demo-1.0.data/purelib/demo-1.0.dist-info/METADATA",
            "is installed into demo-1.0.dist-info, which is not the directory of this distribution",
        ),
        (
            "demo-1.0.data/purelib/pip-99.0.dist-info/METADATA",
            "is installed into pip-99.0.dist-info, which is not the directory of this distribution",
        ),
        ("pip-99.0.egg-info", "is installed into pip-99.0.egg-info, which is not the directory of this distribution"),
        ("demo-1.0.data/nosuch/x", "is in 'nosuch' of demo-1.0.data, which installers do not know"),
        ("pip-99.0.data/purelib/x.py", "is in pip-99.0.data, the data directory of another distribution"),
    ],
)
def test_a_file_that_replaces_another_one_or_belongs_elsewhere_is_found(
    file: str, message: str, tmp_path: Path
) -> None:
    others = {"demo-1.0.data/platlib/demo.py": b"", "demo/x.py": b""}

    assert (file, message) in find(tmp_path, {**others, file: b"x"})


def test_files_of_every_scheme_have_no_finding(tmp_path: Path) -> None:
    files = {f"demo-1.0.data/{scheme}/x": b"" for scheme in ("purelib", "headers", "scripts", "data")}

    assert not {message for _, message in find(tmp_path, files) if "install" in message}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("WHEEL", WHEEL.replace(b"1.0", b"9.0"), "Wheel-Version is '9.0', and installers read 1.0"),
        ("METADATA", METADATA + b"Name: other\n", "Name is repeated"),
        ("METADATA", METADATA + b"Version: 2.0\n", "Version is repeated"),
        ("METADATA", METADATA.replace(b"1.0\n", b"9" * 5000), f"Version is '{'9' * 200}', but the file name has '1.0'"),
    ],
)
def test_metadata_that_tools_read_differently_are_found(
    file: str, content: bytes, message: str, tmp_path: Path
) -> None:
    assert (f"demo-1.0.dist-info/{file}", message) in find(tmp_path, {f"demo-1.0.dist-info/{file}": content})


def test_nested_parts_of_metadata_are_not_parsed(tmp_path: Path) -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(2000))

    find(tmp_path, {"demo-1.0.dist-info/METADATA": METADATA + nested})


def test_a_file_that_record_lists_twice_is_found(tmp_path: Path) -> None:
    record = b"demo.py,sha256=x,1\ndemo.py,,\n"

    assert ("demo.py", "listed more than once in RECORD") in find(
        tmp_path, {"demo.py": b"", "demo-1.0.dist-info/RECORD": record}
    )
