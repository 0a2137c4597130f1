"""The console of tables and of progress: rich's, except for a pipe whose reader has ended."""

from __future__ import annotations

import errno
import os

from rich.console import Console


class StreamConsole(Console):
    """A console that raises BrokenPipeError as a stream does; rich ends the program with exit code 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
