"""The supervisor: a small process that starts the commands of a builder and ends them when the builder ends.

`execution.child` starts it with nothing but the standard library (`python -I -S supervisor.py FD MODE`). A builder that is
killed cannot end its commands itself, and a parent-death signal (prctl(2), PR_SET_PDEATHSIG) reaches neither the children of
a command nor those of a thread that lives on. The supervisor needs no message from the builder: the system closes the
builder's end of a socket whenever the builder ends.

Protocol: FD is one end of a Unix stream socket. Each byte on it carries four file descriptors (SCM_RIGHTS): a connection, and
standard input, output and error of a command. On the connection, the builder sends the length of a request (4 bytes) and the
request: `(arguments, directory, environment)`, serialized by `marshal`. The supervisor sends a `REPLY` once the command is
started, or could not be, and another one once it has ended. A byte from the builder, or the end of the connection, kills the
command and everything that it started.

In the mode `sessions` each command is in a session of its own; everything that a command left running is killed when the
builder ends, also what left the session (Linux: PR_SET_CHILD_SUBREAPER). In the mode `terminal` commands stay in the user's
session and may leave processes there, such as an agent for keys. On systems without /proc, only process groups are killed.
"""

from __future__ import annotations

import contextlib
import errno
import marshal
import os
import selectors
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

REQUEST = struct.Struct("!I")
REPLY = struct.Struct("!cid")
"""The kind of a reply, the exit code (negative: the signal that ended the command) or the number of the system error, and the
processor time of an ended command, with that of the processes that it waited for, in seconds."""
STARTED, EXITED, NO_DIRECTORY, NO_PROGRAM = b"S", b"X", b"D", b"P"
SESSIONS, TERMINAL = "sessions", "terminal"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_KILL_TICK = 0.02  # seconds until processes that are killed are looked for again: a process may fork meanwhile
_SWEEP_TIMEOUT = 5.0  # seconds after which processes that do not end, such as those that wait for a disk, are left


