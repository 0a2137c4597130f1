"""Commands as children: starting one, waiting for it, and ending it with everything that it started.

On POSIX systems the `supervisor` starts them, so that they end with this process however it ends. On Windows they are started
directly, and a killed builder leaves them running.
"""

from __future__ import annotations

import contextlib
import functools
import marshal
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from everywheel.errors import MachineError
from everywheel.execution import supervisor
from everywheel.execution.processor_time import add_command_time

_KILL_TIMEOUT = 1.0  # seconds to wait for processes that are killed; those that wait for a disk may take longer
_STOP_TIMEOUT = 0.5  # seconds to wait for a supervisor at the end; it ends its commands without this process, too


class Child(Protocol):
    """A started command; as a context manager it ends the command and everything that it started."""

    def __enter__(self) -> Child: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def wait(self, timeout: float) -> int | None:
        """Return the exit code, negative for the number of a signal; None if the command still runs after `timeout` s."""

    def kill(self) -> None:
        """Kill the command and everything that it started, without waiting for their end."""


def start_child(
    args: Sequence[str],
    *,
    cwd: Path | None,
    env: Mapping[str, str] | None,
    streams: tuple[int, int, int],
    own_session: bool,
) -> Child:
    """Start a command with the file descriptors of its standard input, output and error.

    `own_session` separates it from the user's terminal. Raises OSError when it cannot be started.
    """
    if sys.platform == "win32":
        return _WindowsChild(args, cwd, env, streams)
    mode = supervisor.SESSIONS if own_session else supervisor.TERMINAL
    directory = cwd if cwd is not None and cwd.is_absolute() else Path.cwd() / (cwd or "")
    with _LOCK:
        starter = _list_supervisors().get(mode) or _list_supervisors().setdefault(mode, _Supervisor(mode))
    return starter.start(list(args), str(directory), os.environ if env is None else env, streams)


def stop_supervisors() -> None:
    """End every command of this process, and wait a short time for it; the next command starts a new supervisor."""
    with _LOCK:
        for starter in _list_supervisors().values():
            starter.stop()
        _list_supervisors().clear()


_LOCK = threading.Lock()  # two threads must not start a supervisor each


@functools.cache
def _list_supervisors() -> dict[str, _Supervisor]:
    """Return the supervisors of this process by their mode; each is started with its first command."""
    return {}


class _Supervisor:
    """The process that starts commands; this process holds the other end of its socket until it ends."""

    def __init__(self, mode: str) -> None:
        self._control, other = socket.socketpair()
        self._lock = threading.Lock()
        with other:
            # Outside of this process group, which may be killed as a whole, except where commands need the terminal.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", supervisor.__file__, str(other.fileno()), mode],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
                start_new_session=mode == supervisor.SESSIONS,
            )

    def start(
        self, args: list[str], directory: str, environment: Mapping[str, str], streams: tuple[int, int, int]
    ) -> Child:
        encoded = (
            [os.fsencode(arg) for arg in args],
            os.fsencode(directory),
            {os.fsencode(name): os.fsencode(value) for name, value in environment.items()},
        )
        request = marshal.dumps(encoded)
        connection, other = socket.socketpair()
        try:
            with other, self._lock:
                socket.send_fds(self._control, [b"\0"], [other.fileno(), *streams])
            connection.sendall(supervisor.REQUEST.pack(len(request)) + request)
            kind, code, _ = _receive_reply(connection)
            if kind != supervisor.STARTED:
                path = directory if kind == supervisor.NO_DIRECTORY else args[0]
                raise OSError(code, os.strerror(code), path)
        except BaseException as error:
            connection.close()
            if isinstance(error, BrokenPipeError | ConnectionResetError):
                raise _report_lost() from None
            raise
        return _SupervisedChild(connection)

    def stop(self) -> None:
        self._control.close()
        if sys.platform != "win32":
            self._process.send_signal(signal.SIGCONT)  # one that was stopped would leave its commands running
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_TIMEOUT)


class _SupervisedChild:
    """A command that the supervisor started; closing the connection ends the command."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.kill()
            with contextlib.suppress(MachineError):
                self.wait(_KILL_TIMEOUT)
        self._connection.close()

    def wait(self, timeout: float) -> int | None:
        self._connection.settimeout(timeout)
        try:
            _, exit_code, seconds = _receive_reply(self._connection)
        except TimeoutError:
            return None
        add_command_time(seconds)
        return exit_code

    def kill(self) -> None:
        with contextlib.suppress(OSError):  # it has ended
            self._connection.send(b"\0")


def _receive_reply(connection: socket.socket) -> tuple[bytes, int, float]:
    """Return the kind, the code and the processor time of the supervisor's next reply."""
    reply = connection.recv(supervisor.REPLY.size)
    if not reply:
        raise _report_lost()
    kind, code, seconds = supervisor.REPLY.unpack(reply)
    return kind, code, seconds


def _report_lost() -> MachineError:
    return MachineError(
        "the process that starts commands was killed",
        hint="run the command again; if it happens often, check the memory of this machine (`dmesg`)",
    )


class _WindowsChild:
    """A command that was started directly."""

    def __init__(
        self, args: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None, streams: tuple[int, int, int]
    ) -> None:
        stdin, stdout, stderr = streams
        environment = None if env is None else dict(env)
        self._process = subprocess.Popen(args, cwd=cwd, env=environment, stdin=stdin, stdout=stdout, stderr=stderr)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.kill()
            self._process.wait()

    def wait(self, timeout: float) -> int | None:
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(self._process.pid)], capture_output=True, check=False)
