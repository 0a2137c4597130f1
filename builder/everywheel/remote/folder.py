"""A remote store in a folder, such as one of a network file system."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from everywheel.execution.cancellation import check_cancellation, until_canceled
from everywheel.execution.files import translate_os_errors
from everywheel.remote.protocol import RemoteFile
from everywheel.sources.deadline import Deadline
from everywheel.sources.progress import OnBytes
from everywheel.sources.request import Missing, Unavailable, Unreachable, WrongSize
from everywheel.sources.url import Limits

_BLOCK = 1 << 18  # bytes


class FolderRemote:
    """The files in a folder. Links in it are followed: as with any remote, only what is signed is used."""

    def __init__(self, root: Path, *, must_exist: bool) -> None:
        self._root = root
        self._must_exist = must_exist

    def get(self, path: str, file: Path, limits: Limits, on_bytes: OnBytes) -> None:
        """Copy a file of the folder."""
        received = 0
        with translate_os_errors(file), file.open("wb") as copy:
            for block in self._read(path, limits):
                copy.write(block)
                received += len(block)
                on_bytes(received, 0)

    def _read(self, path: str, limits: Limits) -> Iterator[bytes]:
        received = 0
        with self._translate():
            if not (self._root / path).is_file():  # opening a FIFO would wait for its writer
                raise FileNotFoundError(path)
            with (self._root / path).open("rb") as source:
                while block := source.read(_BLOCK):
                    check_cancellation()
                    limits.deadline.check()
                    received += len(block)
                    if received > limits.size:
                        raise WrongSize(f"has more bytes, but {limits.describe_size()}")
                    yield block

    def put(self, file: Path, path: str, deadline: Deadline) -> None:
        """Copy a file into the folder, under another name until it is complete."""
        final = self._root / path
        unfinished = final.with_name(f".{final.name}.{secrets.token_hex(4)}")
        with self._translate():
            final.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(file, unfinished)
                unfinished.replace(final)
            finally:
                unfinished.unlink(missing_ok=True)

    def list_files(self, folder: str, deadline: Deadline) -> Iterator[RemoteFile]:
        """Yield the files in a folder; there are none in one that does not exist."""
        with self._translate(), contextlib.suppress(Missing):
            for path in until_canceled(sorted(self._list_names(folder))):
                deadline.check()
                with contextlib.suppress(FileNotFoundError):  # removed by another command
                    status = (self._root / path).lstat()
                    yield RemoteFile(path=path, size=status.st_size, modified=status.st_mtime)

    def _list_names(self, folder: str) -> list[str]:
        with self._translate():
            return [f"{folder}/{entry.name}" for entry in (self._root / folder).iterdir()]

    def remove(self, path: str, deadline: Deadline) -> None:
        """Remove a file of the folder."""
        with self._translate():
            (self._root / path).unlink()

    @contextlib.contextmanager
    def _translate(self) -> Iterator[None]:
        """Raise the exceptions of the protocol for an OSError of the folder."""
        try:
            yield
        except FileNotFoundError:
            if self._must_exist and not self._root.is_dir():
                raise Unreachable("no such folder") from None
            raise Missing("no such file") from None
        except OSError as error:
            raise Unavailable((error.strerror or str(error)).lower()) from None
