"""Preconditions of a release, checked before anything is written or built."""

from __future__ import annotations

from pathlib import Path

from everywheel.errors import ReleaseError
from everywheel.release.git import git_succeeds, run_git
from everywheel.release.version import ORIGIN_HINT


def check_working_tree(root: Path) -> None:
    """Raise ReleaseError when the working tree has uncommitted changes or untracked files."""
    changed = run_git(root, "status", "--porcelain").splitlines()
    if changed:
        raise ReleaseError(
            "the working tree has uncommitted changes",
            excerpt=changed[:12],
            hint="commit them, or run `git stash --include-untracked`",
        )


def check_clone(root: Path) -> None:
    """Raise ReleaseError when the clone is shallow, so that tags may be missing, or HEAD is not a branch to push."""
    if run_git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise ReleaseError(
            "the clone is shallow: the released versions are unknown",
            details={"directory": root},
            hint="git fetch --unshallow --tags",
        )
    if run_git(root, "rev-parse", "--abbrev-ref", "HEAD").strip() == "HEAD":
        raise ReleaseError(
            "HEAD is detached: a release commit would be on no branch",
            details={"directory": root},
            hint="git switch main, or the branch that is released",
        )


def check_identity(root: Path) -> None:
    """Raise ReleaseError when git has no identity to commit with; `git commit` would fail only after the whole build."""
    if not git_succeeds(root, "var", "GIT_COMMITTER_IDENT") or not git_succeeds(root, "var", "GIT_AUTHOR_IDENT"):
        raise ReleaseError(
            "git has no author or committer identity",
            details={"directory": root},
            hint='git config user.name "…" && git config user.email "…"',
        )


def check_upstream(root: Path) -> None:
    """Raise ReleaseError when the remote branch has commits that the local one does not: a push would be rejected.

    The remote is queried, and nothing is fetched. A branch without an upstream is compared with the branch of its name in
    `origin`, if there is such a remote.
    """
    branch = run_git(root, "rev-parse", "--abbrev-ref", "HEAD").strip()
    fields = "--format=%(upstream:remotename) %(upstream:remoteref)"
    remote, _, name = run_git(root, "for-each-ref", fields, f"refs/heads/{branch}").strip().partition(" ")
    if not remote:
        if branch == "HEAD" or "origin" not in run_git(root, "remote").split():
            return
        remote, name = "origin", f"refs/heads/{branch}"
    tip = run_git(root, "ls-remote", remote, name, hint=ORIGIN_HINT).partition("\t")[0]
    if tip and not git_succeeds(root, "merge-base", "--is-ancestor", tip, "HEAD"):
        raise ReleaseError(
            f"branch {branch} is behind {remote}", details={"remote commit": tip[:12]}, hint="git pull --rebase"
        )
