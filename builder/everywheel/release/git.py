"""Git, asked in a project's folder; what it says on failure is told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from everywheel.errors import MachineError, ReleaseError
from everywheel.execution.process import CommandResult, run_command

_HINT = "`git status` says how things are"


def run_git(root: Path, *words: str, hint: str = _HINT) -> str:
    """Return what git prints; raise ReleaseError with its own words when it fails, MachineError when it is not there."""
    ended = _run(root, words)
    if ended.exit_code != 0:
        raise ReleaseError(f"git {words[0]} failed", excerpt=ended.errors.splitlines()[:12], hint=hint)
    return ended.output


def git_says_yes(root: Path, *words: str) -> bool:
    """Tell whether git succeeds, for questions that it answers so."""
    return _run(root, words).exit_code == 0


def list_changes(top: Path) -> Mapping[str, str]:
    """Return the files that are not as they were committed, each with git's two letters for it (`??`: never seen).

    `top` is the repository's own folder: all paths are relative to it.
    """
    told = run_git(top, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    return {line[3:]: line[:2] for line in told.split("\0") if line}


def find_top(root: Path) -> Path:
    """Return the repository's own folder, of which a project may be a part."""
    return Path(run_git(root, "rev-parse", "--show-toplevel").rstrip("\n"))


def _run(root: Path, words: tuple[str, ...]) -> CommandResult:
    # File names are given as they are: none is a pattern.
    environment = {**os.environ, "LC_ALL": "C", "GIT_LITERAL_PATHSPECS": "1"}
    try:
        return run_command(["git", *words], cwd=root, env=environment, may_prompt=True)
    except FileNotFoundError:
        raise MachineError("git is not there", hint="install it (Debian: `apt-get install git`)") from None
