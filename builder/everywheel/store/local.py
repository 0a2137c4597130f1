"""The store: sources, artifacts and wheels under the hashes that identify them.

Layout: `sources/<sha256>`, `artifacts/<key>.tar.gz` and `artifacts/<key>.json`, `wheels/<key>/`, `tools/`, `zig/` (the cache
of the compiler), `work/` (workspaces), `logs/<project>/`, `locks/`, `leases/`, `tmp/`. Files are written in `tmp/` and
renamed. The record of an entry (.json) is renamed last, and an artifact without a record is ignored, so a killed process
leaves no incomplete entry.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import stat
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

from filelock import FileLock

from everywheel.archives.refusal import ArchiveError
from everywheel.errors import MachineError
from everywheel.execution.cancellation import until_canceled
from everywheel.execution.files import (
    flush_file,
    hash_file,
    hash_stream,
    is_directory,
    remove_path,
    translate_os_errors,
)
from everywheel.store.entry import EntryKind, InvalidRecord, StoreEntry, entry_file, format_record, is_hash, read_record
from everywheel.store.layout import check_root, create_folders, find_cache_directory, list_names
from everywheel.store.lease import hold_if_free, make_lock, open_lease
from everywheel.store.unpacking import unpack_over

FIXED_TIME = 1577836800  # 2020-01-01, the time stamp of every packed file


def default_store() -> Path:
    """Return $EVERYWHEEL_STORE, or `everywheel` in the user's cache directory; raise MachineError without either."""
    configured = os.environ.get("EVERYWHEEL_STORE")
    return Path(configured).absolute() if configured else find_cache_directory()


