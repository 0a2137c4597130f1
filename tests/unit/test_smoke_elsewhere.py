"""Wheels for other systems: a cell each, whatever becomes of them, and all is written down before anything is judged.

The Wine of these tests is a shell script: what it does is what is tried, and real Wine is tried in the integration tests.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from everywheel.audit import audit_wheel
from everywheel.cli.main import main
from everywheel.config.project import Project, load_project
from everywheel.execution.scheduler import Result as Ended
from everywheel.execution.scheduler import Task
from everywheel.platforms.target import parse_target
from everywheel.smoke.non_linux import find_blocker, make_non_linux_tasks
from everywheel.smoke.result import SmokeResult, State
from everywheel.smoke.task import run_smoke_tasks
from everywheel.smoke.wine import WineContext
from everywheel.store.local import Store
from everywheel.store.stamped_dir import STAMP
from everywheel.wheels.wheel import Wheel, WheelFile, pack_wheel

BASE = Path(__file__).parents[1] / "failing" / "base"
LOOKED = "the structure alone was checked; nothing was run"
MACHINES = {"win_amd64": 0x8664, "win_arm64": 0xAA64}
# `winecfg` makes a Windows, anything else is the smoke command.
WINE = """#!/bin/sh
case "$1" in
  winecfg) {start} ;;
  *) {use} ;;
