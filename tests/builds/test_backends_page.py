"""docs/backends.md: each of its projects is built with the command of the page, and its smoke command passes."""

from __future__ import annotations

import platform
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "backends.md").read_text()
INTRODUCTION, *SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)
PROJECTS = {text.partition("\n")[0]: text for text in SECTIONS}


def list_files(section: str) -> dict[str, str]:
    """Return the files of a project by name; one that the section only mentions is that of another project."""
    files = dict(re.findall(r"^`([\w.-]+)`:\n\n```\w+\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))
    borrowed = re.findall(r"^`([\w.-]+)` is that of \[([\w-]+)\]", section, re.MULTILINE)
    return files | {name: list_files(PROJECTS[project])[name] for name, project in borrowed}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the page builds for x86_64")
@pytest.mark.parametrize("name", PROJECTS)
def test_the_project_of_a_backend_is_built_and_works(name: str, tmp_path: Path) -> None:
    """The default store may have the wheel of an earlier run."""
    for file, text in list_files(PROJECTS[name]).items():
        (tmp_path / file).write_text(text)
    command = re.search(r"```sh\neverywheel (.*)\n```", INTRODUCTION)
    assert command is not None
    args = shlex.split(command[1].replace("cp313", f"cp3{sys.version_info.minor}"))

    result = subprocess.run(
        [sys.executable, "-m", "everywheel", *args], cwd=tmp_path, text=True, capture_output=True, check=False
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith(" MB), smoke test passed\n"), result.stdout + result.stderr
