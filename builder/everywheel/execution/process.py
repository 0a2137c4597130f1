"""Running one command well: logged with its quoted line, its output kept, its failure told with the telling lines."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from everywheel.errors import BuildError, MachineError

_TELLING = re.compile(r"(\berror\b|\bERROR\b|FAILED|undefined symbol|not found|No such file|CMake Error)", re.I)
_EXCERPT_LINES = 12


class Interrupted(Exception):
    """The run was called off while a command was under way."""


class Processes:
    """How to end what is now running, so that Ctrl-C ends every command and container with everything that it started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[Callable[[], None]] = set()
        self.stopped = False

    @contextlib.contextmanager
    def on_stop(self, end: Callable[[], None]) -> Iterator[None]:
        """Have `end` called when everything is stopped while the body runs."""
        with self._lock:
            self._running.add(end)
            if self.stopped:
                end()
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(end)

    def stop(self) -> None:
        """End all that runs; what begins later is ended as it starts."""
        with self._lock:
            self.stopped = True
            for end in self._running:
                end()


PROCESSES = Processes()


def _kill_group(process: subprocess.Popen[str]) -> None:
    """End a process with all that it started: its session, or on Windows, which has none, its descendants."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    what: str,
    hint: str | None = None,
) -> str:
    """Run a command to its end and return what it printed (both streams, in order); the log gets it as well.

    `what` names the step in the error: `libvips 8.16.1 for musllinux_1_2_aarch64: configure`.
    Raises BuildError when the command exits with anything but 0, MachineError when it cannot be started, and Interrupted
    when the run was called off.
    """
    words = [str(word) for word in command]
    line = shlex.join(words)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as out:
        out.write(f"$ cd {shlex.quote(str(cwd))} && {line}\n")
        out.flush()
        start = out.tell()
        try:
            process = subprocess.Popen(
                words,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        except OSError as error:
            raise MachineError(f"{what}: cannot start {words[0]}", details={"reason": error.strerror}) from None
        with PROCESSES.on_stop(lambda: _kill_group(process)):
            code = process.wait()
    if PROCESSES.stopped:
        raise Interrupted
    with log.open(encoding="utf-8", errors="replace") as lines:
        lines.seek(start)
        output = lines.read()
    if code != 0:
        raise BuildError(
            f"{what} failed (exit {code})",
            details={"command": _shorten(line)},
            excerpt=excerpt(output),
            log=log,
            hint=hint,
        )
    return output


def excerpt(output: str) -> list[str]:
    """Return the lines that say what went wrong, with what stands right after them; else the last lines."""
    lines = [line for line in output.splitlines() if line.strip()]
    telling = [i for i, line in enumerate(lines) if _TELLING.search(line)]
    if not telling:
        return lines[-_EXCERPT_LINES:]
    first = telling[0]
    return lines[first : first + _EXCERPT_LINES]


def _shorten(line: str, limit: int = 200) -> str:
    return line if len(line) <= limit else f"{line[:limit]} …"
