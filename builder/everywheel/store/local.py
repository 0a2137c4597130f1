"""The store: sources, artifacts and wheels under the hashes that identify them.

Layout: `sources/<sha256>`, `artifacts/<key>.tar.gz` and `artifacts/<key>.json`, `wheels/<key>/`, `tools/`, `zig/` (the cache
of the compiler), `work/` (workspaces), `logs/`, `locks/`, `tmp/`. Files are written in `tmp/` and renamed. The record of an
artifact (.json) is renamed last, and an artifact without a record is ignored, so a killed process leaves no incomplete
entry.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock

from everywheel.errors import MachineError
from everywheel.execution.cancellation import until_canceled
from everywheel.execution.files import flush_file, hash_file, translate_os_errors

FIXED_TIME = 1577836800  # 2020-01-01, the time stamp of every packed file


def default_store() -> Path:
    """Return $EVERYWHEEL_STORE, or `everywheel` in the user's cache directory."""
    configured = os.environ.get("EVERYWHEEL_STORE")
    return Path(configured).absolute() if configured else platformdirs.user_cache_path("everywheel", appauthor=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEntry:
    """One artifact or wheel in the store.

    `file` is its path relative to the store, `size` is in bytes, `created` and `used` are in seconds since 1970.
    """

    key: str
    kind: str
    name: str
    version: str
    target: str
    file: str
    sha256: str
    size: int
    created: float
    used: float = 0.0


class Store:
    """A store directory, which any number of processes may use at the same time.

    It is created if it does not exist; MachineError is raised when that is impossible. Methods that write raise it when
    the disk is full or not writable.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            with translate_os_errors(root):
                for name in ("sources", "artifacts", "wheels", "tools", "zig", "work", "logs", "locks", "tmp"):
                    (root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MachineError(
                f"cannot create the store {root}",
                details={"reason": (error.strerror or str(error)).lower(), "path": error.filename},
                hint="set EVERYWHEEL_STORE to a directory",
            ) from error

    def lock(self, key: str) -> FileLock:
        """Return the lock to hold while building `key`; the operating system releases it when the process ends."""
        return FileLock(self.root / "locks" / key)

    def find(self, key: str) -> StoreEntry | None:
        """Return the entry of a finished artifact or wheel, or None."""
        try:
            entry = StoreEntry(**json.loads((self.root / "artifacts" / f"{key}.json").read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return entry if self.path(entry).exists() else None

    def path(self, entry: StoreEntry) -> Path:
        """Return the path of the artifact or wheel of an entry."""
        return self.root / entry.file

    def touch(self, key: str) -> None:
        """Record the current time as the last use of an entry; `everywheel store gc` keeps recently used entries."""
        with contextlib.suppress(OSError):
            os.utime(self.root / "artifacts" / f"{key}.json")

    def put_tree(self, key: str, tree: Path, *, name: str, version: str, target: str) -> StoreEntry:
        """Pack a directory as the artifact `key`: entries sorted, owners, times and modes normalized."""
        with translate_os_errors(self.root), self._temporary() as temporary:
            pack_tree(tree, temporary, level=1)
            file = f"artifacts/{key}.tar.gz"
            return self._put(
                temporary,
                _describe(temporary, key=key, kind="artifact", name=name, version=version, target=target, file=file),
            )

    def put_wheel(self, key: str, wheel: Path, *, name: str, version: str, target: str) -> StoreEntry:
        """Copy a finished wheel into the store under its key."""
        with translate_os_errors(self.root), self._temporary() as temporary:
            shutil.copyfile(wheel, temporary)
            file = f"wheels/{key}/{wheel.name}"
            return self._put(
                temporary,
                _describe(temporary, key=key, kind="wheel", name=name, version=version, target=target, file=file),
            )

    def _put(self, file: Path, entry: StoreEntry) -> StoreEntry:
        final = self.path(entry)
        final.parent.mkdir(parents=True, exist_ok=True)
        _replace_durably(file, final)
        with self._temporary() as record:
            record.write_text(json.dumps(asdict(entry), indent=1))
            _replace_durably(record, self.root / "artifacts" / f"{entry.key}.json")
        return entry

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[Path]:
        handle, name = tempfile.mkstemp(dir=self.root / "tmp")
        os.close(handle)
        path = Path(name)
        path.chmod(0o644)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def unpack(self, key: str, into: Path) -> None:
        """Unpack an artifact into a directory, after checking its sha256.

        Raises MachineError for an artifact that is missing or damaged; a damaged one is removed, so that the next run builds
        it again.
        """
        entry = self.find(key)
        if entry is None:
            raise MachineError(f"artifact {key[:12]} is not in the store", hint="run the build again")
        path = self.path(entry)
        if hash_file(path) != entry.sha256:
            self.remove(entry)
            raise MachineError(
                f"artifact {entry.name} for {entry.target} in the store is damaged",
                details={"file": path},
                hint="it was removed; run the build again",
            )
        with translate_os_errors(into), tarfile.open(path) as archive:
            archive.extractall(into, until_canceled(archive))  # written by `put_tree`; its hash was checked above
        self.touch(key)

    def entries(self) -> list[StoreEntry]:
        """Return all finished artifacts and wheels, sorted by kind, name and target."""
        records = [(self.find(path.stem), path.stat().st_mtime) for path in (self.root / "artifacts").glob("*.json")]
        entries = [StoreEntry(**{**asdict(entry), "used": used}) for entry, used in records if entry is not None]
        return sorted(entries, key=lambda entry: (entry.kind, entry.name, entry.target, entry.created))

    def verify(self) -> list[StoreEntry]:
        """Return the entries whose bytes differ from those that were stored."""
        return [entry for entry in self.entries() if hash_file(self.path(entry)) != entry.sha256]

    def verify_sources(self) -> list[Path]:
        """Return the sources whose bytes do not have the hash in their file name."""
        return [path for path in sorted((self.root / "sources").iterdir()) if hash_file(path) != path.name]

    def remove(self, entry: StoreEntry) -> None:
        """Remove an entry; its record is removed first, since a file without a record is ignored."""
        (self.root / "artifacts" / f"{entry.key}.json").unlink(missing_ok=True)
        self.path(entry).unlink(missing_ok=True)


def _describe(content: Path, *, key: str, kind: str, name: str, version: str, target: str, file: str) -> StoreEntry:
    return StoreEntry(
        key=key,
        kind=kind,
        name=name,
        version=version,
        target=target,
        file=file,
        sha256=hash_file(content),
        size=content.stat().st_size,
        created=time.time(),
    )


def _replace_durably(file: Path, final: Path) -> None:
    flush_file(file)
    file.replace(final)


def pack_tree(tree: Path, archive: Path, *, level: int) -> None:
    """Pack a directory into a .tar.gz whose bytes depend only on names, executable bits and contents."""
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=level, mtime=0, filename="") as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as out,
    ):
        for path in until_canceled(sorted(tree.rglob("*"), key=lambda path: path.relative_to(tree).parts)):
            info = out.gettarinfo(path, arcname=path.relative_to(tree).as_posix())
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            info.mtime = FIXED_TIME
            info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
            if info.isreg():
                with path.open("rb") as file:
                    out.addfile(info, file)
            else:
                out.addfile(info)


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """Entries and directories that `gc` removes, and their total size in bytes."""

    entries: tuple[StoreEntry, ...]
    folders: tuple[Path, ...]
    size: int


def find_garbage(store: Store, *, keep: Mapping[str, object] | set[str], older_than: float) -> Garbage:
    """Return the entries whose keys are not in `keep` and that were not used for `older_than` seconds.

    The result also contains workspaces and temporary files of killed runs, if they are at least one hour old.
    """
    now = time.time()
    entries = tuple(e for e in store.entries() if e.key not in keep and now - e.used >= older_than)
    leftovers = [path for name in ("work", "tmp") for path in (store.root / name).iterdir()]
    folders = tuple(path for path in leftovers if now - path.stat().st_mtime >= max(older_than, 3600))
    size = sum(e.size for e in entries) + sum(_size(path) for path in folders)
    return Garbage(entries=entries, folders=folders, size=size)


def remove_garbage(store: Store, garbage: Garbage) -> None:
    """Remove garbage, after waiting for processes that are building one of the entries."""
    for entry in garbage.entries:
        with store.lock(entry.key):
            store.remove(entry)
    for path in garbage.folders:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    if path.is_dir() and not path.is_symlink():
        return sum(p.lstat().st_size for p in path.rglob("*") if not p.is_dir())
    return path.lstat().st_size
