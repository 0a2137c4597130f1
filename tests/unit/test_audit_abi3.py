"""abi3audit's findings, module by module: the real tool runs on the smallest files that it can read."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest
from everywheel.audit.abi3 import check_abi3
from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.macho import read_macho
from everywheel.wheels.wheel import WheelFile
from example_wheels import make_demo_wheel

TAG = "cp311-abi3-macosx_11_0_arm64"


def make_module(*needed: str, export: str = "PyInit__demo") -> bytes:
    """Return a module for arm64 that imports these symbols from Python."""
    strings, symbols = b"\0", b""
    for symbol, kind in ((export, 0x0F), *((symbol, 0x01) for symbol in needed)):
        symbols += struct.pack("<IBBHQ", len(strings), kind, kind >> 3, 0, 0)
        strings += f"_{symbol}\0".encode()
    start, count = 32 + 24, 1 + len(needed)
    table = struct.pack("<6I", 2, 24, start, count, start + len(symbols), len(strings))
    header = struct.pack("<8I", 0xFEEDFACF, 0x0100000C, 0, 6, 1, len(table), 0, 0)
    return header + table + symbols + strings


def make_content(folder: Path, files: dict[str, bytes], tag: str = TAG) -> WheelContents:
    wheel = make_demo_wheel(tag, files)
    path = folder / f"demo-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return WheelContents(path=path, wheel=wheel, machos={path: read_macho(data) for path, data in files.items()})


def test_modules_of_one_name_in_two_packages_keep_their_own_findings(tmp_path: Path) -> None:
    files = {
        "demo/a/_demo.abi3.so": make_module("PyList_New", "PyUnstable_Nonsense"),
        "demo/b/_demo.abi3.so": make_module("PyList_New"),
        "demo/c/_demo.abi3.so": make_module("PyList_New", "PyDict_GetItemRef"),
    }

    assert list(check_abi3(make_content(tmp_path, files))) == [
        Finding(
            check="abi3",
            file="demo/a/_demo.abi3.so",
            message="uses symbols that are not in the stable ABI",
            evidence=("PyUnstable_Nonsense",),
        ),
        Finding(
            check="abi3",
            file="demo/c/_demo.abi3.so",
            message="needs Python 3.13, but the wheel is tagged for 3.11",
            evidence=("PyDict_GetItemRef (since 3.13)",),
        ),
    ]


def test_every_importable_file_is_checked_under_any_name(tmp_path: Path) -> None:
    paths = ["demo/_demo.so", "demo/lib_demo.dylib", "demo/_demo.so.1"]

    findings = list(check_abi3(make_content(tmp_path, dict.fromkeys(paths, make_module("_PyNonsense")))))

    assert [(finding.file, finding.evidence) for finding in findings] == [(path, ("_PyNonsense",)) for path in paths]


def test_a_module_that_abi3audit_cannot_read_is_a_finding(tmp_path: Path) -> None:
    contents = make_content(tmp_path, {"demo/_demo.abi3.so": make_module("PyList_New")})
    contents.wheel.files["demo/_demo.abi3.so"] = WheelFile(data=b"")  # type: ignore[index]

    (finding,) = check_abi3(contents)

    assert (finding.check, finding.file, finding.message) == ("abi3", contents.path.name, "abi3audit wrote no report")
    assert finding.evidence


def test_the_python_settings_of_the_user_do_not_reach_abi3audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "user"
    folder.mkdir()
    for name in ("abi3audit", "sitecustomize"):
        (folder / f"{name}.py").write_text("raise SystemExit('a module of the user')")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYTHONHOME", str(folder))
    files = {"demo/_demo.abi3.so": make_module("PyList_New")}

    assert list(check_abi3(make_content(tmp_path, files))) == []


@pytest.mark.parametrize("abi", ["abi3.abi3t", "abi3t"])
def test_a_module_for_pythons_with_and_without_the_gil_may_use_the_functions_of_3_15(tmp_path: Path, abi: str) -> None:
    module = make_module("PyObject_GetTypeData", "PyModule_GetState_DuringGC", export="PyModExport__demo")
    tag = f"cp315-{abi}-macosx_11_0_arm64"

    assert list(check_abi3(make_content(tmp_path, {"demo/_demo.abi3t.so": module}, tag))) == []


@pytest.mark.parametrize(
    ("abi", "function"),
    [("abi3.abi3t", "PyModuleDef_Init"), ("abi3t", "PyModule_FromDefAndSpec2"), ("abi3.abi3t", "_Py_Dealloc")],
)
def test_a_module_that_depends_on_the_layout_of_objects_needs_the_gil(tmp_path: Path, abi: str, function: str) -> None:
    tag = f"cp315-{abi}-macosx_11_0_arm64"
    files = {"demo/_demo.abi3t.so": make_module("PyList_New", function)}

    assert list(check_abi3(make_content(tmp_path, files, tag))) == [
        Finding(
            check="abi3",
            file="demo/_demo.abi3t.so",
            message="uses symbols that depend on the layout of objects, which differs without the GIL",
            evidence=(function,),
        )
    ]
    assert list(check_abi3(make_content(tmp_path, files, "cp315-abi3-macosx_11_0_arm64"))) == []


def test_the_version_is_that_of_a_tag_for_pythons_without_the_gil(tmp_path: Path) -> None:
    files = {"demo/_demo.abi3t.so": make_module("PyModule_FromSlotsAndSpec")}

    (finding,) = check_abi3(make_content(tmp_path, files, "cp314-abi3t-macosx_11_0_arm64"))

    assert finding.message == "needs Python 3.15, but the wheel is tagged for 3.14"
