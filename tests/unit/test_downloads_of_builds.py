"""The environment of library builds, in which programs of this machine download nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from everywheel.libraries.build_systems import NO_DOWNLOADS
from snapshot_server import serve

FETCH = "import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())"
PROGRAMS = {
    "curl": ["curl", "--silent", "--show-error", "--fail"],
    "wget": ["wget", "--quiet", "--tries=1", "--output-document=-"],
    "git": ["git", "ls-remote"],
    "python": [sys.executable, "-c", FETCH],
}


@pytest.mark.parametrize("command", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_reaches_no_server_in_the_environment_of_a_build(tmp_path: Path, command: Sequence[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    (tmp_path / "answer").write_bytes(b"content")
    usual = {name: value for name, value in os.environ.items() if "proxy" not in name.casefold()}
    with serve({"/demo": tmp_path / "answer"}) as service:
        arguments = [*command, f"{service.base}/demo"]
        inside = subprocess.run(arguments, env={**usual, **NO_DOWNLOADS}, capture_output=True)
        requests = list(service.answers)
        subprocess.run(arguments, env=usual, capture_output=True)

    assert (inside.returncode != 0, inside.stdout, requests) == (True, b"", [])
    assert service.answers != []  # outside of a build, the same command reaches the server
