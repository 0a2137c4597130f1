"""The start of a command: modules that are slow to import are imported when something uses them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Each costs a run of `everywheel build` that has nothing to do 10 to 200 ms of processor time.
SLOW = (
    "abi3info",
    "auditwheel",
    "cyclonedx",
    "docker",
    "elftools",
    "fsspec",
    "macholib",
    "pefile",
    "requests",
    "urllib3",
)


@pytest.mark.parametrize("command", ["build", "plan"])
def test_a_command_that_builds_nothing_imports_no_slow_packages(command: str) -> None:
    program = f"import sys, everywheel.cli.{command}; print(*(set({SLOW!r}) & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []


def test_a_wheel_that_no_python_of_this_machine_runs_costs_no_import_of_a_slow_package(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from pathlib import Path
from everywheel.config.project import load_project
from everywheel.platforms.target import build_machine_target
from everywheel.smoke.build_machine import check_on_build_machine
from everywheel.store.local import Store
wheel = Path({str(tmp_path)!r}, "demo-1.0-cp399-cp399-any.whl")
wheel.touch()
store = Store(wheel.with_name("store"))
tested = check_on_build_machine(load_project(Path({str(ROOT)!r})), wheel, build_machine_target(), store, offline=True)
print(tested, *(set({SLOW!r}) & set(sys.modules)))
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []


def test_an_explanation_does_not_import_what_writes_sboms() -> None:
    program = "import sys, everywheel.explain.explanation; print(*({'cyclonedx', 'requests'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []
