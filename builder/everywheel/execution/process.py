"""Running commands, with their logs and their output.

`run_logged` runs one command of a step: it appends to the step's log and raises BuildError with an excerpt. `run_command`
runs a query, such as `git status`: it captures the output and returns the exit code. `run_interactive` connects a command to
the user's terminal.

A command runs in a separate session. The command and its descendants are killed when the execution is canceled
(`execution.cancellation`), when an exception such as KeyboardInterrupt is raised while waiting for the command, and when
this process ends for any other reason (`execution.child`).

`listen_to_commands` streams the commands of its body, with their output, to a `CommandListener`. This is the hook for
`--verbose`; logs and captured output are the same with and without it.

One file runs commands without this module: `smoke/inside/run.py`, which runs in a container, where the package is not
installed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from subprocess import list2cmdline
from tempfile import TemporaryFile
from typing import BinaryIO, Protocol

from everywheel.errors import BuildError, MachineError
from everywheel.execution.cancellation import Interrupted, current_cancellation
from everywheel.execution.child import Child, start_child
from everywheel.execution.temporary_files import check_temporary_directory

_SIGNIFICANT = re.compile(r"(\berror\b|\bERROR\b|FAILED|undefined symbol|not found|No such file|CMake Error)", re.I)
# A flag that zig does not know; after some of these errors, or before them, it lists dozens of values.
_UNKNOWN_FLAG = re.compile(
    r"error: (unsupported (linker|preprocessor) (arg|extension flag)|unsupported option|unknown (clang option|(target )?CPU))"
)
_EXCERPT_LINES = 12
_GRACE = 0.25  # seconds that a command in the user's session has to exit after an interrupt before it is killed
_TICK = 0.1  # seconds between two checks for new output of a running command, and between two calls of `on_tick`


class CommandListener(Protocol):
    """Receives every command as it starts and its output line by line; called from several threads at the same time.

    `label` names what the command does, such as `libvips 8.16.1 for musllinux_1_2_aarch64: configure`, or is the name of
    its program. `command` is quoted for a shell; `line` does not include the line end.
    """

    def begin(self, label: str, command: str) -> None: ...
    def output(self, label: str, line: str) -> None: ...


_LISTENER: ContextVar[CommandListener | None] = ContextVar("everywheel_command_listener", default=None)


@contextlib.contextmanager
def listen_to_commands(listener: CommandListener) -> Iterator[None]:
    """Stream every command of the body, and of the threads that it starts through `execution.threads`, to a listener."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """The exit code of a finished command and the bytes of its standard output and standard error."""

    exit_code: int
    stdout: bytes
    stderr: bytes

    @property
    def output(self) -> str:
        """Standard output as text."""
        return _decode(self.stdout)

    @property
    def errors(self) -> str:
        """Standard error as text."""
        return _decode(self.stderr)


def excerpt(output: str) -> Sequence[str]:
    """Return the first line that reports an error and the lines after it, or the last lines if no line does.

    A line that names a flag which the compiler does not know is always included.
    """
    lines = [line for line in output.splitlines() if line.strip()]
    significant = [i for i, line in enumerate(lines) if _SIGNIFICANT.search(line)]
    if not significant:
        return lines[-_EXCERPT_LINES:]
    shown = lines[significant[0] : significant[0] + _EXCERPT_LINES]
    flag = next((line for line in lines if _UNKNOWN_FLAG.search(line)), None)
    return shown if flag is None or flag in shown else [flag, *shown[:-1]]


def run_logged(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    label: str,
    hint: str | None = None,
    quote: Callable[[str], Sequence[str]] = excerpt,
) -> str:
    """Run a command as `log_command` does, and return its output.

    `label` names the step in the error: `libvips 8.16.1 for musllinux_1_2_aarch64: configure`. `quote` returns the lines of
    the output that show why the command failed. Raises BuildError when the exit code is not 0.
    """
    exit_code, output = log_command(command, cwd=cwd, env=env, log=log, label=label)
    if exit_code != 0:
        raise BuildError(
            f"{label} failed ({describe_exit(exit_code)})",
            details={"command": _shorten(shlex.join(str(arg) for arg in command))},
            excerpt=quote(output),
            log=log,
            hint=hint,
        )
    return output


def log_command(
    command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], log: Path, label: str
) -> tuple[int, str]:
    """Run a command, append the command line and the output to a log; return exit code and output (both streams, in order).

    Raises MachineError when the command cannot be started, and Interrupted when the execution is canceled.
    """
    args = [str(arg) for arg in command]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a+b") as out:
        out.write(f"$ cd {shlex.quote(str(cwd))} && {shlex.join(args)}\n".encode())
        out.flush()
        start = out.tell()
        try:
            with Path(os.devnull).open("rb") as nothing:
                streams = (nothing.fileno(), out.fileno(), out.fileno())
                child = start_child(args, cwd=cwd, env=env, streams=streams, own_session=True)
        except OSError as error:
            raise MachineError(f"{label}: cannot start {args[0]}", details={"reason": error.strerror}) from None
        exit_code = _wait(child, args, [_Tail(out, start)], label)
        # Read through the open file: the build of another project may have replaced the log of a step with the same name.
        out.seek(start)
        return exit_code, _decode(out.read())


def describe_exit(code: int) -> str:
    """Return the end of a command for a message: `exit 3`, or `signal 6, SIGABRT` for the code -6."""
    if code >= 0:
        return f"exit {code}"
    try:
        return f"signal {-code}, {signal.Signals(-code).name}"
    except ValueError:  # such as a real-time signal
        return f"signal {-code}"


def log_lines(log: Path, label: str, lines: Sequence[str]) -> None:
    """Append lines to a log, and stream them as output of `label`."""
    with log.open("a", encoding="utf-8") as out:
        out.writelines(f"{line}\n" for line in lines)
    if (listener := _LISTENER.get()) is not None:
        for line in lines:
            listener.output(label, line)


def run_command(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    may_prompt: bool = False,
    on_tick: Callable[[], None] | None = None,
) -> CommandResult:
    """Run a command, and return its captured output and its exit code; an exit code other than 0 is not an error.

    `may_prompt` leaves the command in the user's session, where ssh and gpg find the terminal on which they read a
    passphrase. `on_tick` is called every tenth of a second while the command runs; an exception that it raises, such as
    one for a deadline, ends the command.
    Raises OSError when the command cannot be started, MachineError when the output cannot be written to temporary files,
    and Interrupted when the execution is canceled.
    """
    check_temporary_directory()
    args = [str(arg) for arg in command]
    # Files rather than pipes: a background process that inherits a pipe would keep it open after the command's end.
    with TemporaryFile() as source, TemporaryFile() as out, TemporaryFile() as errors:
        source.write(stdin)
        source.seek(0)
        streams = (source.fileno(), out.fileno(), errors.fileno())
        child = start_child(args, cwd=cwd, env=env, streams=streams, own_session=not may_prompt)
        tails = [_Tail(out), _Tail(errors)]
        exit_code = _wait(child, args, tails, Path(args[0]).name, on_tick, grace=_GRACE if may_prompt else 0.0)
        return CommandResult(exit_code=exit_code, stdout=_read(out), stderr=_read(errors))


def run_interactive(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str]) -> int:
    """Run a command on the user's terminal and return its exit code; Ctrl-C is also sent to the command.

    Raises OSError when the command cannot be started.
    """
    args = [str(arg) for arg in command]
    child = start_child(args, cwd=cwd, env=env, streams=(0, 1, 2), own_session=False)
    return _wait(child, args, [], Path(args[0]).name, grace=_GRACE)


def join_windows_args(args: Sequence[str | Path]) -> str:
    """Join arguments into a command line that Microsoft's C runtime splits into the same arguments."""
    return list2cmdline([str(arg) for arg in args])


