"""Wheels for macOS and Windows: each has a result, and reports are written before a failure ends the command.

The Wine of these tests is a shell script with the behavior under test; the integration tests run the real Wine.
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
from everywheel.smoke.matrix import run_smoke_tasks
from everywheel.smoke.non_linux import find_blocker, make_non_linux_tasks
from everywheel.smoke.result import SmokeResult, SmokeState
from everywheel.smoke.wine import WineContext
from everywheel.store.local import Store
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.wheels.wheel import Wheel, WheelFile, pack_wheel

BASE = Path(__file__).parents[1] / "failing" / "base"
AUDITED = "audited without findings; not run"
MACHINES = {"win_amd64": 0x8664, "win_arm64": 0xAA64}
# `winecfg` creates a prefix, any other program is the smoke command.
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
    """Pack a wheel for Windows without audit findings: a Python module and a DLL."""
    tag, info = f"{python}-{abi}-{platform}", "demo-1.0.dist-info"
    sbom = {
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
        f"{info}/sboms/demo.cdx.json": json.dumps(sbom).encode(),
    }
    packed = {name: WheelFile(data=data) for name, data in files.items()}
    wheel = Wheel(name="demo", version="1.0", build="", python=python, abi=abi, platform=platform, files=packed)
    packed_wheel = pack_wheel(wheel, folder, epoch=1_600_000_000)
    assert audit_wheel(packed_wheel).findings == ()
    return packed_wheel


class NoProgress:
    """A listener that ignores everything."""

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
    """A store with a stub of a CPython for Windows."""
    monkeypatch.setenv("EVERYWHEEL_STORE", str(tmp_path / "store"))
    store = Store(tmp_path / "store")
    python = store.root / "tools" / "windows-python-3.13.0"

    def fill(folder: Path) -> None:
        (folder / "python.exe").write_bytes(b"MZ")

    ensure_stamped_dir(python, fill, title="a stub")
    return store


def put_wine(monkeypatch: pytest.MonkeyPatch, folder: Path, *, start: str = "exit 0", use: str = "exit 0") -> Path:
    """Put a Wine first on PATH, with shell commands for its start and for the smoke command."""
    folder.mkdir()
    wine = folder / "wine"
    wine.write_text(WINE.format(start=start, use=use))
    wine.chmod(0o755)
    (folder / "wineserver").write_text("#!/bin/sh\n")
    (folder / "wineserver").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return wine


def run_wheels(project: Project, store: Store, wheels: list[Path], timeout: int = 60) -> tuple[SmokeResult, ...]:
    context = WineContext(project=project, store=store, timeout=timeout, offline=True)
    return run_smoke_tasks(make_non_linux_tasks(wheels, context), 2, NoProgress())


def smoke(project: Project, *args: str | Path) -> Result:
    return CliRunner().invoke(main, ["--project", str(project.root), "smoke", *map(str, args)])


def test_json_and_report_are_written_where_no_wheel_can_be_run(project: Project, store: Store, tmp_path: Path) -> None:
    wheel, page = make_wheel(tmp_path, "win_arm64"), tmp_path / "smoke.html"

    result = smoke(project, wheel, "--json", "--html", page)

    results = [(entry["state"], entry["reason"], entry["message"]) for entry in json.loads(result.stdout)]
    assert results == [("not run here", "Wine on this machine cannot run programs for win_arm64", AUDITED)]
    assert "1 not run here" in page.read_text()
    assert f"Wine on this machine cannot run programs for win_arm64; {AUDITED}" in page.read_text()
    assert result.exit_code == 3
    assert result.stderr == (
        f"not run: {wheel.name}: Wine on this machine cannot run programs for win_arm64; {AUDITED}\n"
        "error: no wheel was run\n"
        "  hint: docs/macos.md and docs/windows.md describe how to test wheels on macOS and Windows machines\n"
    )


def test_a_run_under_wine_is_marked_and_timed(
    project: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_wine(monkeypatch, tmp_path / "bin", use="sleep 0.1; echo 2 passed; exit 0")

    (smoke_result,) = run_wheels(project, store, [make_wheel(tmp_path, "win_amd64")])

    assert (smoke_result.state, smoke_result.image, smoke_result.python, smoke_result.emulator) == (
        SmokeState.UNDER_WINE,
        "Windows",
        "3.13.0",
        "Wine",
    )
    assert smoke_result.description == "the smoke command passed under Wine"
    assert smoke_result.evidence == ("2 passed",)
    assert 0.1 <= smoke_result.test_seconds <= smoke_result.seconds


def test_a_failure_under_wine_does_not_affect_other_wheels(
    project: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_wine(monkeypatch, tmp_path / "bin", use="echo 'ImportError: DLL load failed'; exit 1")
    wheels, page = [make_wheel(tmp_path, "win_amd64"), make_wheel(tmp_path, "win_arm64")], tmp_path / "smoke.html"

    result = smoke(project, *wheels, "--json", "--html", page)

    assert [entry["state"] for entry in json.loads(result.stdout)] == ["failed", "not run here"]
    assert "1 failed, 1 not run here" in page.read_text()
    assert result.exit_code == 6
    assert result.stderr.split("\n", 1)[1] == (
        "error: 1 of 2 smoke tests failed\n"
        f"  | {wheels[0].name} on Windows: the smoke command failed under Wine: ImportError: DLL load failed\n"
        "  |     ImportError: DLL load failed\n"
        "  hint: `--html FILE` writes all output; `--image NAME` tests on one image only\n"
    )


def test_a_wine_that_does_not_start_is_not_a_failure_of_the_wheel(
    project: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wine = put_wine(monkeypatch, tmp_path / "bin", start="echo 'wine: could not load kernel32.dll'; exit 53")

    (smoke_result,) = run_wheels(project, store, [make_wheel(tmp_path, "win_amd64")])

    assert (smoke_result.state, smoke_result.message) == (
        SmokeState.ERROR,
        "Wine does not start: the wheel was not run",
    )
    assert "  | wine: could not load kernel32.dll" in smoke_result.evidence
    assert smoke_result.evidence[-1] == (
        f"  hint: `{wine} winecfg -v win10` must succeed; a slow machine may need a longer `--timeout`"
    )


def test_a_command_that_hangs_under_wine_is_killed(
    project: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_wine(monkeypatch, tmp_path / "bin", use="sleep 600")

    (smoke_result,) = run_wheels(project, store, [make_wheel(tmp_path, "win_amd64")], timeout=1)

    assert (smoke_result.state, smoke_result.message) == (
        SmokeState.FAILED,
        "the smoke command failed under Wine: the command did not end within 1 s (`--timeout`)",
    )


def test_a_function_that_wine_does_not_have_is_not_a_failure_of_the_wheel(
    project: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "wine: Call from 000000007B013D7E to unimplemented function ucrtbase.dll.crealf, aborting"
    put_wine(monkeypatch, tmp_path / "bin", use=f"echo '{line}'; exit 1")

    (smoke_result,) = run_wheels(project, store, [make_wheel(tmp_path, "win_amd64")])

    fact = "Wine has no implementation of crealf of ucrtbase.dll: the test did not end"
    assert (smoke_result.state, smoke_result.message) == (SmokeState.ERROR, fact)
    assert "  called by: a file of the wheel or of its requirements" in smoke_result.evidence
    assert f"  | {line}" in smoke_result.evidence


def test_a_wheel_for_another_python_than_wines_is_not_a_failure(
    project: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_wine(monkeypatch, tmp_path / "bin", use="exit 1")

    (smoke_result,) = run_wheels(project, store, [make_wheel(tmp_path, "win_amd64", "cp314", "cp314t")])

    assert (smoke_result.state, smoke_result.reason) == (
        SmokeState.NO_PYTHON,
        "no interpreter for cp314t under Wine, only Python 3.11, 3.12 and 3.13",
    )


def test_a_wheel_runs_under_the_newest_cpython_that_can_install_it(
    project: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "path"
    put_wine(monkeypatch, tmp_path / "bin", use=f'cat "$(dirname "$1")"/*._pth >{path}')
    older = store.root / "tools" / "windows-python-3.11.0"

    def fill(folder: Path) -> None:
        (folder / "python.exe").write_bytes(b"MZ")

    ensure_stamped_dir(older, fill, title="a stub")

    (newest,) = run_wheels(project, store, [make_wheel(tmp_path, "win_amd64")])
    assert (newest.state, newest.python) == (SmokeState.UNDER_WINE, "3.13.0")
    assert path.read_text().splitlines()[0] == "python313.zip"
    (only,) = run_wheels(project, store, [make_wheel(tmp_path, "win_amd64", "cp311", "cp311")])
    assert (only.state, only.python) == (SmokeState.UNDER_WINE, "3.11.0")
    assert path.read_text().splitlines() == ["python311.zip", ".", r"..\site", r"..\inside\site", "import site"]


def test_require_run_includes_wheels_that_wine_can_run(
    project: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    wheels = [make_wheel(tmp_path, "win_amd64"), make_wheel(tmp_path, "win_arm64")]

    result = smoke(project, *wheels, "--require-run", "--json")

    assert [entry["state"] for entry in json.loads(result.stdout)] == ["not run here", "not run here"]
    assert result.exit_code == 6
    assert result.stderr.split("\n", 2)[2] == (
        "error: 1 of 2 wheels did not pass on any system, as --require-run requires\n"
        f"  | {wheels[0].name}: not run in 1 smoke test: Wine is not installed (Debian: `apt-get install wine wine64`)\n"
        f"  | not counted: {wheels[1].name}: Wine on this machine cannot run programs for win_arm64\n"
        "  hint: `everywheel doctor` checks this machine, `everywheel images list` shows where images come from\n"
    )


def test_a_run_under_wine_satisfies_require_run(
    project: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_wine(monkeypatch, tmp_path / "bin")
    wheels = [make_wheel(tmp_path, "win_amd64"), make_wheel(tmp_path, "win_arm64")]

    result = smoke(project, *wheels, "--require-run")

    assert result.exit_code == 0, result.output
    assert f"{wheels[0].name}: not tested on Windows; the smoke command passed" in result.stderr


@pytest.mark.parametrize(
    ("wheel", "blocker"),
    [
        ("x-1.0-cp311-abi3-macosx_11_0_arm64.whl", (SmokeState.SKIPPED, "this machine cannot run programs for macOS")),
        (
            "x-1.0-cp311-abi3-win_arm64.whl",
            (SmokeState.SKIPPED, "Wine on this machine cannot run programs for win_arm64"),
        ),
        (
            "x-1.0-cp310-cp310-win_amd64.whl",
            (SmokeState.NO_PYTHON, "no interpreter for cp310 under Wine, only Python 3.11, 3.12 and 3.13"),
        ),
        ("x-1.0-cp311-cp311-win_amd64.whl", None),
        ("x-1.0-cp311-abi3-win_amd64.whl", None),
    ],
)
def test_wheels_that_this_machine_cannot_run_have_a_reason(wheel: str, blocker: tuple[SmokeState, str] | None) -> None:
    target = parse_target(wheel.rpartition("-")[2].removesuffix(".whl"))

    assert find_blocker(wheel, target) == blocker
