"""A prepared release: what it changed is written down, so that just this is committed, or put back, and nobody else's work.

The note lies in git's own folder, from `prepare` until `tag` or `abort`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.errors import ReleaseError
from everywheel.release.changelog import Changelog
from everywheel.release.git import find_top, git_says_yes, list_changes, run_git
from everywheel.release.version import put_version, read_version

_NOTE = "everywheel-release.json"
_SHOWN = 12  # files in an error


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRelease:
    """A release that was prepared at a commit: the files that may change, relative to the repository's own folder.

    `versions` are the files that have the version, `changelogs` those that towncrier writes, and `fragments` the folders
    that it takes fragments from.
    """

    version: str
    commit: str
    versions: tuple[str, ...]
    changelogs: tuple[str, ...]
    fragments: tuple[str, ...]

    def owns(self, path: str, letters: str) -> bool:
        """Tell whether a change is the release's: only deleting a fragment is."""
        if letters == "??":
            return path in self.changelogs
        gone = "D" in letters and path.rpartition("/")[0] in self.fragments
        return gone or path in (*self.versions, *self.changelogs)


def prepare(root: Path, version: str, files: Iterable[Path], changelogs: Sequence[Changelog]) -> None:
    """Write the version into files, once there is a note that it was done."""
    top = find_top(root)

    def name(path: Path) -> str:
        return path.resolve().relative_to(top.resolve()).as_posix()

    # A file that has no version, only a table, stays as it is.
    numbered = [file for file in dict.fromkeys(files) if read_version(_read(file))]
    prepared = PendingRelease(
        version=version,
        commit=run_git(root, "rev-parse", "HEAD").strip(),
        versions=tuple(name(file) for file in numbered),
        changelogs=tuple(name(changelog.file) for changelog in changelogs),
        fragments=tuple(name(changelog.folder) for changelog in changelogs),
    )
    _find_note(root).write_text(json.dumps(dataclasses.asdict(prepared), indent=1))
    for file in numbered:
        _write(file, put_version(_read(file), version))


def load_prepared(root: Path) -> PendingRelease:
    """Return the release that was prepared; raise ReleaseError when none was."""
    note = _find_note(root)
    try:
        told = json.loads(note.read_text())
    except FileNotFoundError:
        raise ReleaseError(
            "no release was prepared here",
            details={"looked for": note},
            hint="`everywheel release prepare 1.2.0` prepares one",
        ) from None
    return PendingRelease(
        version=told["version"],
        commit=told["commit"],
        versions=tuple(told["versions"]),
        changelogs=tuple(told["changelogs"]),
        fragments=tuple(told["fragments"]),
    )


def check_unprepared(root: Path) -> None:
    """Raise ReleaseError when a release is prepared here already: what it changed looks like work that nobody committed."""
    note = _find_note(root)
    if note.exists():
        raise ReleaseError(
            f"release {load_prepared(root).version} is prepared here, and neither tagged nor taken back",
            details={"note": note},
            hint="`everywheel release abort` takes it back and leaves all else",
        )


def commit_and_tag(root: Path, version: str) -> None:
    """Commit what the release changed and tag it; without the tag there is no commit either.

    Raises ReleaseError when something else changed since the release was prepared.
    """
    prepared, top = load_prepared(root), find_top(root)
    head = run_git(top, "rev-parse", "HEAD").strip()
    again = "`everywheel release abort` takes the release back and leaves all else; then prepare it again"
    if head != prepared.commit or version != prepared.version:
        raise ReleaseError(
            "this is not what the release was prepared from",
            details={
                "prepared": f"{prepared.version} at {prepared.commit[:12]}",
                "now": f"{version} at {head[:12]}",
            },
            hint=again,
        )
    changes = list_changes(top)
    own = [path for path, letters in changes.items() if prepared.owns(path, letters)]
    others = [path for path, letters in changes.items() if path not in own and letters != "??"]
    if others:
        raise ReleaseError(
            f"{len(others)} files changed since the release was prepared, and not by it",
            excerpt=others[:_SHOWN],
            hint=again,
        )
    if new := [path for path in own if changes[path] == "??"]:
        run_git(top, "add", "--", *new)
    run_git(top, "commit", "--message", f"Release {version}", "--", *own)
    try:
        run_git(top, "tag", "--annotate", f"v{version}", "--message", f"Release {version}")
    except ReleaseError:
        run_git(top, "reset", "--soft", "HEAD~1")
        raise
    _find_note(root).unlink()


def abort(root: Path) -> tuple[str, tuple[str, ...]]:
    """Put back what the release changed; return its version, and the other changes, which stay.

    Who edited a file that has the version keeps the edit; a changelog is as it was committed. Raises ReleaseError, and
    changes nothing, when the release's commit has its tag: `tag` was killed before it removed the note.
    """
    prepared, top = load_prepared(root), find_top(root)
    if _is_at_release(top, prepared):
        _check_untagged(root, top, prepared)
        run_git(top, "reset", "--soft", prepared.commit)
    changes = list_changes(top)
    own = [path for path, letters in changes.items() if prepared.owns(path, letters)]
    whole = []
    for path in own:
        if changes[path] == "??":
            (top / path).unlink()
        elif path not in prepared.versions or not _keep_edits(top, path, prepared.version):
            whole.append(path)
    if whole:
        run_git(top, "restore", "--source=HEAD", "--staged", "--worktree", "--", *whole)
    _find_note(root).unlink()
    return prepared.version, tuple(path for path in changes if path not in own)


def _is_at_release(top: Path, prepared: PendingRelease) -> bool:
    """Tell whether the release's own commit is the last one, as `tag` makes it."""
    subject, _, parent = run_git(top, "log", "-1", "--format=%s%n%P").strip().partition("\n")
    return (subject, parent) == (f"Release {prepared.version}", prepared.commit)


def _check_untagged(root: Path, top: Path, prepared: PendingRelease) -> None:
    tag = f"v{prepared.version}"
    if not git_says_yes(top, "rev-parse", "--verify", "--quiet", f"refs/tags/{tag}"):
        return
    raise ReleaseError(
        f"release {prepared.version} is tagged already: there is nothing that was only prepared",
        details={
            "tag": tag,
            "at": run_git(top, "rev-parse", f"{tag}^{{commit}}").strip()[:12],
            "note": _find_note(root),
        },
        hint=f"remove the note, and push the release: git push --atomic origin HEAD {tag}; to drop it instead, first "
        f"git tag --delete {tag}, then `everywheel release abort`",
    )


def _keep_edits(top: Path, path: str, version: str) -> bool:
    """Put the committed version back into a file that has other changes too; tell whether it has."""
    if not (top / path).is_file():
        return False
    committed, now = run_git(top, "show", f"HEAD:{path}"), _read(top / path)
    if now == put_version(committed, version):
        return False
    _write(top / path, put_version(now, read_version(committed)))
    return True


def _read(file: Path) -> str:
    return file.read_bytes().decode()  # with the line ends that it has


def _write(file: Path, text: str) -> None:
    file.write_bytes(text.encode())


def _find_note(root: Path) -> Path:
    return root / run_git(root, "rev-parse", "--git-path", _NOTE).rstrip("\n")
