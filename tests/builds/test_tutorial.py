"""docs/tutorial.md: its files are written and its commands run as printed, and they print what the page shows."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
FILES = ("pyproject.toml", "setup.py", "yamlcount.c")
BLOCKS = [(match[1], match[2]) for match in re.finditer(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]


def list_blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the page builds and imports the wheel for x86_64")
def test_the_commands_of_the_tutorial(tmp_path: Path) -> None:
    """The default store may have the libraries and the wheel of an earlier run."""
    contents = [text for language in ("toml", "python", "c") for text in list_blocks(language)]
    for name, text in zip(FILES, contents, strict=True):
        (tmp_path / name).write_text(text)
    install, *commands = list_blocks("sh")
    environment = {**os.environ, "PATH": f"{tmp_path}/.venv/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    outputs = []
    for script in (install.partition("pip install git+")[0], *commands):
        result = subprocess.run(
            ["bash", "-euc", script], cwd=tmp_path, env=environment, text=True, capture_output=True, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr
        outputs.append(result.stdout.replace("up to date: ", "built: "))

    shown = "".join(list_blocks("text")).splitlines()
    assert len(shown) == 15
    assert [line for line in shown if line not in "".join(outputs).splitlines()] == []
    assert tomllib.loads((tmp_path / "pyproject.toml").read_text())["tool"]["everywheel"]["requires"] == ["libyaml"]
