"""Patching a source tree with `git apply`, independent of any Git repository around it, and checking the result."""

from __future__ import annotations

import gzip
import io
import os
import shlex
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from everywheel.errors import MachineError, SourceError
from everywheel.execution.files import hash_file, report_full_disk
from everywheel.execution.input_files import link_leads_out
from everywheel.execution.process import run_command
from everywheel.sources.request import COMPARE_PIN, PinnedFile

_LARGEST_PATCH = 64 << 20  # bytes, unpacked


def apply_patch(file: PinnedFile, patch: Path, tree: Path) -> None:
    """Apply a patch, which may be compressed with gzip, to a source tree with `git apply -p1`.

    Changes below `debian/`, the distribution's packaging, are ignored. Raises SourceError with git's messages when the
    patch does not apply or changes nothing, or when it would write through a link or create one that leads out of the
    tree; MachineError when git is missing.
    """
    content = _read_patch(file, patch)
    names = _list_changed_paths(_run_git(file, content, tree, "--numstat", "-z"))
    _check_paths(file, names, tree)
    before = {name: fingerprint(tree / name) for name in names}
    _run_git(file, content, tree, "--whitespace=nowarn")
    _check_links(file, names, tree)
    unchanged = [name for name in names if before[name] == fingerprint(tree / name)]
    if not names or unchanged:
        effect = f"does not change {', '.join(unchanged)}" if unchanged else "changes nothing"
        raise SourceError(f"{file.title} {effect}", hint=COMPARE_PIN)


def _read_patch(file: PinnedFile, patch: Path) -> bytes:
    content = patch.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                content = packed.read(_LARGEST_PATCH + 1)
        except (EOFError, OSError, zlib.error) as reason:
            raise SourceError(
                f"{file.title} cannot be unpacked", details={"reason": str(reason).lower()}, hint=COMPARE_PIN
            ) from None
    if len(content) > _LARGEST_PATCH:
        raise SourceError(f"{file.title} is larger than {_LARGEST_PATCH >> 20} MiB", hint=COMPARE_PIN)
    return content


def _check_paths(file: PinnedFile, names: Sequence[str], tree: Path) -> None:
    """Raise SourceError for a changed path that is below a link, or below another changed path, which may become a link.

    Versions of git before 2.39.2 do not check the latter
    (https://github.com/git/git/commit/fade728df1221598f42d391cf377e9e84a32053f).
    """
    for name in names:
        path = PurePosixPath(name)
        parents = [parent.as_posix() for parent in path.parents][:-1]  # without the tree itself
        if path.is_absolute() or ".." in path.parts:
            raise SourceError(f"{file.title} changes '{name}', which is outside of the source", hint=COMPARE_PIN)
        for parent in parents:
            if parent in names or (tree / parent).is_symlink():
                raise SourceError(
                    f"{file.title} changes '{name}', and '{parent}' is a link or changed itself", hint=COMPARE_PIN
                )


def _check_links(file: PinnedFile, names: Sequence[str], tree: Path) -> None:
    for name in names:
        path = tree / name
        if path.is_symlink() and link_leads_out(name, str(path.readlink())):
            raise SourceError(
                f"{file.title} creates a link that leads out of the source",
                details={"link": f"{name} -> {path.readlink()}"},
                hint=COMPARE_PIN,
            )


def _run_git(file: PinnedFile, patch: bytes, tree: Path, *options: str) -> str:
    """Run `git apply` without the repository around the tree and without the user's configuration."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ |= {
        "GIT_CEILING_DIRECTORIES": str(tree.resolve().parent),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
    }
    command = ["git", "apply", "-p1", "--exclude=debian/*", *options, "-"]
    try:
        result = run_command(command, stdin=patch, cwd=tree.resolve(), env=environ)
    except FileNotFoundError:
        raise MachineError(
            f"{file.title} cannot be applied: git is missing",
            hint="`everywheel doctor` shows the command that installs it",
        ) from None
    if "No space left on device" in result.errors:
        raise report_full_disk(tree)
    if result.exit_code:
        raise SourceError(
            f"{file.title} does not apply (exit {result.exit_code})",
            details={"command": shlex.join(command)},
            excerpt=result.errors.strip().splitlines()[-20:],
            hint=f"it may be the patch of another version: {COMPARE_PIN}",
        )
    return result.stdout.decode(errors="surrogateescape")


def _list_changed_paths(numstat: str) -> list[str]:
    """Return the paths in `git apply --numstat -z`.

    A record is `added TAB deleted TAB path`; for a rename, the path is empty and two more fields are the two paths.
    """
    fields = numstat.split("\0")
    names: list[str] = []
    while fields:
        field = fields.pop(0)
        if field.count("\t") >= 2:
            name = field.split("\t", 2)[2]
            names += [name] if name else [fields.pop(0), fields.pop(0)]
    return [name for name in names if not name.startswith("debian/")]


def fingerprint(path: Path) -> tuple[int, str] | None:
    """Return a file's mode and hash, a link's target, or None when the file is missing."""
    if path.is_symlink():
        return (0, str(path.readlink()))
    return (path.stat().st_mode, hash_file(path)) if path.is_file() else None
