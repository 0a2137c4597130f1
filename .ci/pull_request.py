#!/usr/bin/env python3
"""Turn changed files into a pull request, in two jobs: the first has built what was downloaded, the second may write.

`pull_request.py write KIND FILE` writes the difference of the kind's files in the checkout. `pull_request.py open KIND FILE`
applies it to another checkout, pushes it as a branch, and opens or replaces the pull request of that branch with the GitHub
CLI. An empty file does nothing. The kind `recipes` accepts changes of recipe.toml and of an overlay's meson.build, and new
changelog fragments, and nothing else; `collection` the table of the collection with its data. It uses the standard library
only.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LONGEST = 20_000  # characters of the description


@dataclass(frozen=True)
class Kind:
    """A kind of change: its branch and title, where its files are, and which of them are accepted."""

    branch: str
    title: str
    contents: str
    paths: tuple[str, ...]
    accepted: re.Pattern[str]


KINDS = {
    "recipes": Kind(
        branch="update-recipes",
        title="Update recipes",
        contents="recipes and changelog fragments",
        paths=("changes/everywheel", "recipes"),
        accepted=re.compile(
            r"recipes/[A-Za-z0-9._+-]+/(?:recipe\.toml|overlay/meson\.build)|"
            r"changes/everywheel/\+[A-Za-z0-9._+~-]+\.(?:changed|security)\.md"
        ),
    ),
    "collection": Kind(
        branch="update-collection",
        title="Update the table of the collection",
        contents="the table of the collection and its data",
        paths=("docs/collection.md", "docs/data/collection.json"),
        accepted=re.compile(r"docs/collection\.md|docs/data/collection\.json"),
    ),
}


def main(args: Sequence[str]) -> None:
    """Run the script."""
    match args:
        case ["write", kind, file] if kind in KINDS:
            write(KINDS[kind], Path(file))
        case ["open", kind, file] if kind in KINDS:
            open_request(KINDS[kind], Path(file))
        case _:
            sys.exit(f"usage: pull_request.py write|open {'|'.join(KINDS)} FILE")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def write(kind: Kind, file: Path) -> None:
    """Write the difference of the checkout to a file, which may be empty."""
    # In a container, the checkout may belong to another user.
    git = ("git", "-c", f"safe.directory={Path.cwd()}")
    run(*git, "add", "--all", "--", *kind.paths)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(run(*git, "diff", "--cached", "--no-color", "--no-ext-diff", "--", *kind.paths), encoding="utf-8")


def open_request(kind: Kind, file: Path) -> None:
    """Apply a difference, push it, and open a pull request, or replace the one of an earlier run."""
    if not file.read_text(encoding="utf-8").strip():
        print(f"no change of {kind.contents}")
        return
    rows = [row.split("\t") for row in run("git", "apply", "--numstat", "--summary", str(file)).splitlines()]
    paths = [row[2] for row in rows if len(row) == 3]
    others = [path for path in paths if not kind.accepted.fullmatch(path)]
    # A summary names changes of modes, links, deletions and renames; a new fragment is a plain file.
    others += [
        row[0].strip() for row in rows if len(row) != 3 and not row[0].startswith(" create mode 100644 changes/")
    ]
    if others or not paths:
        sys.exit("\n".join([f"error: the update changes more than {kind.contents}", *others]))
    run("git", "apply", "--index", str(file))
    fragments = [Path(path).read_text(encoding="utf-8").strip() for path in paths if path.startswith("changes/")]
    body = "\n".join(f"- {fragment}" for fragment in fragments)[:LONGEST] or "See the difference."
    run("git", "config", "user.name", "github-actions[bot]")
    run("git", "config", "user.email", "41898282+github-actions[bot]@users.noreply.github.com")
    run("git", "checkout", "-q", "-B", kind.branch)
    run("git", "commit", "-q", "-m", kind.title, "-m", body)
    run("gh", "auth", "setup-git")
    run("git", "push", "-q", "--force", "origin", kind.branch)
    existing = run(
        "gh", "pr", "list", "--head", kind.branch, "--state", "open", "--json", "number", "--jq", ".[].number"
    ).split()
    if existing:
        run("gh", "pr", "edit", existing[0], "--title", kind.title, "--body", body)
    else:
        run("gh", "pr", "create", "--head", kind.branch, "--title", kind.title, "--body", body)


if __name__ == "__main__":
    main(sys.argv[1:])
