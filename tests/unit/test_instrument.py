"""What the sanitizers' sessions say on a machine that cannot run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXTENSION = Path(__file__).parents[2] / "extension"
SCRIPT = EXTENSION / "fuzz" / "instrument.py"


def instrument(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, SCRIPT, "--output-dir", tmp_path / "into"]
    return subprocess.run(words, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)


def test_a_missing_compiler_is_named_with_its_package(tmp_path: Path) -> None:
    done = instrument(tmp_path)

    assert done.returncode == 1
    assert done.stderr == "no clang is in PATH: Debian has it (`apt-get install clang libclang-rt-dev`)\n"


def test_a_compiler_without_its_run_time_is_said_to_be_that(tmp_path: Path) -> None:
    # Asked for a file that it does not have, clang gives back the name.
    for name in ("clang", "clang++"):
        (tmp_path / name).write_text('#!/bin/sh\necho "${1#-print-file-name=}"\n')
        (tmp_path / name).chmod(0o755)

    done = instrument(tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith(f"{tmp_path}/clang comes without libclang_rt.asan-")
    assert done.stderr.endswith(".so: Debian has it (`apt-get install libclang-rt-dev`)\n")


def test_what_is_compiled_is_what_the_wheel_is_compiled_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SCRIPT.parent)
    import instrument as script

    named = re.findall(r"'src/webpencode/(\w+\.c)'", (EXTENSION / "meson.build").read_text())
    assert [path.name for path in script.list_sources()] == sorted(set(named) - {"system.c"})
