#!/usr/bin/env python3
"""Turn changed recipes into a pull request, in two jobs: the first has built what was downloaded, the second may write.

`pull_request.py write FILE` writes the difference of recipes and changelog fragments in the checkout. `pull_request.py open
FILE` applies it to another checkout, pushes it as the branch `update-recipes`, and opens or replaces the pull request of that
branch with the GitHub CLI. It accepts changes of recipe.toml and of an overlay's meson.build, and new fragments, and nothing
else; an empty file does nothing. It uses the standard library only.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

BRANCH = "update-recipes"
FOLDERS = ("changes/everywheel", "recipes")
ACCEPTED = re.compile(
    r"recipes/[A-Za-z0-9._+-]+/(?:recipe\.toml|overlay/meson\.build)|"
    r"changes/everywheel/\+[A-Za-z0-9._+~-]+\.(?:changed|security)\.md"
)
TITLE = "Update recipes"
LONGEST = 20_000  # characters of the description


def main(args: Sequence[str]) -> None:
    """Run the script."""
    match args:
        case ["write", file]:
            write(Path(file))
        case ["open", file]:
            open_request(Path(file))
        case _:
            sys.exit("usage: pull_request.py write FILE, or open FILE")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def write(file: Path) -> None:
    """Write the difference of the checkout to a file, which may be empty."""
    # In a container, the checkout may belong to another user.
    git = ("git", "-c", f"safe.directory={Path.cwd()}")
    run(*git, "add", "--all", "--", *FOLDERS)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(run(*git, "diff", "--cached", "--no-color", "--no-ext-diff", "--", *FOLDERS), encoding="utf-8")


def open_request(file: Path) -> None:
    """Apply a difference, push it, and open a pull request, or replace the one of an earlier run."""
    if not file.read_text(encoding="utf-8").strip():
        print("no recipe changed")
        return
    rows = [row.split("\t") for row in run("git", "apply", "--numstat", "--summary", str(file)).splitlines()]
    paths = [row[2] for row in rows if len(row) == 3]
    others = [path for path in paths if not ACCEPTED.fullmatch(path)]
    # A summary names changes of modes, links, deletions and renames; a new fragment is a plain file.
    others += [
        row[0].strip() for row in rows if len(row) != 3 and not row[0].startswith(" create mode 100644 changes/")
    ]
    if others or not paths:
        sys.exit("\n".join(["error: the update changes more than recipes and changelog fragments", *others]))
    run("git", "apply", "--index", str(file))
    fragments = [Path(path).read_text(encoding="utf-8").strip() for path in paths if path.startswith("changes/")]
    body = "\n".join(f"- {fragment}" for fragment in fragments)[:LONGEST] or "See the difference."
    run("git", "config", "user.name", "github-actions[bot]")
    run("git", "config", "user.email", "41898282+github-actions[bot]@users.noreply.github.com")
    run("git", "checkout", "-q", "-B", BRANCH)
    run("git", "commit", "-q", "-m", TITLE, "-m", body)
    run("gh", "auth", "setup-git")
    run("git", "push", "-q", "--force", "origin", BRANCH)
    existing = run(
        "gh", "pr", "list", "--head", BRANCH, "--state", "open", "--json", "number", "--jq", ".[].number"
    ).split()
    if existing:
        run("gh", "pr", "edit", existing[0], "--title", TITLE, "--body", body)
    else:
        run("gh", "pr", "create", "--head", BRANCH, "--title", TITLE, "--body", body)


if __name__ == "__main__":
    main(sys.argv[1:])
