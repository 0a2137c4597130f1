"""The commands for finished wheels: findings that are ignored, folders of wheels, and wheels outside of a project."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from everywheel.audit import CODES, FindingKind, find_kind
from everywheel.cli.main import main
from everywheel.cli.repair import choose_tags
from everywheel.config.project import load_project
from everywheel.config.python_spec import PythonSpec
from everywheel.wheels.wheel import pack_wheel
from example_wheels import make_demo_wheel

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "tests" / "failing" / "base"
INFO = "demo-1.0.dist-info"
NO_EXPRESSION = f"licenses (quality): {INFO}/METADATA: no License-Expression (PEP 639)"
NOT_LISTED = "record (load): demo.py: not listed in RECORD"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, which is not that of a project; the store is in another one."""
    (tmp_path / "current").mkdir()
    monkeypatch.chdir(tmp_path / "current")
    monkeypatch.setenv("EVERYWHEEL_STORE", str(tmp_path / "store"))
    return tmp_path / "current"


def make_wheel(folder: Path, tag: str = "py3-none-any", files: Mapping[str, bytes] = {}) -> Path:
    """Write a wheel without a license."""
    info = {
        "METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        "WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    contents = {"demo.py": b"", **files, **{f"{INFO}/{name}": data for name, data in info.items()}}
    return pack_wheel(make_demo_wheel(tag, contents), folder, epoch=315532800)


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(main, list(map(str, args)))


def drop_record_lines(path: Path) -> None:
    """Empty a wheel's RECORD."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, b"" if name.endswith("RECORD") else data)


def test_a_finding_has_its_kind_and_can_be_ignored(folder: Path) -> None:
    wheel = make_wheel(folder)

    failed, ignored = run("audit", wheel), run("audit", wheel, "--ignore", "licenses", "--ignore", "debug")

    assert (failed.exit_code, ignored.exit_code) == (5, 0)
    assert f"  | {NO_EXPRESSION}" in failed.output.splitlines()
    lines = ignored.output.splitlines()
    assert lines[-2:] == [
        "  ignored licenses:     0 texts; no SBOM lists a library",
        "  ignored: 1 finding of licenses",
    ]


def test_the_summary_states_that_a_wheel_with_ignored_findings_may_not_load(folder: Path) -> None:
    wheel = make_wheel(folder)
    drop_record_lines(wheel)

    result = run("audit", wheel, "--ignore", "record")

    assert result.exit_code == 5
    assert "  ignored: 3 findings of record: the wheel may not be installed or loaded" in result.output.splitlines()
    assert f"  | {NO_EXPRESSION}" in result.output.splitlines()
    assert NOT_LISTED not in result.output


def test_json_has_the_kinds_of_all_findings(folder: Path) -> None:
    wheel = make_wheel(folder)
    drop_record_lines(wheel)

    (report,) = json.loads(run("audit", wheel, "--json", "--ignore", "licenses", "--ignore", "record").stdout)

    assert report["findings"] == []
    assert {(finding["check"], finding["kind"]) for finding in report["ignored"]} == {
        ("licenses", "quality"),
        ("record", "load"),
    }


def test_an_unknown_code_is_refused(folder: Path) -> None:
    result = run("audit", make_wheel(folder), "--ignore", "license")

    assert result.exit_code == 2
    assert result.output.splitlines() == [
        "error: '--ignore license': there is no such check",
        "  hint: did you mean 'licenses'?",
    ]


def test_every_code_is_documented_with_its_kind() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    table = text[text.index("## Audit findings") : text.index("## Smoke tests")]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (load|quality) \|", table, re.M)
    kinds = {code: kind for codes, kind in rows for code in re.findall(r"\w+", codes)}

    assert kinds == {code: str(find_kind(code)) for code in CODES}
    assert set(kinds.values()) == set(FindingKind)


def test_a_folder_means_the_wheels_in_it(folder: Path) -> None:
    wheelhouse = folder / "wheelhouse"
    wheelhouse.mkdir()
    for tag in ("py3-none-any", "py2-none-any"):
        make_wheel(wheelhouse, tag)
    (wheelhouse / "notes.txt").touch()
    (wheelhouse / "folder.whl").mkdir()

    result = run("audit", wheelhouse, "--ignore", "licenses")

    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines() if not line.startswith(" ")] == [
        "demo-1.0-py2-none-any.whl",
        "demo-1.0-py3-none-any.whl",
    ]


@pytest.mark.parametrize(
    "command", [["audit"], ["repair", "--prefix", "."], ["-p", str(PROJECT), "smoke", "--command", "true"]]
)
def test_a_folder_without_wheels_and_a_fifo_are_named(folder: Path, command: list[str]) -> None:
    (folder / "empty").mkdir()
    (folder / "dist").mkdir()
    for name in ("fifo.whl", "dist/fifo.whl"):
        os.mkfifo(folder / name)

    results = [run(*command, name) for name in ("empty", "fifo.whl", "dist")]

    assert [result.exit_code for result in results] == [2, 2, 2]
    assert [result.output.splitlines()[0] for result in results] == [
        "error: empty: no wheel in this folder",
        "error: fifo.whl: not a file",
        "error: dist/fifo.whl: not a file",
    ]


@pytest.mark.parametrize(
    ("tag", "lines"),
    [
        (
            "cp312-cp312-macosx_11_0_universal2",
            [
                "error: demo-1.0-cp312-cp312-macosx_11_0_universal2.whl is for universal2: "
                "wheels with files for several architectures cannot be repaired",
                "  hint: a prefix has libraries of one architecture: repair a wheel for each architecture, and merge the "
                "results with `delocate-merge`; `everywheel audit` checks merged wheels",
            ],
        ),
        (
            "cp312-cp312-linux_aarch64",
            [
                "error: demo-1.0-cp312-cp312-linux_aarch64.whl is for linux_aarch64, which promises no C library",
                "  hint: name the target with --target, such as manylinux2014_x86_64",
            ],
        ),
        (
            "cp312-cp312-manylinux_2_17_x86_64",
            [
                "error: demo-1.0-cp312-cp312-manylinux_2_17_x86_64.whl: nothing to repair for manylinux_2_17_x86_64: the "
                "wheel has no ELF file",
                "  hint: build the extension for Linux, or name the wheel's target with --target",
            ],
        ),
    ],
)
def test_a_wheel_is_examined_for_a_repair_outside_of_a_project(folder: Path, tag: str, lines: list[str]) -> None:
    (folder / "prefix" / "share" / "everywheel").mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "other"\n')

    result = run("repair", make_wheel(folder, tag), "--prefix", "prefix")

    assert result.exit_code == 2 if "nothing to repair" not in lines[0] else 1
    assert result.output.splitlines() == lines


def test_a_project_that_is_named_must_exist(folder: Path) -> None:
    shutil.copytree(PROJECT, folder / "project")
    (folder / "project" / "pyproject.toml").unlink()

    result = run("-p", "project", "repair", make_wheel(folder), "--prefix", ".")

    assert result.exit_code == 2
    assert result.output.startswith(f"error: {folder / 'project'}: not a Python project: ")


@pytest.mark.parametrize(
    ("name", "python", "abi"),
    [
        ("demo-1.0-cp313-abi3-linux_x86_64.whl", "cp311", "abi3"),
        ("Demo-1.0-1-cp314-cp314t-linux_x86_64.whl", "cp314", "cp314t"),
        ("demo-1.0-cp312-cp312-linux_x86_64.whl", "cp312", "cp312"),
        ("other-1.0-cp313-abi3-linux_x86_64.whl", "cp313", "abi3"),
    ],
)
def test_a_wheel_of_the_project_gets_the_python_that_the_project_declares(name: str, python: str, abi: str) -> None:
    pythons = (
        PythonSpec(tag="cp311", abi="abi3", headers="cpython", limited_api=True, free_threaded=False),
        PythonSpec(tag="cp314", abi="cp314t", headers="cpython-freethreaded", limited_api=False, free_threaded=True),
    )
    project = dataclasses.replace(load_project(PROJECT), name="demo", pythons=pythons)

    tags = choose_tags(Path(name), "manylinux2014_x86_64", project)

    assert (tags.python, tags.abi, tags.platform) == (python, abi, "manylinux2014_x86_64")
    assert choose_tags(Path(name), "manylinux2014_x86_64", None).python == name.split("-")[-3]


def test_two_wheels_with_one_result_are_refused_before_any_is_repaired(folder: Path) -> None:
    (folder / "prefix" / "share" / "everywheel").mkdir(parents=True)
    wheel = make_wheel(folder, "cp312-cp312-manylinux_2_17_x86_64")
    for name in ("one", "two"):
        (folder / name).mkdir()
        shutil.copy(wheel, folder / name)

    result = run("repair", "one", "two", "--prefix", "prefix")

    assert result.exit_code == 2
    assert result.output.splitlines() == [
        f"error: one/{Path(wheel).name} and two/{Path(wheel).name} would be repaired to the same file",
        "  hint: repair them into different folders with --wheelhouse",
    ]
