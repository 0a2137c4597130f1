"""Programs of Python packages run without the user's settings for Python, in containers from their mounted directory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from everywheel.errors import BuildError
from everywheel.execution.process import run_command
from everywheel.execution.python_program import program_environment, python_program
from everywheel.platforms.target import parse_target
from everywheel.repair import RepairRequest, WheelTags
from everywheel.repair.tool import RepairTool, run_repair_tool
from example_wheels import make_demo_wheel


def test_the_environment_has_no_setting_for_python() -> None:
    environ = {"PATH": "/bin", "PYTHONPATH": "/x", "PythonHome": "/y", "__PYVENV_LAUNCHER__": "/z", "PYTEST_X": "1"}

    assert program_environment("auditwheel", environ) == {"PATH": "/bin", "PYTEST_X": "1"}


def test_a_package_in_a_mounted_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mounted_tool.py").write_text("print('mounted')")
    (tmp_path / "mounted_tool-1.0.dist-info").mkdir()
    (tmp_path / "mounted_tool-1.0.dist-info" / "METADATA").write_text("Name: mounted-tool\nVersion: 1.0\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])

    environment = program_environment("mounted-tool", {})

    assert environment == {"PYTHONPATH": str(tmp_path)}
    assert run_command(python_program("mounted_tool"), env=environment).output.strip() == "mounted"


def test_a_module_of_the_user_does_not_replace_a_repair_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("user", "results"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "auditwheel.py").write_text("raise SystemExit('a module of the user')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path / "user")
    request = RepairRequest(
        target=parse_target("manylinux2014_x86_64"),
        prefix=tmp_path,
        patchelf=tmp_path,
        work=tmp_path,
        log=tmp_path / "log",
        epoch=0,
        tags=WheelTags(python="py3", abi="none", platform="any"),
    )
    wheel = make_demo_wheel("py3-none-any", {"demo.py": b""})
    results = tmp_path / "results"
    tool = RepairTool(
        name="auditwheel",
        module="auditwheel",
        args=("repair", "--wheel-dir", results),
        results=results,
        environment={"PYTHONPATH": str(tmp_path / "user"), "PATH": "/usr/bin:/bin"},
    )

    with pytest.raises(BuildError) as caught:
        run_repair_tool(tool, wheel, request, results)

    assert "a module of the user" not in (tmp_path / "log").read_text()
    assert "auditwheel" in caught.value.render()
