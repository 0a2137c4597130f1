"""The output of a command under Wine is complete once the command has ended, also if Wine's services keep the pipe open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from everywheel.smoke.wine import collect_output


@pytest.mark.skipif(sys.platform == "win32", reason="requires sh")
def test_services_that_keep_the_output_open_do_not_delay_the_end(tmp_path: Path) -> None:
    program, server = tmp_path / "program", tmp_path / "server"
    program.write_text("#!/bin/sh\nsleep 60 &\necho $! > service\necho output\necho error >&2\nexit 3\n")
    server.write_text('#!/bin/sh\n[ "$1" = --kill ] && kill "$(cat service)"\n')
    for file in (program, server):
        file.chmod(0o755)

    command = collect_output([program], str(server))
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)

    assert (result.returncode, result.stdout, result.stderr) == (3, "output\nerror\n", "")
