"""The commit of a statement, checked out into a new folder from a local repository or a URL."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from everywheel.errors import MachineError, UsageError
from everywheel.execution.process import CommandResult, excerpt, run_command

_URL = re.compile(r"(?:https|ssh|git|file)://|[\w.-]+@[\w.-]+:")


def check_out(repository: str, commit: str, folder: Path) -> None:
    """Clone a repository, a local folder or a URL, and check out a commit with its submodules.

    `commit` is a complete hash. Raises UsageError when the repository cannot be cloned or does not have the commit.
    """
    if not _URL.match(repository) and not Path(repository).is_dir():
        raise UsageError(
            f"{repository}: no such folder",
            hint="`--repository` is a folder, or a URL such as https://example.org/demo.git",
        )
    source = repository if _URL.match(repository) else str(Path(repository).absolute())
    cloned = _run_git(Path(), "clone", "--quiet", "--no-checkout", "--", source, str(folder))
    if cloned.exit_code:
        raise UsageError(
            f"{repository} cannot be cloned",
            excerpt=excerpt(cloned.errors),
            hint="`--repository` names the repository of the project, a folder or a URL",
        )
    if not _has_commit(folder, commit):
        # A commit on no branch: servers may send it when it is requested by its hash.
        _run_git(folder, "fetch", "--quiet", "origin", commit)
    if not _has_commit(folder, commit):
        raise UsageError(
            f"the repository does not have the commit {commit} of the provenance",
            details={"repository": repository},
            hint="`git fetch` may get it; `--repository` names another repository; the wheel may be from a fork",
        )
    checked_out = _run_git(folder, "checkout", "--quiet", "--detach", commit)
    if checked_out.exit_code:
        raise UsageError(
            f"the commit {commit} cannot be checked out",
            details={"repository": repository},
            excerpt=excerpt(checked_out.errors),
            hint="does `git checkout` of this commit work in a new clone?",
        )
    if (folder / ".gitmodules").exists():
        modules = _run_git(folder, "submodule", "--quiet", "update", "--init", "--recursive")
        if modules.exit_code:
            raise UsageError(
                f"the submodules of the commit {commit} cannot be checked out",
                excerpt=excerpt(modules.errors),
                hint="the servers of the submodules must be reachable, and have their commits",
            )


def _has_commit(folder: Path, commit: str) -> bool:
    return _run_git(folder, "cat-file", "-e", f"{commit}^{{commit}}").exit_code == 0


def find_tag_commit(repository: str, tag: str) -> str:
    """Return the commit of a tag in a repository, a folder or a URL; raise UsageError if it has no such tag."""
    names = (f"refs/tags/{tag}", f"refs/tags/{tag}^{{}}")
    listed = _run_git(Path(), "ls-remote", "--", repository, *names)
    commits = {name: commit for commit, _, name in (line.partition("\t") for line in listed.output.splitlines())}
    # An annotated tag is listed twice, the second time with its commit.
    if commit := commits.get(names[1]) or commits.get(names[0]):
        return commit
    raise UsageError(
        f"the repository has no tag {tag}",
        details={"repository": repository},
        excerpt=excerpt(listed.errors) if listed.exit_code else (),
        hint="`git fetch --tags` may get it; `--repository` names another repository",
    )


def find_repository(root: Path) -> str:
    """Return the root of the checkout that contains a folder; raise UsageError if there is none."""
    result = _run_git(root, "rev-parse", "--show-toplevel") if root.is_dir() else None
    if result is None or result.exit_code:
        raise UsageError(
            f"{root.absolute()} is not in a git checkout",
            hint="run in a checkout of the project, or name its repository with `--repository`",
        )
    return result.output.removesuffix("\n")


def _run_git(folder: Path, *args: str) -> CommandResult:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command: Sequence[str] = ["git", *args]
    try:
        return run_command(
            command, cwd=folder, env={**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}, may_prompt=True
        )
    except FileNotFoundError:
        raise MachineError(
            "git is not installed", hint="`everywheel doctor` shows the command that installs it"
        ) from None