class Store:
    """A store directory, which any number of processes may use at the same time.

    It is created if it does not exist; MachineError is raised when that is impossible, or when one of its directories
    is a file or a link. With `create=False` the store is only read, in any state. Methods that write raise
    MachineError when the disk is full or not writable.
    """

    def __init__(self, root: Path, *, create: bool = True) -> None:
        self.root = root
        check_root(root)
        if create:
            create_folders(root)

    def lease(self) -> contextlib.AbstractContextManager[None]:
        """Return a context manager that keeps `everywheel store gc` from removing what is used in its body."""
        return open_lease(self.root)

    def lock(self, key: str) -> FileLock:
        """Return the lock to hold while building `key`; the operating system releases it when the process ends."""
        return make_lock(self.root / "locks" / key)

    def record(self, key: str) -> Path:
        """Return the path of the record of an entry."""
        return self.root / "artifacts" / f"{key}.json"

    def find(self, key: str) -> StoreEntry | None:
        """Return the entry of a finished artifact or wheel, or None; its content is not compared with its hash."""
        try:
            entry = read_record(f"{self.root}/artifacts/{key}.json")
            return entry if os.access(self._check_file(entry), os.R_OK) else None
        except (FileNotFoundError, InvalidRecord):
            return None

    def find_defect(self, key: str) -> str | None:
        """Return why the entry of a key is damaged, or None if it is intact or missing; its content is read completely."""
        try:
            entry = read_record(self.record(key))
        except FileNotFoundError:
            return None
        except InvalidRecord as reason:
            return str(reason)
        try:
            with self._open(entry) as file:
                return None if hash_stream(file) == entry.sha256 else "the content has another sha256"
        except InvalidRecord as reason:
            return str(reason)
        except OSError as error:
            return f"the file cannot be read: {(error.strerror or 'it is missing').lower()}"

    def drop_damaged(self, key: str) -> bool:
        """Return whether the entry of a key is damaged; it is removed then, unless a process is building it again.

        Raises MachineError when it cannot be removed.
        """
        if self.find_defect(key) is None:
            return False
        with translate_os_errors(self.root), hold_if_free(self.root / "locks" / key) as is_free:
            if is_free and self.find_defect(key) is not None:
                self.remove(key)
        return True

    def path(self, entry: StoreEntry) -> Path:
        """Return the path of the artifact or wheel of an entry."""
        return self.root / entry.file

    @contextlib.contextmanager
    def _open(self, entry: StoreEntry) -> Iterator[IO[bytes]]:
        """Open the artifact or wheel of an entry.

        Raises FileNotFoundError, and InvalidRecord when it is not a regular file of the recorded size, or cannot be read.
        """
        try:
            path = Path(self._check_file(entry))
            file = path.open("rb")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise InvalidRecord(f"the file cannot be read: {(error.strerror or str(error)).lower()}") from None
        with file:
            yield file

    def _check_file(self, entry: StoreEntry) -> str:
        """Return the path of the artifact or wheel of an entry; raise errors as `_open` does."""
        path = f"{self.root}/{entry.file}"
        try:
            status, parent = os.lstat(path), os.lstat(path.rpartition("/")[0])
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(path) from None
        except OSError as error:
            raise InvalidRecord(f"the file cannot be read: {(error.strerror or str(error)).lower()}") from None
        is_own = stat.S_ISREG(status.st_mode) and stat.S_ISDIR(parent.st_mode)
        if not is_own or status.st_size != entry.size:
            raise InvalidRecord("the file is not a regular one of the recorded size")
        return path

    def touch(self, key: str) -> None:
        """Record the current time as the last use of an entry; `everywheel store gc` keeps recently used entries."""
        with contextlib.suppress(OSError):
            os.utime(self.record(key))

    def put_tree(self, key: str, tree: Path, *, name: str, version: str, target: str) -> StoreEntry:
        """Pack a directory as the artifact `key`: entries sorted, owners, times and modes normalized."""
        with translate_os_errors(self.root), self.open_temporary() as temporary:
            pack_tree(tree, temporary, level=1)
            return self.put(temporary, _describe(temporary, EntryKind.ARTIFACT, "", key, name, version, target))

    def put_wheel(
        self, key: str, wheel: Path, *, name: str, version: str, target: str, resolution: str = ""
    ) -> StoreEntry:
        """Copy a finished wheel into the store under its key; `resolution` is that of its record."""
        with translate_os_errors(self.root), self.open_temporary() as temporary:
            shutil.copyfile(wheel, temporary)
            entry = _describe(temporary, EntryKind.WHEEL, wheel.name, key, name, version, target)
            return self.put(temporary, replace(entry, resolution=resolution))

    def put(self, file: Path, entry: StoreEntry) -> StoreEntry:
        """Move a finished file, which has the size and the sha256 of its entry, into the store, and write its record."""
        final = self.path(entry)
        if not is_directory(final.parent):
            remove_path(final.parent)
            final.parent.mkdir()
        _replace_durably(file, final)
        with self.open_temporary() as record:
            record.write_text(format_record(entry), encoding="utf-8")
            _replace_durably(record, self.record(entry.key))
        return entry

    @contextlib.contextmanager
    def open_temporary(self) -> Iterator[Path]:
        """Yield the path of a new file in `tmp/`, which is removed at the end unless it was moved."""
        handle, name = tempfile.mkstemp(dir=self.root / "tmp")
        os.close(handle)
        path = Path(name)
        path.chmod(0o644)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def unpack(self, key: str, into: Path, *, replace: bool = True) -> None:
        """Unpack an artifact into a directory, after checking its sha256.

        Raises MachineError for an artifact that is missing or damaged; a damaged one is removed, so that the next run builds
        it again. Raises FileConflict if `replace` is false and the directory has a file of the artifact with other content.
        """
        entry = self.find(key)
        if entry is None:
            raise MachineError(f"artifact {key[:12]} is not in the store", hint="run the build again")
        with self.open_intact(entry), translate_os_errors(into):
            try:
                unpack_over(self.path(entry), into, replace=replace)
            except ArchiveError as reason:
                raise self._report_damage(entry, reason=str(reason)) from None
        self.touch(key)

    @contextlib.contextmanager
    def open_intact(self, entry: StoreEntry) -> Iterator[IO[bytes]]:
        """Open the artifact or wheel of an entry, after comparing its content with its sha256.

        Raises MachineError for a damaged one, which is removed, so that the next run builds it again.
        """
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(self._open(entry))
                is_intact = hash_stream(file) == entry.sha256
            except (OSError, InvalidRecord):
                is_intact = False
            if is_intact:
                file.seek(0)
                yield file
                return
        raise self._report_damage(entry)

    def _report_damage(self, entry: StoreEntry, **details: str) -> MachineError:
        """Remove a damaged entry, unless a process is building it again, and return the error for it."""
        with translate_os_errors(self.root), hold_if_free(self.root / "locks" / entry.key) as is_free:
            if is_free:
                self.remove(entry.key)
        return MachineError(
            f"{entry.label} in the store is damaged",
            details={"file": self.path(entry), **details},
            hint="it was removed; run the build again",
        )

    def entries(self) -> list[StoreEntry]:
        """Return all finished artifacts and wheels, sorted by kind, name and target."""
        entries = [entry for entry in map(self.find, self.list_keys()) if entry is not None]
        return sorted(entries, key=lambda entry: (entry.kind, entry.name, entry.target, entry.created))

    def list_keys(self) -> list[str]:
        """Return the keys of all records, including damaged ones; files with other names are not records."""
        names = list_names(self.root / "artifacts")
        return [name[:64] for name in names if name[64:] == ".json" and is_hash(name[:64])]

    def remove(self, key: str) -> None:
        """Remove the entry of a key; its record is removed first, since a file without a record is ignored."""
        remove_path(self.record(key))
        remove_path(self.root / entry_file(key, EntryKind.ARTIFACT))
        remove_path(self.root / "wheels" / key)


def _describe(
    content: Path, kind: EntryKind, filename: str, key: str, name: str, version: str, target: str
) -> StoreEntry:
    return StoreEntry(
        key=key,
        kind=kind,
        name=name,
        version=version,
        target=target,
        file=entry_file(key, kind, filename),
        sha256=hash_file(content),
        size=content.stat().st_size,
        created=time.time(),
    )


def _replace_durably(file: Path, final: Path) -> None:
    flush_file(file)
    if is_directory(final):
        remove_path(final)
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
