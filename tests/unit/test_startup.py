"""The start of a command: modules that are slow to import are imported when something uses them."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
