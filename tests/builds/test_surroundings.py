"""Surroundings that a command cannot use: standard streams, the working directory, the home and the temporary directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MAIN = "from everywheel.cli.program import run_program; run_program()"
COMMAND = [sys.executable, "-P", "-c", MAIN]


def run_in_shell(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script in which "$@" is the command `everywheel`; the streams that it does not redirect are captured."""
    environment = {**os.environ, **variables}
    return subprocess.run(
        ["/bin/bash", "-c", script, "sh", *COMMAND], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
@pytest.mark.parametrize("command", ["recipes list", "--help", "plan"])
def test_a_full_output_is_an_error_of_the_machine(command: str) -> None:
    result = run_in_shell(f'"$@" {command} > /dev/full')

    assert result.returncode == 7
    assert result.stderr == "error: cannot write to standard output\n  reason: no space left on device\n"


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
def test_errors_that_cannot_be_shown_have_an_exit_code() -> None:
    assert run_in_shell('"$@" recipes nonsense 2> /dev/full').returncode == 7


@pytest.mark.parametrize("command", ["recipes list", "--help", "plan --json"])
def test_a_reader_that_has_ended_ends_the_command_without_a_message(command: str) -> None:
    """141 is the exit code of a shell for a program that SIGPIPE ended."""
    result = run_in_shell(f'(sleep 0.1; exec "$@" {command}) | true; echo ${{PIPESTATUS[0]}}')

    assert (result.stdout, result.stderr) == ("141\n", "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_as_the_null_device(closed: str) -> None:
    result = run_in_shell(f'"$@" recipes list {closed}')

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "" if ">&-" in closed.split() else "libvips" in result.stdout


def test_a_working_directory_that_vanished_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()

    result = run_in_shell(f'cd {folder} && rmdir {folder} && "$@" recipes list')

    assert (result.returncode, result.stdout) == (7, "")
    assert result.stderr == (
        "error: the working directory cannot be used\n"
        "  reason: no such file or directory\n"
        "  hint: it was deleted or made unreadable: change to another directory with `cd`\n"
    )


def test_an_unusable_temporary_directory_is_not_used(tmp_path: Path) -> None:
    result = run_in_shell('"$@" recipes list', TMPDIR=str(tmp_path / "missing"))

    assert (result.returncode, result.stderr) == (0, "")
