"""A remote store in a bucket of S3 or Google Cloud Storage, through fsspec.

Credentials, regions and endpoints are those of these services' own tools: environment variables such as AWS_ACCESS_KEY_ID and
AWS_ENDPOINT_URL, and files such as ~/.aws/config.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from everywheel.errors import MachineError
from everywheel.execution.cancellation import check_cancellation
from everywheel.execution.files import translate_os_errors
from everywheel.remote.address import RemoteAddress, RemoteKind
from everywheel.remote.protocol import RemoteFile
from everywheel.sources.deadline import Deadline, DeadlineExceeded
from everywheel.sources.progress import OnBytes
from everywheel.sources.request import Missing, Unavailable, Unreachable, WrongSize
from everywheel.sources.url import Limits

_CHUNK = 8 << 20  # bytes; the parts of a larger upload are sent at the same time
_LONGEST_REASON = 200
# Nothing is answered from a cache, and no other part of the process shares the instance.
_OPTIONS = {"skip_instance_cache": True, "use_listings_cache": False}


class BucketRemote:
    """The files below a folder of a bucket."""

    def __init__(self, address: RemoteAddress) -> None:
        """Raise MachineError when the packages for the bucket are not installed."""
        self._root = address.location
        try:
            self._files = _open_s3() if address.kind is RemoteKind.S3 else _open_gcs()
        except ImportError as error:
            raise MachineError(
                f"the remote store {address.name} needs packages that are not installed",
                details={"missing": error.name},
                hint="install everywheel with its extra `remote`: `pip install 'everywheel[remote]'`",
            ) from None

    def get(self, path: str, file: Path, limits: Limits, on_bytes: OnBytes) -> None:
        """Download a file; a transfer that was interrupted is resumed where it stopped."""
        with _translate(), translate_os_errors(file):
            self._files.get_file(self._locate(path), str(file), callback=_make_callback(limits, on_bytes))

    def put(self, file: Path, path: str, deadline: Deadline) -> None:
        """Upload a file; it exists only when it is complete."""
        try:
            with _translate():
                self._files.put_file(str(file), self._locate(path), chunksize=_CHUNK)
        except Missing:
            raise Unavailable("the bucket does not exist") from None

    def list_files(self, folder: str, deadline: Deadline) -> Iterator[RemoteFile]:
        """Yield the files in a folder, also for one that does not exist in a bucket."""
        with _translate(), contextlib.suppress(FileNotFoundError):
            for facts in self._files.ls(self._locate(folder), detail=True):
                if facts["type"] == "file":
                    name = str(facts["name"]).rpartition("/")[2]
                    modified = facts.get("LastModified", facts.get("mtime"))
                    time = modified.timestamp() if hasattr(modified, "timestamp") else 0.0
                    yield RemoteFile(path=f"{folder}/{name}", size=int(facts["size"] or 0), modified=time)

    def remove(self, path: str, deadline: Deadline) -> None:
        """Remove a file."""
        with _translate():
            self._files.rm_file(self._locate(path))

    def _locate(self, path: str) -> str:
        return f"{self._root}/{path}"


def _open_s3() -> Any:
    from s3fs import S3FileSystem

    # s3fs repeats requests itself; botocore's own attempts would multiply with them.
    config = {"connect_timeout": 5, "read_timeout": 15, "retries": {"total_max_attempts": 1}}
    files = S3FileSystem(config_kwargs=config, default_block_size=_CHUNK, **_OPTIONS)
    files.retries = 3
    return files


def _open_gcs() -> Any:
    from gcsfs import GCSFileSystem

    files = GCSFileSystem(requests_timeout=15, **_OPTIONS)
    files.retries = 3
    return files


def _make_callback(limits: Limits, on_bytes: OnBytes) -> object:
    """Return a callback of fsspec that reports the progress, and raises WrongSize for more bytes than are accepted."""
    from fsspec.callbacks import Callback

    class Progress(Callback):  # type: ignore[misc]
        def call(self, hook_name: str | None = None, **kwargs: object) -> None:
            check_cancellation()
            limits.deadline.check()
            if max(self.value, self.size or 0) > limits.size:
                raise WrongSize(f"sends more bytes, but {limits.describe_size()}")
            on_bytes(self.value, self.size or 0)

    return Progress()


@contextlib.contextmanager
def _translate() -> Iterator[None]:
    """Raise the exceptions of the protocol for those of fsspec and of the services' clients, which are of many kinds."""
    try:
        yield
    except (Unavailable, DeadlineExceeded, MachineError):
        raise
    except FileNotFoundError:
        raise Missing("no such file") from None
    except PermissionError as error:
        raise Unavailable(f"permission denied: {_shorten(error)}") from None
    except Exception as error:
        raise Unreachable(_shorten(error)) from None


def _shorten(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = text.splitlines() or [type(error).__name__]
    return lines[0][:_LONGEST_REASON]
