"""Two builds under unlike circumstances: equal bytes are reported, and a circumstance that gets into a wheel is noticed."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fixture_project import ROOT, FixtureProject

SCRIPT = ROOT / ".ci" / "reproduce.py"
# A checksum of the build's folder becomes a part of the extension for one of the targets.
FOLDER_SUM = """  c_args: host_machine.cpu_family() == 'aarch64' ? ['-DSUM="' + sum + '"'] : [],
  gnu_symbol_visibility"""
# Of a fixed length, so that no other section moves.
READ_FOLDER_SUM = (
    "sum = run_command('sh', '-c', 'printf %010d $(pwd | cksum | cut -d \" \" -f 1)', check: true).stdout().strip()\n"
    "python.extension_module("
)


def test_a_wheel_that_depends_on_the_folder_is_found_by_two_builds(project: FixtureProject) -> None:
    project.replace("extension/meson.build", "  gnu_symbol_visibility", FOLDER_SUM)
    project.replace("extension/meson.build", "python.extension_module(", READ_FOLDER_SUM)
    source = project.root / "extension" / "src" / "fixture.c"
    source.write_text(
        f'{source.read_text()}\n#ifdef SUM\n__attribute__((used, retain)) static const char sum[] = "folder " SUM;\n#endif\n'
    )

    result = subprocess.run(
        [sys.executable, SCRIPT, "--share-tools", "--machine", "none"],
        cwd=project.root,
        env={**os.environ, "EVERYWHEEL_MIRRORS": str(project.mirror)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 5, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert "identical: fixture-1.0-cp311-abi3-manylinux2014_x86_64.whl" in lines
    (difference,) = [line for line in lines if line.startswith("differs: ") and ": sections that differ: " in line]
    assert difference == (
        "differs: fixture-1.0-cp311-abi3-musllinux_1_2_aarch64.whl: fixture.abi3.so: "
        "sections that differ: .rodata, .note.gnu.build-id"
    )
    assert len([line for line in lines if line.startswith("identical: lib")]) == 4
    assert "not varied: the C library (--machine none)" in lines
    assert ", umask 022, PYTHONHASHSEED=0, " in result.stdout
    assert ", TZ=EVW-13:45, umask 077, PYTHONHASHSEED=4242, 1 processors" in result.stdout


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty", "empty has no Python (/usr/local/bin/python3 or /usr/bin/python3)"),
        ("without git", "without git has no git, which applies patches"),
        ("everywheel.invalid/image:1", "everywheel.invalid/image:1 is neither a folder nor an image of Docker: "),
    ],
)
def test_a_machine_that_cannot_be_used_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, reason: str
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    Path("empty").mkdir()
    python = Path("without git", "usr", "bin", "python3")
    python.parent.mkdir(parents=True)
    python.touch()
    build_machine = importlib.import_module("build_machine")

    with pytest.raises(build_machine.NoMachine, match=f"^{re.escape(reason)}"):
        build_machine.make_machine(name, tmp_path, None)


@pytest.mark.parametrize(("name", "is_named"), [("empty", True), ("musl", False)])
def test_only_a_machine_that_was_named_must_be_usable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, is_named: bool
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    reproduce = importlib.import_module("reproduce")

    if is_named:
        with pytest.raises(SystemExit, match=r"^--machine empty: a root file system needs root and Linux$"):
            reproduce.find_machine(name, tmp_path, share_tools=False)
    else:
        assert reproduce.find_machine(name, tmp_path, share_tools=False) is None
        expected = "not varied: the C library (a root file system needs root and Linux)\n"
        assert capsys.readouterr().out == expected


def test_a_copied_root_file_system_has_all_but_the_folders_of_the_kernel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    build_machine = importlib.import_module("build_machine")
    for name in ("proc/1", "sys/kernel", "dev/null", "usr/include/sys/types.h"):
        (tmp_path / "source" / name).parent.mkdir(parents=True)
        (tmp_path / "source" / name).touch()

    build_machine.copy_root(tmp_path / "source", tmp_path / "root")

    files = [path.relative_to(tmp_path / "root") for path in (tmp_path / "root").rglob("*") if path.is_file()]
    assert files == [Path("usr/include/sys/types.h")]


def test_a_user_without_rights_makes_no_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    build_machine = importlib.import_module("build_machine")

    with pytest.raises(build_machine.NoMachine, match=r"^a root file system needs root and Linux$"):
        build_machine.make_machine("musl", tmp_path, None)


def test_tools_of_different_machines_are_not_compared_and_a_missing_library_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    reproduce = importlib.import_module("reproduce")
    first = {
        "nasm 2 for manylinux_2_17_x86_64": "a",
        "zlib 1 for win_amd64": "b",
        "foo 1 for win_amd64": "c",
        "bar 1 for any": "d",
        "png 1 for win_amd64": "g",
        "png 1 for macosx_11_0_arm64": "h",
    }
    second = {
        "nasm 2 for musllinux_1_2_x86_64": "e",
        "zlib 1 for win_amd64": "b",
        "foo 1 for win_amd64": "f",
        "png 1 for any": "i",
    }

    assert reproduce.compare_artifacts(first, second) == [
        "differs: foo 1 for win_amd64",
        "identical: zlib 1 for win_amd64",
        "differs: bar 1 for any: only in build 1",
        "not compared: nasm 2, a tool of the build machine: for manylinux_2_17_x86_64 and musllinux_1_2_x86_64",
        "differs: png 1 for any: only in build 2",
        "differs: png 1 for macosx_11_0_arm64: only in build 1",
        "differs: png 1 for win_amd64: only in build 1",
    ]
