"""One limit of jobs for the whole machine, shared with every ninja through GNU make's jobserver protocol.

The pool is a named pipe that holds one byte for each job (GNU make manual, "POSIX Jobserver Interaction"). A step takes
one byte before it starts; ninja takes further ones while it has more to do and puts each back when an edge ends.
"""

from __future__ import annotations

import os
import select
from pathlib import Path
from types import TracebackType


class JobPool:
    """A jobserver with `jobs` tokens; `environment` goes to whatever may use more than one."""

    def __init__(self, path: Path, jobs: int) -> None:
        self.jobs = jobs
        self.path = path

    def __enter__(self) -> JobPool:
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        os.write(self._fd, b"+" * self.jobs)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)
        self.path.unlink(missing_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        return {"MAKEFLAGS": f"-j{self.jobs} --jobserver-auth=fifo:{self.path}"}

    def take(self, timeout: float) -> bool:
        """Take one token; return False when none came free within `timeout` seconds."""
        ready, _, _ = select.select([self._fd], [], [], timeout)
        if not ready:
            return False
        try:
            return len(os.read(self._fd, 1)) == 1
        except BlockingIOError:  # a ninja was quicker
            return False

    def give(self) -> None:
        """Put one token back."""
        os.write(self._fd, b"+")