class _Job:
    """A running command and its connection to the builder."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.connection = connection
        self.pid = pid
        self.exit_code: int | None = None
        self.seconds = 0.0
        self.killed = False
        self.victims: set[int] = set()


class _Supervisor:
    def __init__(self, control: socket.socket, mode: str) -> None:
        control.set_inheritable(False)
        self._control = control
        self._own_sessions = mode == SESSIONS
        self._prctl = _find_prctl()
        self._jobs: dict[int, _Job] = {}  # by process id
        self._builder_lives = True
        self._selector = selectors.DefaultSelector()
        self._wakeup, wakeup_end = socket.socketpair()
        self._wakeup.setblocking(False)
        wakeup_end.setblocking(False)
        signal.set_wakeup_fd(wakeup_end.detach())
        # Signals to the whole process group are for the builder. Handlers, unlike SIG_IGN, are not inherited by commands.
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, lambda number, frame: None)
        if self._own_sessions:
            self._prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def run(self) -> None:
        """Start and end commands until the builder has ended and nothing is left of its commands."""
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(self._wakeup, selectors.EVENT_READ)
        while self._builder_lives or self._jobs:
            is_killing = any(job.killed for job in self._jobs.values())
            for key, _ in self._selector.select(_KILL_TICK if is_killing else None):
                if key.fileobj is self._control:
                    self._accept()
                elif key.fileobj is self._wakeup:
                    with contextlib.suppress(BlockingIOError):
                        self._wakeup.recv(4096)
                elif isinstance(key.data, _Job):
                    key.data.killed = True
                    self._selector.unregister(key.fileobj)
            self._reap()
            for job in [job for job in self._jobs.values() if job.killed]:
                self._kill(job)
        if self._own_sessions:
            _sweep()

    def _accept(self) -> None:
        """Receive the request for a command and start it."""
        data, descriptors, _, _ = socket.recv_fds(self._control, 1, 4)
        if not data or not descriptors:
            self._builder_lives = bool(data)
            if not data:
                self._selector.unregister(self._control)
            return
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        connection = socket.socket(fileno=descriptors[0])
        pid, kind, code = 0, NO_PROGRAM, errno.EMFILE
        try:
            (length,) = REQUEST.unpack(_receive(connection, REQUEST.size))
            args, directory, environment = marshal.loads(_receive(connection, length))
            if len(descriptors) == 4:  # the system drops those that exceed the limit of open files
                pid, kind, code = self._start(args, directory, environment, descriptors[1:])
        except EOFError:  # the builder was killed while it sent the request
            connection.close()
            return
        except OSError as error:  # a limit of processes or files
            code = error.errno or errno.EAGAIN
        finally:
            for descriptor in descriptors[1:]:
                os.close(descriptor)
        _reply(connection, kind, code)
        if kind == STARTED:
            job = self._jobs[pid] = _Job(connection, pid)
            self._selector.register(connection, selectors.EVENT_READ, job)
        else:
            connection.close()

    def _start(
        self, args: list[bytes], directory: bytes, environment: dict[bytes, bytes], descriptors: list[int]
    ) -> tuple[int, bytes, int]:
        """Start a command; return its process id, and what failed with its error number (`STARTED`: nothing)."""
        failed, report = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(failed)
            os.close(report)
            raise
        if pid == 0:
            kind, code = NO_PROGRAM, errno.EINVAL
            try:
                self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                if self._own_sessions:
                    os.setsid()
                for number, descriptor in enumerate(descriptors):
                    os.dup2(descriptor, number)
                for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these
                    signal.signal(number, signal.SIG_DFL)
                kind = NO_DIRECTORY
                os.chdir(directory)
                kind = NO_PROGRAM
                os.execvpe(args[0], args, environment)
            except OSError as error:
                code = error.errno or code
            finally:
                os.write(report, REPLY.pack(kind, code, 0.0))
                os._exit(127)
        os.close(report)
        with open(failed, "rb") as reader:
            message = reader.read()  # empty once the command runs: the system closes the pipe
        if not message:
            return pid, STARTED, 0
        os.waitpid(pid, 0)
        kind, code, _ = REPLY.unpack(message)
        return pid, kind, code

    def _reap(self) -> None:
        """Collect the exit codes of ended processes, and reply for those that ended by themselves."""
        for pid, status, seconds in _collect_ended():
            job = self._jobs.get(pid)
            if job is None:  # adopted from a command
                continue
            job.exit_code = os.waitstatus_to_exitcode(status)
            job.seconds = seconds
            if not job.killed:
                self._selector.unregister(job.connection)
                self._end(job)

    def _kill(self, job: _Job) -> None:
        """Kill the processes of a command that exist now; reply once none is left."""
        processes = _list_processes()
        members = {pid for pid, (_, session) in processes.items() if self._own_sessions and session == job.pid}
        if job.exit_code is None:
            members |= {job.pid} | _find_descendants(job.pid, processes)
            if self._own_sessions:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(job.pid, signal.SIGKILL)
        elif not members and not job.victims & processes.keys():
            self._end(job)
        job.victims |= members
        _kill_all(members)

    def _end(self, job: _Job) -> None:
        del self._jobs[job.pid]
        _reply(job.connection, EXITED, job.exit_code or 0, job.seconds)
        job.connection.close()


def _sweep() -> None:
    """Kill everything that descends from this process: what commands left running."""
    deadline = time.monotonic() + _SWEEP_TIMEOUT
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            _kill_all(_find_descendants(os.getpid(), _list_processes()))
            time.sleep(_KILL_TICK)


def _find_prctl() -> Callable[[int, int], object]:
    """Return prctl(2); on other systems than Linux, and in a Python without ctypes, a function without effect."""
    if sys.platform == "linux":
        with contextlib.suppress(ImportError, OSError, AttributeError):
            import ctypes

            prctl = ctypes.CDLL(None).prctl
            return lambda option, value: prctl(option, value, 0, 0, 0)
    return lambda option, value: None


def _collect_ended() -> Iterator[tuple[int, int, float]]:
    """Yield process id, status and processor time of each child that has ended."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.wait4(-1, os.WNOHANG))[0]:
            pid, status, usage = ended
            yield pid, status, usage.ru_utime + usage.ru_stime


def _list_processes() -> dict[int, tuple[int, int]]:
    """Return parent and session of each process that has not ended (proc(5), /proc/pid/stat)."""
    processes = {}
    with contextlib.suppress(FileNotFoundError):
        for name in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                state, parent, _, session, *_ = file.read().rpartition(b")")[2].split()
                if state not in b"ZX":
                    processes[int(name)] = int(parent), int(session)
    return processes


def _find_descendants(pid: int, processes: dict[int, tuple[int, int]]) -> set[int]:
    descendants: set[int] = set()
    generation = {pid}
    while generation:
        generation = {child for child, (parent, _) in processes.items() if parent in generation} - descendants
        descendants |= generation
    return descendants


def _kill_all(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


def _reply(connection: socket.socket, kind: bytes, code: int, seconds: float = 0.0) -> None:
    with contextlib.suppress(OSError):  # the builder may have ended
        connection.sendall(REPLY.pack(kind, code, seconds))


if __name__ == "__main__":
    _Supervisor(socket.socket(fileno=int(sys.argv[1])), sys.argv[2]).run()
