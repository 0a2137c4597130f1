"""Metadata because of which installers refuse a wheel, and modules under names that no Python imports, are findings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.audit.metadata import check_metadata_files
from everywheel.audit.tags import check_tags
from everywheel.audit.wheel_contents import WheelContents
from example_wheels import ELF, make_demo_wheel

GLIBC = "cp311-cp311-manylinux2014_x86_64"
ABI3 = "cp311-abi3-manylinux2014_x86_64"
PURE = "py3-none-any"
FILES = {"WHEEL": b"Wheel-Version: 1.0\n", "METADATA": b"Name: demo\n"}
POINT = "the script '{}' is '{}', which is not `module:function`"


@pytest.mark.parametrize(
    ("name", "data", "tag", "message"),
    [
        ("WHEEL", b"Generator: x\n", GLIBC, "has no Wheel-Version"),
        ("WHEEL", b"Wheel-Version: 1.x\n", GLIBC, "Wheel-Version is '1.x', which is not a version"),
        ("WHEEL", b"Wheel-Version: 1.0\nGenerator: \xff\n", GLIBC, "is not UTF-8"),
        ("METADATA", b"Summary: \xff\n", GLIBC, "is not UTF-8"),
        ("METADATA", b"Requires-Dist: a (>=1) ; python_version >= '3'\n", GLIBC, None),
        ("METADATA", b"Requires-Dist: a b\n", GLIBC, "Requires-Dist is 'a b', which is not a requirement (PEP 508)"),
        ("METADATA", b"Requires-Python: >=3.11.4\n", GLIBC, None),
        ("METADATA", b"Requires-Python: banana\n", GLIBC, None),
        *[
            ("METADATA", f"Requires-Python: {text}\n".encode(), tag, fault and fault.format(text))
            for text, tag, fault in (
                (">=3.12", ABI3, None),
                (">=3.12", PURE, None),
                (">=3.12", GLIBC, "Requires-Python is '{}', which excludes every Python of the tag cp311"),
                ("<3.11", ABI3, "Requires-Python is '{}', which excludes every Python of the tag cp311"),
                (">=4", PURE, "Requires-Python is '{}', which excludes every Python of the tag py3"),
            )
        ],
        ("entry_points.txt", b"[console_scripts]\nx = a.b:c.d [extra]\n\n[other]\ny = a\n", GLIBC, None),
        ("entry_points.txt", b"[console_scripts]\nx = a\n", GLIBC, POINT.format("x", "a")),
        ("entry_points.txt", b"x = a:b\n", GLIBC, "is not a list of entry points: File contains no section headers."),
        (
            "entry_points.txt",
            b"[gui_scripts]\n../x = a:b\n",
            GLIBC,
            "the script '../x' would be outside of the directory for scripts",
        ),
        ("entry_points.txt", b"\xff", GLIBC, "is not UTF-8"),
    ],
)
def test_metadata_that_installers_refuse_is_found(name: str, data: bytes, tag: str, message: str | None) -> None:
    files = {f"demo-1.0.dist-info/{file}": text for file, text in {**FILES, name: data}.items()}
    contents = WheelContents(path=Path(f"demo-1.0-{tag}.whl"), wheel=make_demo_wheel(tag, files))

    findings = [(finding.file, finding.message) for finding in check_metadata_files(contents)]

    assert findings == ([(f"demo-1.0.dist-info/{name}", message)] if message else [])


@pytest.mark.parametrize("text", ["a; " + "(" * 20_000, "a==" + "1" * 5_000, "a" * 1_000_000])
def test_a_requirement_of_any_form_is_read(text: str) -> None:
    files = {"demo-1.0.dist-info/METADATA": f"Requires-Dist: {text}\nRequires-Python: >={text}\n".encode()}
    contents = WheelContents(path=Path(f"demo-1.0-{GLIBC}.whl"), wheel=make_demo_wheel(GLIBC, files))

    assert len(list(check_metadata_files(contents))) <= 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("demo.so", None),
        ("libdemo.so", None),
        ("other.so", "exports PyInit_demo, but not PyInit_other, so Python cannot import it"),
        ("demo.cpython-311.so", "is named without a platform: Python does not import it under that name"),
        ("demo.abi4.so", "has a name that ends with .abi4.so, which no Python imports"),
    ],
)
def test_a_module_under_a_name_that_python_does_not_import_is_found(name: str, message: str | None) -> None:
    elves = {name: replace(ELF, exports=("PyInit_demo",))}
    wheel = make_demo_wheel(GLIBC, {name: b""})
    contents = WheelContents(path=Path(f"demo-1.0-{GLIBC}.whl"), wheel=wheel, elves=elves)

    findings = [(finding.file, finding.message) for finding in check_tags(contents)]

    assert findings == ([(name, message)] if message else [])
