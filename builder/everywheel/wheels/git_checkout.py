"""The git repository of an extension whose version comes from it (setuptools_scm, hatch-vcs, versioneer, Meson's vcs_tag).

Builds run in a copy of the extension. The copy gets a repository of its own with the same commits, tags and branch, in which
the files of the copy are the work tree: a backend then computes the version that it computes in the checkout.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from everywheel.config.project import Project
from everywheel.errors import BuildError, MachineError
from everywheel.execution.files import remove_path
from everywheel.execution.process import excerpt, run_command

_LARGEST_FILE = 1 << 20  # bytes that are searched for `vcs_tag`


@dataclass(frozen=True, slots=True, kw_only=True)
class GitCheckout:
    """The work tree with an extension, and the extension's path in it.

    `revision` has the commit, and a hash of the branch and all tags: with the extension's files, it determines the version.
    """

    root: Path
    path: PurePath
    revision: str


def find_checkout(project: Project) -> GitCheckout | None:
    """Return the checkout that the version of a project may come from.

    This is None for an sdist, for a project that states its version and does not use `vcs_tag`, outside of a checkout, for one
    without commits, and without git.
    """
    folder = Path(os.path.realpath(project.extension))
    if (folder / "PKG-INFO").exists() or (project.has_metadata and not project.revision and not _uses_vcs_tag(folder)):
        return None
    root = next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), None)
    if root is None or shutil.which("git") is None:
        return None
    head = _run_git(root, "rev-parse", "HEAD", "--symbolic-full-name", "HEAD")
    if head is None:
        return None
    tags = _run_git(root, "for-each-ref", "--format=%(objectname) %(refname)", "refs/tags") or ""
    digest = hashlib.sha256(f"{head}\0{tags}".encode()).hexdigest()
    return GitCheckout(root=root, path=PurePath(folder.relative_to(root)), revision=f"{head.split()[0]}-{digest[:16]}")


def copy_checkout(project: Project, folder: Path, label: str) -> Path:
    """Replace `folder` by a copy of the extension, and return the copy's path, which is below `folder` in a checkout.

    A project with a revision gets a repository. Raises BuildError when git fails.
    """
    from everywheel.wheels.pep517 import copy_extension  # slow to import, and a run may have nothing to build

    checkout = find_checkout(project) if project.revision else None
    if checkout is None:
        return copy_extension(project.extension, folder)
    remove_path(folder)
    source = copy_extension(project.extension, folder / checkout.path)
    clone = folder / ".everywheel-clone"
    options = ["--quiet", "--no-checkout", "--shared", "--template=", "--config", "core.symlinks=true"]
    _check_git(folder, label, "clone", *options, str(checkout.root), str(clone))
    (clone / ".git").rename(folder / ".git")
    clone.rmdir()
    _check_git(folder, label, "read-tree", "HEAD")
    # Files that are not in the copy are not part of the build: without this, git would report them as deleted.
    entries = _check_git(folder, label, "ls-files", "--stage", "-z").split("\0")
    skipped = _list_skipped(entries, folder)
    _check_git(folder, label, "update-index", "-z", "--skip-worktree", "--stdin", stdin="".join(skipped).encode())
    return source


def _list_skipped(entries: Iterable[str], folder: Path) -> list[str]:
    """Return the paths in an index, each with NUL, that are links or not in the copy, in which links are files."""
    skipped = []
    for entry in filter(None, entries):
        facts, _, path = entry.partition("\t")
        if facts.startswith("120000") or not (folder / path).exists():
            skipped.append(f"{path}\0")
    return skipped


def link_git(folder: Path) -> Path:
    """Return a directory in `folder` that contains git, and no other program of the build machine."""
    git = shutil.which("git")
    if git is None:
        raise MachineError("git is missing", hint="`everywheel doctor` shows the command that installs it")
    programs = folder / "git"
    programs.mkdir(exist_ok=True)
    if not (programs / "git").exists():
        (programs / "git").symlink_to(git)
    return programs


def _uses_vcs_tag(folder: Path) -> bool:
    """Return whether a meson.build in the extension calls `vcs_tag`, which writes the commit into a file."""
    if not (folder / "meson.build").is_file():
        return False
    for path in folder.rglob("meson.build"):
        try:
            if path.stat().st_size < _LARGEST_FILE and b"vcs_tag" in path.read_bytes():
                return True
        except OSError:
            continue
    return False


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def _run_git(folder: Path, *args: str) -> str | None:
    """Return the output of git, or None when it fails."""
    result = run_command(["git", *args], cwd=folder, env=_environment())
    return result.output if result.exit_code == 0 else None


def _check_git(folder: Path, label: str, *args: str, stdin: bytes = b"") -> str:
    result = run_command(["git", *args], cwd=folder, env=_environment(), stdin=stdin)
    if result.exit_code != 0:
        raise BuildError(
            f"{label}: the repository of the project cannot be used for its version: git {args[0]} failed",
            excerpt=excerpt(result.errors or result.output),
            hint="does `git status` work in the project's folder?",
        )
    return os.fsdecode(result.stdout)


def add_git_to_path(path: str, project: Project, folder: Path) -> str:
    """Return PATH with git for a project whose version comes from a checkout."""
    programs: Sequence[str] = [str(link_git(folder))] if project.revision else []
    return os.pathsep.join([*programs, path])
