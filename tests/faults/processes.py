"""Builders as real processes on a real terminal, and everything that they start: for tests that interrupt or kill them.

Linux only: process tables are read from /proc (proc(5)), and orphans are adopted with prctl(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
# A session leader without a terminal gets the first one that it opens as its controlling terminal, in the foreground.
_TAKE_TERMINAL = "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); os.execvp(sys.argv[1], sys.argv[1:])"
_SHOW_CURSOR, _HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"
_SEQUENCE = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")  # moves the cursor, or changes colors (ECMA-48, CSI)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A living process: its parent and its command line."""

    pid: int
    parent: int
    command: str


def list_processes() -> dict[int, Process]:
    """Return all processes that have not ended, by their id; zombies have ended."""
    processes = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent, *_ = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if state not in "ZX":
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                processes[int(entry.name)] = Process(pid=int(entry.name), parent=int(parent), command=command)
    return processes


def list_descendants(pid: int) -> dict[int, Process]:
    """Return the living descendants of a process, by their id."""
    processes, descendants, generation = list_processes(), {}, {pid}
    while generation:
        children = [process for process in processes.values() if process.parent in generation]
        generation = {process.pid for process in children} - descendants.keys()
        descendants |= {child: processes[child] for child in generation}
    return descendants


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> bool:
    """Return whether a condition becomes true within some seconds; it is checked every hundredth of a second."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@contextlib.contextmanager
def adopt_orphans() -> Iterator[Callable[[], list[str]]]:
    """Make this process the parent of all orphans of its descendants; yield a function that lists what was left running.

    The function returns the command lines of all descendants that did not exist when the context was entered. These are
    killed at its end, so that a failed test leaves nothing.
    """
    before = list_descendants(os.getpid()).keys()
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def list_left() -> list[str]:
        descendants = list_descendants(os.getpid())
        return [descendants[pid].command for pid in sorted(descendants.keys() - before)]

    try:
        yield list_left
    finally:
        for pid in list_descendants(os.getpid()).keys() - before:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


class TerminalBuilder:
    """`everywheel` in the foreground of a terminal of its own; `output` is everything that it has written so far."""

    def __init__(self, args: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        self._terminal, slave = pty.openpty()
        termios.tcsetwinsize(self._terminal, (50, 132))
        self.attributes_before = self.attributes
        self.output = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, sys.executable, "-m", "everywheel", *args],
            cwd=cwd,
            env={**env, "TERM": "xterm"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    @property
    def attributes(self) -> list[Any]:
        """The attributes of the terminal, such as echo and line mode (termios(3))."""
        return termios.tcgetattr(self._terminal)

    @property
    def is_cursor_visible(self) -> bool:
        return self.output.rfind(_SHOW_CURSOR) >= self.output.rfind(_HIDE_CURSOR)

    @property
    def last_line(self) -> str:
        """The last line of the output, without the echo of `type` and what moves the cursor or changes colors."""
        text = _SEQUENCE.sub("", self.output).replace("^C", "").replace("^\\", "")
        return text.rstrip().splitlines()[-1].strip() if text.strip() else ""

    def read(self) -> str:
        """Read what was written since the last call, and return all output."""
        with contextlib.suppress(OSError):  # EIO: no process has the terminal open
            while self._terminal >= 0 and select.select([self._terminal], [], [], 0)[0]:
                self.output += os.read(self._terminal, 65536).decode(errors="replace")
        return self.output

    def wait_for_output(self, text: str, seconds: float = 30.0) -> None:
        assert wait_until(lambda: text in self.read(), seconds), self.output

    def wait_for_command(self, pattern: str, seconds: float = 30.0) -> None:
        """Wait until a descendant runs in whose command line a regular expression matches."""

        def is_running() -> bool:
            self.read()
            return any(re.search(pattern, process.command) for process in list_descendants(self.process.pid).values())

        assert wait_until(is_running, seconds), self.output

    def type(self, text: str) -> None:
        """Type on the terminal; `\\x03` is Ctrl-C and `\\x1c` Ctrl-\\, which sends SIGQUIT."""
        os.write(self._terminal, text.encode())

    def close_terminal(self) -> None:
        """Close the terminal, as its window does; the system sends SIGHUP."""
        os.close(self._terminal)
        self._terminal = -1

    def has_ended(self) -> bool:
        """Return whether the builder has ended, after reading its output."""
        ended = self.process.poll() is not None
        self.read()
        return ended

    def wait(self, seconds: float = 30.0) -> int:
        """Return the exit code of the builder once it has ended, reading its output meanwhile."""
        assert wait_until(self.has_ended, seconds), self.output
        return self.process.wait()

    def __enter__(self) -> TerminalBuilder:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._terminal >= 0:
            os.close(self._terminal)
