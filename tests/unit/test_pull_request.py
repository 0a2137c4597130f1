"""The script that turns changed files into a pull request, with real git and a replacement of the GitHub CLI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "pull_request.py"
# It records its arguments, one call a line; `pr list` prints the number in the file `open`, if there is one.
GH = """#!/bin/sh
printf '%s|' "$@" >>"$GH_LOG"; echo >>"$GH_LOG"
if [ "$1 $2" = "pr list" ] && [ -e "$GH_LOG.open" ]; then cat "$GH_LOG.open"; fi
"""


class Checkouts:
    """Two checkouts of one repository: `built`, which the first job changed, and `clean`, that of the second job."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.origin = folder, folder / "origin"
        self.environment = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder),
            "GH_LOG": str(folder / "gh.log"),
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        (folder / "bin").mkdir()
        (folder / "bin" / "gh").write_text(GH)
        (folder / "bin" / "gh").chmod(0o755)
        (folder / "seed" / "recipes" / "libfoo").mkdir(parents=True)
        (folder / "seed" / "recipes" / "libfoo" / "recipe.toml").write_text('version = "1.0"\n')
        (folder / "seed" / "docs" / "data").mkdir(parents=True)
        (folder / "seed" / "docs" / "collection.md").write_text("| zlib | built |\n")
        (folder / "seed" / "docs" / "data" / "collection.json").write_text("{}\n")
        (folder / "seed" / "changes" / "everywheel").mkdir(parents=True)
        (folder / "seed" / "changes" / "everywheel" / "+old.added.md").write_text("Old.\n")
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        self.git("init", "-q", "-b", "main", "seed", at=folder)
        self.git("add", "-A", at=folder / "seed")
        self.git(*identity, "commit", "-q", "-m", "first", at=folder / "seed")
        self.git("clone", "-q", "--bare", "seed", "origin", at=folder)
        for name in ("built", "clean"):
            self.git("clone", "-q", "origin", name, at=folder)
        self.recipe = folder / "built" / "recipes" / "libfoo" / "recipe.toml"

    def git(self, *args: str, at: Path) -> str:
        command = ["git", *args]
        return subprocess.run(
            command, cwd=at, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def run(self, name: str, *args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(SCRIPT), *args]
        return subprocess.run(
            command, cwd=self.folder / name, env=self.environment, capture_output=True, text=True, check=False
        )

    def transfer(self, kind: str = "recipes") -> subprocess.CompletedProcess[str]:
        """Write the difference in the first checkout, and open the request in the second one."""
        patch = str(self.folder / "update" / "update.patch")
        written = self.run("built", "write", kind, patch)
        assert written.returncode == 0, written.stderr
        return self.run("clean", "open", kind, patch)

    @property
    def calls(self) -> list[str]:
        log = self.folder / "gh.log"
        return log.read_text().splitlines() if log.exists() else []

    def find_pushed(self) -> str:
        return self.git("for-each-ref", "--format=%(refname:short)", "refs/heads/update-*", at=self.origin).strip()


@pytest.fixture
def checkouts(tmp_path: Path) -> Checkouts:
    return Checkouts(tmp_path)


def test_changed_recipes_become_a_pull_request(checkouts: Checkouts) -> None:
    checkouts.recipe.write_text('version = "1.2"\n')
    fragment = checkouts.folder / "built" / "changes" / "everywheel" / "+libfoo-1.2.security.md"
    fragment.write_text("libfoo 1.2 instead of 1.0. It fixes CVE-2026-0001.\n")
    (checkouts.folder / "built" / "built.o").write_text("not part of it")

    result = checkouts.transfer()

    assert result.returncode == 0, result.stderr
    assert checkouts.calls[0] == "auth|setup-git|"
    body = "- libfoo 1.2 instead of 1.0. It fixes CVE-2026-0001."
    assert checkouts.calls[-1] == f"pr|create|--head|update-recipes|--title|Update recipes|--body|{body}|"
    shown = checkouts.git("show", "--stat=200", "--format=%s%n%b", "update-recipes", at=checkouts.origin)
    assert shown.startswith(f"Update recipes\n{body}\n")
    assert [line.split(" | ")[0].strip() for line in shown.splitlines() if " | " in line] == [
        "changes/everywheel/+libfoo-1.2.security.md",
        "recipes/libfoo/recipe.toml",
    ]


def test_an_open_pull_request_is_replaced(checkouts: Checkouts) -> None:
    checkouts.recipe.write_text('version = "1.2"\n')
    (checkouts.folder / "gh.log.open").write_text("17\n")

    result = checkouts.transfer()

    assert result.returncode == 0, result.stderr
    assert checkouts.calls[-1] == "pr|edit|17|--title|Update recipes|--body|See the difference.|"


def test_without_a_change_nothing_is_pushed(checkouts: Checkouts) -> None:
    result = checkouts.transfer()

    assert (result.returncode, result.stdout) == (0, "no change of recipes and changelog fragments\n")
    assert (checkouts.calls, checkouts.find_pushed()) == ([], "")


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (lambda folder: (folder / "recipes" / "libfoo" / "check.c").write_text("x\n"), "recipes/libfoo/check.c"),
        (lambda folder: (folder / "recipes" / "libfoo" / "recipe.toml").chmod(0o755), "mode change"),
        (lambda folder: (folder / "changes" / "everywheel" / "+old.added.md").unlink(), "+old.added.md"),
        (
            lambda folder: (folder / "changes" / "everywheel" / "+x.security.md").symlink_to("/etc/passwd"),
            "create mode 120000",
        ),
    ],
    ids=["other file", "mode", "deletion", "link"],
)
def test_any_other_change_is_refused(checkouts: Checkouts, change: object, refused: str) -> None:
    checkouts.recipe.write_text('version = "1.2"\n')
    assert callable(change)
    change(checkouts.folder / "built")

    result = checkouts.transfer()

    assert result.returncode == 1
    assert result.stderr.startswith("error: the update changes more than recipes and changelog fragments\n")
    assert refused in result.stderr
    assert (checkouts.calls, checkouts.find_pushed()) == ([], "")


