"""Records of releases: `releases/VERSION/SHA256SUMS` in the repository lists the files of a release with hashes and sizes.

`sha256sum --check` reads the file; the sizes are in comments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from everywheel.errors import ReleaseError, count_noun
from everywheel.execution.files import hash_file, translate_os_errors

FOLDER = "releases"
SUMS = "SHA256SUMS"
_ENTRY = re.compile(r"# (\d{1,18}) bytes\n([0-9a-f]{64})  ([^/\s]+)\n", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedFile:
    """A file of a release: its hash, and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The files of a release by their names."""

    version: str
    path: Path
    files: Mapping[str, ReleasedFile]


def find_record(root: Path, version: str) -> Path:
    """Return the path of the record of a release, which may not exist."""
    return root / FOLDER / version / SUMS


def write_record(root: Path, version: str, files: Sequence[Path]) -> Path:
    """Write the record of a release; equal files have the same record."""
    path = find_record(root, version)
    lines = [
        f"# {file.stat().st_size} bytes\n{hash_file(file)}  {file.name}\n"
        for file in sorted(files, key=lambda file: file.name)
    ]
    with translate_os_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines))
    return path


def load_record(root: Path, version: str) -> Record | None:
    """Return the record of a release; None if it has none. Raises ReleaseError for a file of another form."""
    path = find_record(root, version)
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8", errors="replace")
    entries = _ENTRY.findall(text)
    if not entries or _ENTRY.sub("", text):
        raise ReleaseError(
            f"{path} is not the record of a release",
            hint="`git log` shows who changed it; `everywheel release record` writes a new one before a release is tagged",
        )
    files = {name: ReleasedFile(sha256=sha256, size=int(size)) for size, sha256, name in entries}
    return Record(version=version, path=path, files=files)


def find_last_record(root: Path, version: str) -> Record | None:
    """Return the record of a version, or else of the newest one before it; None if there is none."""
    versions = []
    for path in (root / FOLDER).glob(f"*/{SUMS}"):
        try:
            released = Version(path.parent.name)
        except InvalidVersion:
            continue
        if released <= Version(version):
            versions.append((released, path.parent.name))
    return load_record(root, max(versions)[1]) if versions else None


def check_record(files: Sequence[Path], record: Record) -> None:
    """Raise ReleaseError when a file has another hash than its release has recorded, or is not in the record."""
    lines = []
    for file in files:
        recorded, sha256 = record.files.get(file.name), hash_file(file)
        if recorded is None or recorded.sha256 != sha256:
            lines.append(f"{file.name}: sha256 {sha256}, {recorded.sha256 if recorded else 'none'} in the record")
    if lines:
        raise ReleaseError(
            f"{count_noun(len(lines), 'file differs', 'files differ')} from the record of release {record.version}",
            details={"record": record.path},
            excerpt=lines,
            hint="the release was recorded on another machine: `everywheel rebuild` finds what differs",
        )