def _wait(
    child: Child,
    command: Sequence[str],
    tails: Sequence[_Tail],
    label: str,
    on_tick: Callable[[], None] | None = None,
    *,
    grace: float = 0.0,
) -> int:
    """Wait until a command exits and return its exit code; end the command if an exception is raised meanwhile.

    `grace` is the time in seconds that the command has to exit by itself before that: Ctrl-C reached it as well.
    """
    listener, cancellation = _LISTENER.get(), current_cancellation()

    def forward(*, last: bool = False) -> None:
        if listener is not None:
            for tail in tails:
                for line in tail.read_lines(last=last):
                    listener.output(label, line)

    with child:
        try:
            if listener is not None:
                listener.begin(label, shlex.join(command))
            with cancellation.on_cancel(child.kill):
                while (exit_code := child.wait(_TICK)) is None:
                    cancellation.check()
                    forward()
                    if on_tick is not None:
                        on_tick()
        except (KeyboardInterrupt, Interrupted):
            child.wait(grace) if grace else None
            raise
    cancellation.check()
    forward(last=True)
    return exit_code


class _Tail:
    """The lines that a command appends to a file, read while it still writes; on Windows, only after its end."""

    def __init__(self, file: BinaryIO, start: int = 0) -> None:
        self._file = file
        self._start = start
        self._rest = b""

    def read_lines(self, *, last: bool = False) -> list[str]:
        """Return the lines that were completed since the previous call; with `last`, also an incomplete last line."""
        data = _read(self._file, self._start) if last or sys.platform != "win32" else b""
        self._start += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if last and self._rest:
            lines.append(self._rest)
        return [_decode(line).rstrip("\r") for line in lines]


def _read(file: BinaryIO, start: int = 0) -> bytes:
    """Return the content of a file from `start`, without moving the position at which the command writes next."""
    if sys.platform == "win32":
        file.seek(start)
        return file.read()
    data = bytearray()
    while part := os.pread(file.fileno(), 1 << 20, start + len(data)):
        data += part
    return bytes(data)


def _decode(data: bytes) -> str:
    return data.decode(errors="replace").replace("\r\n", "\n")


def _shorten(line: str, limit: int = 200) -> str:
    return line if len(line) <= limit else f"{line[:limit]} …"
