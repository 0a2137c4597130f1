"""Readiness: whether a release can be prepared here, so that it is refused before anything is written or built."""

from __future__ import annotations

from pathlib import Path

from everywheel.errors import ReleaseError
from everywheel.release.git import git_says_yes, run_git
from everywheel.release.version import PUSHED


def check_tree(root: Path) -> None:
    """Raise ReleaseError when the project's tree has changes that are not committed, or files that git does not know."""
    changed = run_git(root, "status", "--porcelain").splitlines()
    if changed:
        raise ReleaseError(
            f"the tree is dirty: {len(changed)} files are not as they were committed",
            excerpt=changed[:12],
            hint="commit them, or put them away with `git stash --include-untracked`",
        )


def check_clone(root: Path) -> None:
    """Raise ReleaseError when a release could not be pushed from here, or not all tags are here to compare with."""
    if run_git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise ReleaseError(
            "the clone is shallow: which versions were released cannot be told",
            details={"looked in": root},
            hint="git fetch --unshallow --tags",
        )
    if run_git(root, "rev-parse", "--abbrev-ref", "HEAD").strip() == "HEAD":
        raise ReleaseError(
            "HEAD is detached: a release commit would be on no branch",
            details={"looked in": root},
            hint="git switch main, or whichever branch is released",
        )


def check_identity(root: Path) -> None:
    """Raise ReleaseError when git does not know in whose name it would commit, which it says only after a whole build."""
    if not git_says_yes(root, "var", "GIT_COMMITTER_IDENT") or not git_says_yes(root, "var", "GIT_AUTHOR_IDENT"):
        raise ReleaseError(
            "git does not know in whose name to commit",
            details={"looked in": root},
            hint='git config user.name "…" && git config user.email "…"',
        )


def check_upstream(root: Path) -> None:
    """Raise ReleaseError when the branch lacks what somebody pushed to it: the release commit could not be pushed.

    The remote is asked; nothing is fetched. A branch that follows none is looked for in `origin`, where there is one.
    """
    branch = run_git(root, "rev-parse", "--abbrev-ref", "HEAD").strip()
    asked = "--format=%(upstream:remotename) %(upstream:remoteref)"
    remote, _, name = run_git(root, "for-each-ref", asked, f"refs/heads/{branch}").strip().partition(" ")
    if not remote:
        if branch == "HEAD" or "origin" not in run_git(root, "remote").split():
            return
        remote, name = "origin", f"refs/heads/{branch}"
    there = run_git(root, "ls-remote", remote, name, hint=PUSHED).partition("\t")[0]
    if there and not git_says_yes(root, "merge-base", "--is-ancestor", there, "HEAD"):
        raise ReleaseError(
            f"branch {branch} is behind {remote}: it lacks what was pushed there",
            details={"there": there[:12]},
            hint="git pull --rebase",
        )
