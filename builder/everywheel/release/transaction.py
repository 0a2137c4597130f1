"""A release as a transaction: `prepare` records the files that it changes, `tag` commits and `abort` restores only these.

The record is a file in the .git directory, from `prepare` until `tag` or `abort`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.errors import ReleaseError, count_noun
from everywheel.release.changelog import Changelog
from everywheel.release.git import find_repository_root, git_succeeds, list_changes, run_git
from everywheel.release.records import find_record
from everywheel.release.version import read_version, replace_version

_RECORD = "everywheel-release.json"
_MAX_SHOWN = 12  # files in an error


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRelease:
    """A release that was prepared from a commit, and the files that belong to it, relative to the root of the repository.

    `versions` are the files with the version, `changelogs` those that towncrier writes, and `fragments` the directories
    from which it deletes fragments. `created` are the record of the release's files, and fragments that `prepare` wrote.
    """

    version: str
    commit: str
    versions: tuple[str, ...]
    changelogs: tuple[str, ...]
    fragments: tuple[str, ...]
    created: tuple[str, ...]

    def contains(self, path: str, status: str) -> bool:
        """Return whether a change belongs to the release; of fragments, only deletions do."""
        if status == "??":
            return path in (*self.changelogs, *self.created)
        is_deleted = "D" in status and path.rpartition("/")[0] in self.fragments
        return is_deleted or path in (*self.versions, *self.changelogs)


def prepare(
    root: Path,
    version: str,
    files: Iterable[Path],
    changelogs: Sequence[Changelog],
    fragments: Mapping[Path, str] | None = None,
) -> None:
    """Record the release, then write its version into files; `fragments` are written as well."""
    new = fragments or {}
    top = find_repository_root(root)

    def name(path: Path) -> str:
        return path.resolve().relative_to(top.resolve()).as_posix()

    # A file without a version, such as one with tool configuration only, is not changed.
    version_files = [file for file in dict.fromkeys(files) if read_version(_read(file))]
    prepared = PendingRelease(
        version=version,
        commit=run_git(root, "rev-parse", "HEAD").strip(),
        versions=tuple(name(file) for file in version_files),
        changelogs=tuple(name(changelog.file) for changelog in changelogs),
        fragments=tuple(name(changelog.folder) for changelog in changelogs),
        created=tuple(map(name, (find_record(root, version), *new))),
    )
    _find_record(root).write_text(json.dumps(dataclasses.asdict(prepared), indent=1))
    for file in version_files:
        _write(file, replace_version(_read(file), version))
    for path, text in new.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, text)


def load_prepared(root: Path) -> PendingRelease:
    """Return the prepared release; raise ReleaseError when there is none."""
    record = _find_record(root)
    try:
        fields = json.loads(record.read_text())
    except FileNotFoundError:
        raise ReleaseError(
            "no release is prepared",
            details={"record": record},
            hint="`everywheel release prepare 1.2.0` prepares one",
        ) from None
    return PendingRelease(
        version=fields["version"],
        commit=fields["commit"],
        versions=tuple(fields["versions"]),
        changelogs=tuple(fields["changelogs"]),
        fragments=tuple(fields["fragments"]),
        created=tuple(fields["created"]),
    )


def check_not_prepared(root: Path) -> None:
    """Raise ReleaseError when a release is prepared already, whose changes would look like uncommitted work."""
    record = _find_record(root)
    if record.exists():
        raise ReleaseError(
            f"release {load_prepared(root).version} is prepared, and neither tagged nor aborted",
            details={"record": record},
            hint="`everywheel release abort` undoes it and keeps all other changes",
        )


def check_prepared(root: Path, version: str) -> None:
    """Raise ReleaseError unless a release of this version is prepared."""
    prepared = load_prepared(root)
    if prepared.version != version:
        raise ReleaseError(
            f"release {prepared.version} is prepared, but the project has version {version}",
            hint="`everywheel release abort` undoes the prepared release",
        )


def commit_and_tag(root: Path, version: str) -> None:
    """Commit the files of the release and tag the commit; when the tag fails, the commit is undone.

    Raises ReleaseError when other files changed since the release was prepared.
    """
    prepared, top = load_prepared(root), find_repository_root(root)
    head = run_git(top, "rev-parse", "HEAD").strip()
    prepare_again = "`everywheel release abort` undoes the release and keeps all other changes; then prepare it again"
    if head != prepared.commit or version != prepared.version:
        raise ReleaseError(
            "the release was prepared from another commit or version",
            details={
                "prepared": f"{prepared.version} at {prepared.commit[:12]}",
                "now": f"{version} at {head[:12]}",
            },
            hint=prepare_again,
        )
    changes = list_changes(top)
    release_paths = [path for path, status in changes.items() if prepared.contains(path, status)]
    other_paths = [path for path, status in changes.items() if path not in release_paths and status != "??"]
    if other_paths:
        raise ReleaseError(
            f"{count_noun(len(other_paths), 'changed file is', 'changed files are')} not part of the release",
            excerpt=other_paths[:_MAX_SHOWN],
            hint=prepare_again,
        )
    if new := [path for path in release_paths if changes[path] == "??"]:
        run_git(top, "add", "--", *new)
    run_git(top, "commit", "--message", f"Release {version}", "--", *release_paths)
    try:
        run_git(top, "tag", "--annotate", f"v{version}", "--message", f"Release {version}")
    except ReleaseError:
        run_git(top, "reset", "--soft", "HEAD~1")
        raise
    _find_record(root).unlink()


def abort(root: Path) -> tuple[str, tuple[str, ...]]:
    """Restore the files of the release; return its version, and the other changed files, which are kept.

    In files with the version, other edits are kept; changelogs are restored to the last commit. Raises ReleaseError, and
    changes nothing, when the release is tagged already: `tag` was killed before it deleted the record.
    """
    prepared, top = load_prepared(root), find_repository_root(root)
    if _is_at_release(top, prepared):
        _check_untagged(root, top, prepared)
        run_git(top, "reset", "--soft", prepared.commit)
    changes = list_changes(top)
    release_paths = [path for path, status in changes.items() if prepared.contains(path, status)]
    restored = []
    for path in release_paths:
        if changes[path] == "??":
            (top / path).unlink()
        elif path not in prepared.versions or not _keep_edits(top, path, prepared.version):
            restored.append(path)
    if restored:
        run_git(top, "restore", "--source=HEAD", "--staged", "--worktree", "--", *restored)
    _find_record(root).unlink()
    return prepared.version, tuple(path for path in changes if path not in release_paths)


def _is_at_release(top: Path, prepared: PendingRelease) -> bool:
    """Return whether the last commit is the one that `tag` creates for the release."""
    subject, _, parent = run_git(top, "log", "-1", "--format=%s%n%P").strip().partition("\n")
    return (subject, parent) == (f"Release {prepared.version}", prepared.commit)


def _check_untagged(root: Path, top: Path, prepared: PendingRelease) -> None:
    tag = f"v{prepared.version}"
    if not git_succeeds(top, "rev-parse", "--verify", "--quiet", f"refs/tags/{tag}"):
        return
    raise ReleaseError(
        f"release {prepared.version} is already tagged and cannot be aborted",
        details={
            "tag": tag,
            "commit": run_git(top, "rev-parse", f"{tag}^{{commit}}").strip()[:12],
            "record": _find_record(root),
        },
        hint=f"to publish it, delete the record, then git push --atomic origin HEAD {tag}; to discard it, "
        f"git tag --delete {tag}, then `everywheel release abort`",
    )


def _keep_edits(top: Path, path: str, version: str) -> bool:
    """Restore the version in a file that has other changes, and return whether it has any."""
    if not (top / path).is_file():
        return False
    committed, now = run_git(top, "show", f"HEAD:{path}"), _read(top / path)
    if now == replace_version(committed, version):
        return False
    _write(top / path, replace_version(now, read_version(committed)))
    return True


def _read(file: Path) -> str:
    return file.read_bytes().decode()  # keeps the line ends


def _write(file: Path, text: str) -> None:
    file.write_bytes(text.encode())


def _find_record(root: Path) -> Path:
    return root / run_git(root, "rev-parse", "--git-path", _RECORD).rstrip("\n")
