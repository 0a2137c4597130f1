"""Recipes with links: what they build is what their keys cover, and nothing outside of the workspace changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixture_project import FixtureProject

HEADER = Path("include") / "extra" / "linked" / "extra.h"


@pytest.fixture
def recipe(project: FixtureProject) -> Path:
    """The folder of a recipe that copies headers, and that the project requires."""
    project.add_headers_recipe("extra")
    return project.root / "recipes" / "extra"


def test_a_file_behind_a_linked_folder_of_an_overlay_is_built_and_in_the_key(
    project: FixtureProject, recipe: Path, tmp_path: Path
) -> None:
    (recipe / "overlay").mkdir()
    (recipe / "shared").mkdir()
    (recipe / "overlay" / "linked").symlink_to("../shared")
    for text in ("one", "two"):
        (recipe / "shared" / "extra.h").write_text(text)
        project.run("deps", "extra", "--prefix", str(tmp_path / text))

    assert [(tmp_path / text / HEADER).read_text() for text in ("one", "two")] == ["one", "two"]


def test_a_patch_that_creates_a_link_for_an_overlay_to_write_through_is_refused(
    project: FixtureProject, recipe: Path, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    (recipe / "patches").mkdir()
    (recipe / "patches" / "link.patch").write_text(
        "diff --git a/out b/out\nnew file mode 120000\n--- /dev/null\n+++ b/out\n"
        f"@@ -0,0 +1 @@\n+{canary}\n\\ No newline at end of file\n"
    )
    (recipe / "overlay" / "out").mkdir(parents=True)
    (recipe / "overlay" / "out" / "file").write_text("evil")

    _, errors = project.run("deps", "extra", "--prefix", str(tmp_path / "prefix"), exit_code=4)

    assert "extra 1.0: patches/link.patch creates a link that leads out of the source\n" in errors
    assert list(canary.iterdir()) == []
