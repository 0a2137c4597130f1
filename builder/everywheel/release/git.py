"""Calls of git, for queries and for changes; an error contains git's own message."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from everywheel.errors import MachineError, ReleaseError
from everywheel.execution.process import CommandResult, run_command

_HINT = "run `git status`"


def run_git(root: Path, *args: str, hint: str = _HINT) -> str:
    """Return the output of git; raise ReleaseError, with git's message, when it fails.

    Raises MachineError when git is not installed.
    """
    result = _run(root, args)
    if result.exit_code != 0:
        raise ReleaseError(f"git {args[0]} failed", excerpt=result.errors.splitlines()[:12], hint=hint)
    return result.output


def git_succeeds(root: Path, *args: str) -> bool:
    """Return whether git exits with 0, for queries whose result is the exit code."""
    return _run(root, args).exit_code == 0


def list_changes(top: Path) -> Mapping[str, str]:
    """Return the files that differ from the last commit, each with the two status letters of git (`??`: untracked).

    `top` is the root of the repository, and the paths are relative to it.
    """
    status = run_git(top, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    return {entry[3:]: entry[:2] for entry in status.split("\0") if entry}


def find_repository_root(root: Path) -> Path:
    """Return the root of the repository that a project is in."""
    return Path(run_git(root, "rev-parse", "--show-toplevel").rstrip("\n"))


def _run(root: Path, args: tuple[str, ...]) -> CommandResult:
    # Literal pathspecs: git must not interpret a file name as a pattern.
    environment = {**os.environ, "LC_ALL": "C", "GIT_LITERAL_PATHSPECS": "1"}
    try:
        return run_command(["git", *args], cwd=root, env=environment, may_prompt=True)
    except FileNotFoundError:
        raise MachineError(
            "git is not installed", hint="`everywheel doctor` shows the command that installs it"
        ) from None