def test_a_patch_of_a_workflow_is_refused(checkouts: Checkouts) -> None:
    patch = checkouts.folder / "update.patch"
    patch.write_text(
        "diff --git a/.github/workflows/x.yml b/.github/workflows/x.yml\nnew file mode 100644\n"
        "--- /dev/null\n+++ b/.github/workflows/x.yml\n@@ -0,0 +1 @@\n+on: push\n"
    )

    result = checkouts.run("clean", "open", "recipes", str(patch))

    assert result.returncode == 1
    assert ".github/workflows/x.yml" in result.stderr


def test_a_changed_table_becomes_a_pull_request_without_other_changes(checkouts: Checkouts) -> None:
    docs = checkouts.folder / "built" / "docs"
    (docs / "collection.md").write_text("| zlib | run |\n")
    (docs / "data" / "collection.json").write_text('{"zlib": {}}\n')
    (docs / "index.md").write_text("not part of it")
    checkouts.recipe.write_text("not part of it")

    result = checkouts.transfer("collection")

    assert result.returncode == 0, result.stderr
    title = "Update the table of the collection"
    body = "See the difference."
    assert checkouts.calls[-1] == f"pr|create|--head|update-collection|--title|{title}|--body|{body}|"
    shown = checkouts.git("show", "--stat=200", "--format=%s", "update-collection", at=checkouts.origin)
    assert [line.split(" | ")[0].strip() for line in shown.splitlines() if " | " in line] == [
        "docs/collection.md",
        "docs/data/collection.json",
    ]


def test_a_table_that_did_not_change_is_not_pushed(checkouts: Checkouts) -> None:
    result = checkouts.transfer("collection")

    assert (result.returncode, result.stdout) == (0, "no change of the table of the collection and its data\n")
    assert (checkouts.calls, checkouts.find_pushed()) == ([], "")


def test_recipes_in_an_update_of_the_table_are_refused(checkouts: Checkouts) -> None:
    checkouts.recipe.write_text('version = "1.2"\n')
    patch = str(checkouts.folder / "update.patch")
    checkouts.run("built", "write", "recipes", patch)

    result = checkouts.run("clean", "open", "collection", patch)

    assert result.returncode == 1
    expected = (
        "error: the update changes more than the table of the collection and its data\nrecipes/libfoo/recipe.toml\n"
    )
    assert result.stderr == expected
    assert (checkouts.calls, checkouts.find_pushed()) == ([], "")


@pytest.mark.parametrize("args", [("write", "update.patch"), ("open", "other", "update.patch"), ()])
def test_an_unknown_kind_is_an_error_of_usage(checkouts: Checkouts, args: tuple[str, ...]) -> None:
    result = checkouts.run("clean", *args)

    assert (result.returncode, result.stderr) == (1, "usage: pull_request.py write|open recipes|collection FILE\n")