esac
"""


def make_dll(machine: int) -> bytes:
    """Return a DLL for Windows Vista and newer with all mitigations, one section, and nothing in it."""
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, 240, 0x2022)
    optional = struct.pack("<HBB5I", 0x20B, 14, 0, 0x200, 0, 0, 0, 0x1000)
    optional += struct.pack("<Q2I6H4I2H", 0x180000000, 0x1000, 0x200, 6, 0, 0, 0, 6, 0, 0, 0x2000, 0x400, 0, 2, 0x160)
    optional += struct.pack("<4Q2I", 0, 0, 0, 0, 0, 16) + bytes(16 * 8)
    section = b".rdata\0\0" + struct.pack("<6I2HI", 0x200, 0x1000, 0x200, 0x400, 0, 0, 0, 0, 0x40000040)
    head = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + coff + optional + section
    return head.ljust(0x400, b"\0") + bytes(0x200)


def make_wheel(folder: Path, platform: str, python: str = "cp311", abi: str = "abi3") -> Path:
    """Pack a wheel for Windows that the audit has nothing against: a module in Python with a DLL beside it."""
    tag, info = f"{python}-{abi}-{platform}", "demo-1.0.dist-info"
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "components": [
            {"type": "library", "name": "plain", "version": "1.0", "licenses": [{"license": {"id": "MIT"}}]}
        ],
    }
    files = {
        "demo/__init__.py": b"answer = 42\n",
        "demo/plain.dll": make_dll(MACHINES[platform]),
        f"{info}/METADATA": b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nLicense-Expression: MIT\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
        f"{info}/licenses/plain.txt": b"MIT",
        f"{info}/sboms/demo.cdx.json": json.dumps(bill).encode(),
    }
    packed = {name: WheelFile(data=data) for name, data in files.items()}
    wheel = Wheel(name="demo", version="1.0", build="", python=python, abi=abi, platform=platform, files=packed)
    made = pack_wheel(wheel, folder, epoch=1_600_000_000)
    assert audit_wheel(made).findings == ()
    return made


class Quiet:
    """Nobody watches."""

    def begin(self, task: Task) -> None: ...
    def stage(self, task: Task, stage: str) -> None: ...
    def end(self, result: Ended) -> None: ...


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The project of the failing cases, with a smoke command."""
    root = tmp_path / "project"
    shutil.copytree(BASE, root)
    with (root / "pyproject.toml").open("a") as file:
        file.write('smoke = { command = ["python", "-c", "import demo"] }\n')
    return load_project(root)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with a CPython for Windows in it, as far as anybody looks."""
    monkeypatch.setenv("EVERYWHEEL_STORE", str(tmp_path / "store"))
    made = Store(tmp_path / "store")
    python = made.root / "tools" / "windows-python-3.13.0"
    python.mkdir(parents=True)
    (python / "python.exe").write_bytes(b"MZ")
    (python / STAMP).write_text("")
    return made


def put_wine(monkeypatch: pytest.MonkeyPatch, folder: Path, *, start: str = "exit 0", use: str = "exit 0") -> Path:
    """Put a Wine first on PATH that does this when it is started and this when it is used."""
    folder.mkdir()
    wine = folder / "wine"
    wine.write_text(WINE.format(start=start, use=use))
    wine.chmod(0o755)
    (folder / "wineserver").write_text("#!/bin/sh\n")
    (folder / "wineserver").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return wine


def try_wheels(project: Project, store: Store, wheels: list[Path], timeout: int = 60) -> tuple[SmokeResult, ...]:
    context = WineContext(project=project, store=store, timeout=timeout, offline=True)
    return run_smoke_tasks(make_non_linux_tasks(wheels, context), 2, Quiet())


def smoke(project: Project, *words: str | Path) -> Result:
    return CliRunner().invoke(main, ["--project", str(project.root), "smoke", *map(str, words)])


def test_json_and_page_are_written_where_nothing_could_be_run(project: Project, store: Store, tmp_path: Path) -> None:
    wheel, page = make_wheel(tmp_path, "win_arm64"), tmp_path / "smoke.html"

    result = smoke(project, wheel, "--json", "--html", page)

    told = [(cell["state"], cell["lack"], cell["why"]) for cell in json.loads(result.stdout)]
    assert told == [("not run here", "Wine here runs nothing of win_arm64", LOOKED)]
    assert "1 not run here" in page.read_text()
    assert f"Wine here runs nothing of win_arm64; {LOOKED}" in page.read_text()
    assert result.exit_code == 3
    assert result.stderr == (
        f"not run: {wheel.name}: Wine here runs nothing of win_arm64; {LOOKED}\n"
        "error: no wheel was run\n"
        "  hint: docs/macos.md and docs/windows.md say how runners of its own system try a wheel\n"
    )


def test_what_wine_ran_says_so_and_takes_its_time(
    project: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_wine(monkeypatch, tmp_path / "bin", use="sleep 0.1; echo 2 passed; exit 0")

    (cell,) = try_wheels(project, store, [make_wheel(tmp_path, "win_amd64")])

    assert (cell.state, cell.image, cell.python, cell.through) == (State.UNDER_WINE, "Windows", "3.13.0", "Wine")
    assert cell.words == "the smoke command passed under Wine, which is no Windows"
    assert cell.evidence == ("2 passed",)
    assert 0.1 <= cell.test_seconds <= cell.seconds


def test_a_wheel_that_fails_under_wine_leaves_the_others_their_cells(
    project: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_wine(monkeypatch, tmp_path / "bin", use="echo 'ImportError: DLL load failed'; exit 1")
    wheels, page = [make_wheel(tmp_path, "win_amd64"), make_wheel(tmp_path, "win_arm64")], tmp_path / "smoke.html"

    result = smoke(project, *wheels, "--json", "--html", page)

    assert [cell["state"] for cell in json.loads(result.stdout)] == ["failed", "not run here"]
    assert "1 failed, 1 not run here" in page.read_text()
    assert result.exit_code == 6
    assert result.stderr.split("\n", 1)[1] == (
        "error: 1 of 2 cells failed\n"
        f"  | {wheels[0].name} on Windows: it does not work under Wine: ImportError: DLL load failed\n"
        "  |     ImportError: DLL load failed\n"
        "  hint: `--html FILE` writes everything that was seen; `--image NAME` tries one image alone\n"
    )


def test_a_wine_that_does_not_start_is_not_the_wheels_fault(
    project: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wine = put_wine(monkeypatch, tmp_path / "bin", start="echo 'wine: could not load kernel32.dll'; exit 53")

    (cell,) = try_wheels(project, store, [make_wheel(tmp_path, "win_amd64")])

    assert (cell.state, cell.why) == (
        State.ERROR,
        "Wine itself does not start, so that the wheel was not tried",
    )
    assert "  | wine: could not load kernel32.dll" in cell.evidence
    assert cell.evidence[-1] == (
        f"  hint: `{wine} winecfg -v win10` must end well; `--timeout` gives a slow machine longer"
    )


def test_what_hangs_under_wine_is_ended(
    project: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_wine(monkeypatch, tmp_path / "bin", use="sleep 600")

    (cell,) = try_wheels(project, store, [make_wheel(tmp_path, "win_amd64")], timeout=1)

    assert (cell.state, cell.why) == (
        State.FAILED,
        "it does not work under Wine: it did not end within 1 s (`--timeout`)",
    )


def test_a_wheel_for_a_python_that_wine_has_not_is_not_blamed(
    project: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_wine(monkeypatch, tmp_path / "bin", use="exit 1")

    (cell,) = try_wheels(project, store, [make_wheel(tmp_path, "win_amd64", "cp314", "cp314t")])

    assert (cell.state, cell.lack) == (State.NO_PYTHON, "no interpreter for cp314t under Wine, only Python 3.13")


def test_a_wheel_that_wine_could_run_must_have_been_run(
    project: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    wheels = [make_wheel(tmp_path, "win_amd64"), make_wheel(tmp_path, "win_arm64")]

    result = smoke(project, *wheels, "--require-run", "--json")

    assert [cell["state"] for cell in json.loads(result.stdout)] == ["not run here", "not run here"]
    assert result.exit_code == 6
    assert result.stderr.split("\n", 2)[2] == (
        "error: 1 of 2 wheels passed nowhere, and --require-run asks for it\n"
        f"  | {wheels[0].name}: not run in 1 cell: there is no Wine here (Debian: `apt-get install wine wine64`)\n"
        f"  | not counted: {wheels[1].name}: Wine here runs nothing of win_arm64\n"
        "  hint: `everywheel doctor` says what this machine lacks, `everywheel images list` where images come from\n"
    )


def test_a_wheel_that_wine_ran_is_run(
    project: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_wine(monkeypatch, tmp_path / "bin")
    wheels = [make_wheel(tmp_path, "win_amd64"), make_wheel(tmp_path, "win_arm64")]

    result = smoke(project, *wheels, "--require-run")

    assert result.exit_code == 0, result.output
    assert f"{wheels[0].name}: not smoked, since no Windows is here; the smoke command passed" in result.stderr


@pytest.mark.parametrize(
    ("wheel", "hindrance"),
    [
        ("x-1.0-cp311-abi3-macosx_11_0_arm64.whl", (State.SKIPPED, "nothing on this machine runs macOS")),
        ("x-1.0-cp311-abi3-win_arm64.whl", (State.SKIPPED, "Wine here runs nothing of win_arm64")),
        ("x-1.0-cp311-cp311-win_amd64.whl", (State.NO_PYTHON, "no interpreter for cp311 under Wine, only Python 3.13")),
        ("x-1.0-cp311-abi3-win_amd64.whl", None),
    ],
)
def test_what_nothing_here_could_run_is_known_before(wheel: str, hindrance: tuple[State, str] | None) -> None:
    target = parse_target(wheel.rpartition("-")[2].removesuffix(".whl"))

    assert find_blocker(wheel, target) == hindrance
