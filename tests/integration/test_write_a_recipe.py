"""docs/write-a-recipe.md: its files are written and its commands run as printed, and they print what the page shows."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_sources_debian import needs_apt

PAGE = (Path(__file__).parents[2] / "docs" / "write-a-recipe.md").read_text(encoding="utf-8")
BLOCKS = [(match[1], match[2]) for match in re.finditer(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]
FILES = ("pyproject.toml", "recipes/libdivsufsort/recipe.toml", "recipes/libdivsufsort/check.c")


@needs_apt
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the check program of the page runs on x86_64")
def test_the_recipe_of_the_page_is_drafted_built_and_checked(tmp_path: Path) -> None:
    """The default store may have the library of an earlier run."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    files, outputs, drafts = iter(FILES), [], []
    for language, text in BLOCKS:
        if language in ("toml", "c"):
            path = tmp_path / next(files)
            drafts += [path.read_text(encoding="utf-8")] if path.exists() else []
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif language == "sh":
            result = subprocess.run(
                ["bash", "-euc", text], cwd=tmp_path, env=environment, text=True, capture_output=True, check=False
            )
            assert result.returncode == 0, result.stdout + result.stderr
            outputs += result.stdout.splitlines()

    assert next(files, None) is None
    (draft,) = drafts
    pins = [line for line in draft.splitlines() if line.startswith(("debian = ", "sha", "size = ", "license = "))]
    assert len(pins) == 5
    assert [line for line in pins if line not in PAGE.splitlines()] == []
    assert "write a recipe" in outputs
    shown = [line for language, text in BLOCKS if language == "text" for line in text.splitlines()]
    assert len(shown) == 2
    assert [line for line in shown if line not in outputs] == []
