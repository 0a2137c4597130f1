"""Settings of the interpreter in the environment: they change neither what a command prints nor what it passes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1] / "failing" / "base"
SCRIPT = "from everywheel.cli.program import run_program; run_program()"
SETTINGS = {
    ("plan", "-t", "amiga"): {"PYTHONINSPECT": "1"},
    ("--help",): {"PYTHONOPTIMIZE": "2"},
    ("matrix", "--json"): {
        "_PYTHON_SYSCONFIGDATA_NAME": "no_module",
        "_PYTHON_HOST_PLATFORM": "amiga",
        "_PYTHON_PROJECT_BASE": "/nowhere",
    },
    ("plan", "--json"): {
        "PYTHONBREAKPOINT": "no.function",
        "PYTHONDEVMODE": "1",
        "PYTHONHASHSEED": "3",
        "PYTHONMALLOC": "debug",
        "PYTHONSAFEPATH": "1",
        "PYTHONSTARTUP": "/nowhere",
        "PYTHONTRACEMALLOC": "1",
        "PYTHONWARNINGS": "error",
    },
}


def run(*args: str, **variables: str) -> tuple[int, str, str]:
    """Run a command; return its exit code and its output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "_PYTHON"))}
    command = [sys.executable, "-c", SCRIPT, "--project", str(PROJECT), *args]
    process = subprocess.run(command, env=environment | variables, capture_output=True, text=True, check=False)
    return process.returncode, process.stdout, process.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has Unicode paths")
def test_paths_are_utf8_in_the_locale_c(tmp_path: Path) -> None:
    settings = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    exit_code, output, errors = run("lock", EVERYWHEEL_STORE=str(tmp_path / "größe:"), **settings)

    assert (exit_code, output) == (7, "")
    assert "\n  reason: character : (" in errors


@pytest.mark.parametrize(("command", "settings"), SETTINGS.items(), ids=[" ".join(command) for command in SETTINGS])
def test_settings_of_python_change_nothing(command: tuple[str, ...], settings: dict[str, str]) -> None:
    assert run(*command, **settings) == run(*command)


def test_commands_do_not_receive_settings_of_python(tmp_path: Path) -> None:
    git = tmp_path / "git"
    git.write_text('#!/bin/sh\necho "git: $PYTHONINSPECT$PYTHONWARNINGS$_PYTHON_HOST_PLATFORM$PYTHONPATH"\n')
    git.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    settings = {"PYTHONINSPECT": "1", "PYTHONWARNINGS": "error", "_PYTHON_HOST_PLATFORM": "amiga"}

    output = run("doctor", PATH=path, EVERYWHEEL_STORE=str(tmp_path / "store"), PYTHONPATH="/some", **settings)[1]

    assert "git: /some\n" in output.replace("  ", "")
