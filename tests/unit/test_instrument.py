"""Errors of instrument.py on a machine without the required compilers, and its list of sources."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXTENSION = Path(__file__).parents[2] / "extension"
SCRIPT = EXTENSION / "fuzz" / "instrument.py"


def instrument(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, "--output-dir", tmp_path / "output"]
    return subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)


def test_a_missing_compiler_is_reported_with_the_package_to_install(tmp_path: Path) -> None:
    process = instrument(tmp_path)

    assert process.returncode == 1
    assert process.stderr == "clang not found in PATH: on Debian, run `apt-get install clang libclang-rt-dev`\n"


def test_a_compiler_without_run_time_libraries_is_reported(tmp_path: Path) -> None:
    # clang prints the unchanged name of a file that it does not have.
    for name in ("clang", "clang++"):
        (tmp_path / name).write_text('#!/bin/sh\necho "${1#-print-file-name=}"\n')
        (tmp_path / name).chmod(0o755)

    process = instrument(tmp_path)

    assert process.returncode == 1
    assert process.stderr.startswith(f"{tmp_path}/clang has no libclang_rt.asan-")
    assert process.stderr.endswith(".so: on Debian, run `apt-get install libclang-rt-dev`\n")


def test_the_instrumented_module_has_the_same_sources_as_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SCRIPT.parent)
    import instrument as script

    named = re.findall(r"'src/webpencode/(\w+\.c)'", (EXTENSION / "meson.build").read_text())
    assert [path.name for path in script.list_sources()] == sorted(set(named) - {"system_linkage.c"})
