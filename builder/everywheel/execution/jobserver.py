"""One limit of jobs for all steps and their commands, by the jobserver protocol of GNU make.

The pool contains one token for each job. A token is acquired for a step before it starts. While the step runs, ninja and
make acquire additional tokens for parallel commands, and release each token when its command ends.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from everywheel.execution.processors import count_processors
from everywheel.execution.temporary_files import list_temporary_directories, open_temporary_directory

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    class _Tokens:
        """A named semaphore (GNU make manual, "Windows Jobserver Interaction")."""

        def __init__(self, path: Path, jobs: int) -> None:
            self.address = f"{path.parent.name}-{path.name}"  # a name must not contain a backslash
            self._kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            self._kernel.CreateSemaphoreW.restype = wintypes.HANDLE
            handle = self._kernel.CreateSemaphoreW(None, jobs, jobs, self.address)
            if not handle:
                raise ctypes.WinError(ctypes.get_last_error())
            self._handle = wintypes.HANDLE(handle)

        def close(self) -> None:
            self._kernel.CloseHandle(self._handle)

        def acquire(self, timeout: float) -> bool:
            return int(self._kernel.WaitForSingleObject(self._handle, int(timeout * 1000))) == 0

        def release(self) -> None:
            self._kernel.ReleaseSemaphore(self._handle, 1, None)

else:
    import select

    class _Tokens:
        """A named pipe with a byte for each token (GNU make manual, "POSIX Jobserver Interaction")."""

        def __init__(self, path: Path, jobs: int) -> None:
            self.address = f"fifo:{path}"
            self._path = path
            os.mkfifo(path)
            self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
            os.write(self._fd, b"+" * jobs)

        def close(self) -> None:
            os.close(self._fd)
            self._path.unlink(missing_ok=True)

        def acquire(self, timeout: float) -> bool:
            ready, _, _ = select.select([self._fd], [], [], timeout)
            if not ready:
                return False
            try:
                return len(os.read(self._fd, 1)) == 1
            except BlockingIOError:  # another process has read it in the meantime
                return False

        def release(self) -> None:
            os.write(self._fd, b"+")


_PIPE = "jobs"


class JobPool:
    """A jobserver with `jobs` tokens; the variables in `environment` connect ninja and make to it."""

    def __init__(self, path: Path, jobs: int) -> None:
        self.jobs = jobs
        self.path = path

    def __enter__(self) -> JobPool:
        self._tokens = _Tokens(self.path, self.jobs)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tokens.close()

    @property
    def environment(self) -> dict[str, str]:
        return {"MAKEFLAGS": f"-j{self.jobs} --jobserver-auth={self._tokens.address}"}

    def acquire(self, timeout: float) -> bool:
        """Acquire one token; return False if none becomes available within `timeout` seconds."""
        return self._tokens.acquire(timeout)

    def release(self) -> None:
        """Release one token."""
        self._tokens.release()


@contextlib.contextmanager
def open_job_pool(jobs: int, shared: JobPool | None = None) -> Iterator[JobPool]:
    """Return a context manager that opens a pool, whose named pipe is in a temporary directory, or returns a shared one."""
    if shared is not None:
        yield shared
        return
    with open_temporary_directory() as folder, JobPool(folder / _PIPE, jobs) as pool:
        yield pool


def find_abandoned_pools() -> list[Path]:
    """Return the directories of pools whose processes were killed: of this user, with a named pipe that no process reads."""
    return [folder for folder in list_temporary_directories() if _is_abandoned(folder / _PIPE)]


def _is_abandoned(pipe: Path) -> bool:
    if sys.platform == "win32":
        return False
    try:
        status = pipe.lstat()
        if not stat.S_ISFIFO(status.st_mode) or status.st_uid != os.geteuid() or pipe.parent.is_symlink():
            return False
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        return error.errno == errno.ENXIO  # the pool itself keeps its pipe open for reading
    return False


def default_jobs() -> int:
    """Return $EVERYWHEEL_JOBS, else the number of processors that this process may use."""
    value = os.environ.get("EVERYWHEEL_JOBS", "")
    if value.isdecimal() and int(value) > 0:
        return int(value)
    return count_processors()
