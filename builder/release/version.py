"""Versions: a release's number is in the extension's pyproject.toml, its tag says the same, and a clean tree has both.

The number stands in a file so that wheels and archives are the same wherever they are built, with or without git.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import tomlkit
from packaging.version import InvalidVersion, Version

from builder.errors import MachineError, ReleaseError, UsageError
from builder.project import Project


def check_version(text: str, project: Project) -> str:
    """Return the version in its normal form; raise UsageError when it is none, ReleaseError when it is not a new one."""
    try:
        version = Version(text)
    except InvalidVersion:
        raise UsageError(f"'{text}' is no version", hint="write it as PEP 440 does: 1.2.0 or 1.2.0rc1") from None
    if version.local or version.is_devrelease:
        raise UsageError(
            f"'{text}' cannot be released: an index takes no local and nobody expects a development version",
            hint="write it as 1.2.0 or 1.2.0rc1",
        )
    for tag in _list_tags(project.root):
        try:
            known = Version(tag[1:])
        except InvalidVersion:
            continue
        if known >= version:
            raise ReleaseError(
                f"{version} is not newer than the released {known}", details={"tag": tag},
                hint="a version is given once: take the next one",
            )  # fmt: skip
    return str(version)


def _list_tags(root: Path) -> list[str]:
    """Return the tags of versions here and, as somebody else may have pushed one, in `origin` where there is one."""
    tags = _git(root, "tag", "--list", "v*").split()
    if "origin" in _git(root, "remote").split():
        hint = "a release needs the tags that were pushed: is `origin` right (`git remote -v`), and does it answer?"
        listed = _git(root, "ls-remote", "--tags", "--refs", "origin", "v*", hint=hint).split()[1::2]
        tags += [name.removeprefix("refs/tags/") for name in listed]
    return list(dict.fromkeys(tags))


def check_tree(root: Path) -> None:
    """Raise ReleaseError when the project's tree has changes that are not committed, or files that git does not know."""
    changed = _git(root, "status", "--porcelain").splitlines()
    if changed:
        raise ReleaseError(
            f"the tree is dirty: {len(changed)} files are not as they were committed", excerpt=changed[:12],
            hint="commit them, or put them away with `git stash --include-untracked`",
        )  # fmt: skip


def check_clone(root: Path) -> None:
    """Raise ReleaseError when a release could not be pushed from here, or not all tags are here to compare with."""
    if _git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise ReleaseError(
            "the clone is shallow: which versions were released cannot be told", details={"looked in": root},
            hint="git fetch --unshallow --tags",
        )  # fmt: skip
    if _git(root, "rev-parse", "--abbrev-ref", "HEAD").strip() == "HEAD":
        raise ReleaseError(
            "HEAD is detached: a release commit would be on no branch", details={"looked in": root},
            hint="git switch main, or whichever branch is released",
        )  # fmt: skip


def check_changes(folders: Sequence[Path]) -> None:
    """Raise ReleaseError when none of the folders has a changelog fragment."""
    found = [path for folder in folders for path in folder.glob("*.md") if not path.name.startswith((".", "README"))]
    if not found:
        raise ReleaseError(
            "the changelog is missing: there is no fragment that says what is new",
            details={"looked in": ", ".join(str(folder) for folder in folders)},
            hint=f"write {folders[0]}/<word>.feature.md",
        )


def check_tag(tag: str, project: Project) -> None:
    """Raise ReleaseError when a tag says another version than the extension does."""
    if tag != f"v{project.version}":
        raise ReleaseError(
            f"the tag is {tag}, but the extension is version {project.version}",
            details={"file": project.extension / "pyproject.toml"},
            hint=f"a tag is made with its commit by `everywheel release tag`; remove it: git push --delete origin {tag}",
        )


def write_version(file: Path, version: str) -> None:
    """Put a version into a pyproject.toml that has one; all else stays as it was."""
    document = tomlkit.parse(file.read_text(encoding="utf-8"))
    if "version" not in document.get("project", {}):
        return  # of a project that has only its table there
    document["project"]["version"] = version
    file.write_text(tomlkit.dumps(document), encoding="utf-8")


def commit_and_tag(root: Path, version: str) -> None:
    """Commit what the release changed and tag it; without the tag there is no commit either."""
    _git(root, "commit", "--all", "--message", f"Release {version}")
    try:
        _git(root, "tag", "--annotate", f"v{version}", "--message", f"Release {version}")
    except ReleaseError:
        _git(root, "reset", "--soft", "HEAD~1")
        raise


def restore(root: Path) -> None:
    """Put a tree that was clean back to what was committed."""
    _git(root, "reset", "--hard", "--quiet")


def _git(root: Path, *words: str, hint: str = "`git status` says how things are") -> str:
    try:
        ended = subprocess.run(
            ["git", *words], cwd=root, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
        )
    except FileNotFoundError:
        raise MachineError("git is not there", hint="install it (Debian: `apt-get install git`)") from None
    if ended.returncode != 0:
        raise ReleaseError(f"git {words[0]} failed", excerpt=ended.stderr.splitlines()[:12], hint=hint)
    return ended.stdout
