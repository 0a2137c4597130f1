"""glib as shared libraries: every function that one of its files calls is in it, so that nothing is left to the linker.

The default store has the libraries of an earlier run; a changed recipe takes a minute.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from everywheel.binaries.elf import read_elf

SETTINGS = '[project]\nname = "demo"\nversion = "1"\n[tool.everywheel]\nrequires = ["glib"]\nshared = ["glib"]\n'


def test_glib_links_as_shared_libraries(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    command = [sys.executable, "-m", "everywheel", "deps", "glib", "--prefix", str(tmp_path / "prefix")]

    result = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=False)

    assert result.returncode == 0, result.stdout + result.stderr
    gio = read_elf((tmp_path / "prefix" / "lib" / "libgio-2.0.so.0").read_bytes())
    assert {"g_unix_mount_entry_at", "g_file_descriptor_based_get_fd", "g_unix_input_stream_new"} <= {*gio.exports}
    assert "libglib-2.0.so.0" in gio.needed
