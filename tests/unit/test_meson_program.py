"""The program `meson` before that of the build requirements: it answers the query of the version and passes on the rest."""

from __future__ import annotations

import subprocess
from pathlib import Path

from everywheel.config.pins import Pin
from everywheel.wheels.meson_program import write_meson_program


def make_environment(folder: Path) -> Path:
    """Return the Python of an environment whose Meson prints its name and its arguments, and exits with 3."""
    bin = folder / "an environment" / "bin"
    bin.mkdir(parents=True)
    (bin / "meson").write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$@"\nexit 3\n')
    (bin / "meson").chmod(0o755)
    return bin / "python"


def test_the_version_is_answered_without_meson_and_all_else_is_passed_on(tmp_path: Path) -> None:
    interpreter = make_environment(tmp_path)
    pins = [Pin(name=name, version=version, hashes=()) for name, version in (("ninja", "1.13.0"), ("meson", "1.12.1"))]
    write_meson_program(tmp_path, interpreter, pins)

    query = subprocess.run([tmp_path / "meson", "--version"], capture_output=True, text=True, check=True)
    setup = subprocess.run(
        [tmp_path / "meson", "setup", "--version", "a b"], capture_output=True, text=True, check=False
    )

    assert query.stdout == "1.12.1\n"
    assert setup.stdout.splitlines() == [str(interpreter.parent / "meson"), "setup", "--version", "a b"]
    assert setup.returncode == 3


def test_a_pre_release_and_an_environment_without_meson_answer_for_themselves(tmp_path: Path) -> None:
    write_meson_program(tmp_path, make_environment(tmp_path), [Pin(name="meson", version="1.13.0rc1", hashes=())])
    assert not (tmp_path / "meson").exists()
    write_meson_program(tmp_path, tmp_path / "bin" / "python", [Pin(name="meson", version="1.12.1", hashes=())])
    assert not (tmp_path / "meson").exists()
