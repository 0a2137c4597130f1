"""The program around the commands: signals, the terminal and the standard streams.

SIGINT, SIGTERM, SIGHUP and SIGQUIT raise KeyboardInterrupt in the main thread and cancel the current execution; the exit
code is 130 for all of them. A further signal, after the time in which the first one takes effect, ends the process at once.
A signal that was ignored when the program was started (`nohup`) remains ignored.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn, TextIO

from everywheel.cli.python_settings import restart_without_python_settings
from everywheel.errors import MachineError
from everywheel.execution.cancellation import Cancellation, Interrupted, cancellation_scope
from everywheel.execution.child import stop_supervisors
from everywheel.execution.terminal import Terminal

_INTERRUPTED = 130
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK") if hasattr(signal, name)
)
_PATIENCE = 1.0  # seconds in which a signal takes effect


def run_program() -> NoReturn:
    """Run the command of the command line; its exit code is that of the process."""
    restart_without_python_settings()
    _open_missing_streams()
    sys.stdout = _Output.open(1, sys.stdout, "standard output")
    sys.stderr = _Output.open(2, sys.stderr, "standard error")
    terminal = Terminal.find()
    code: object = _INTERRUPTED
    with cancellation_scope() as cancellation:
        interruption = _Interruption(cancellation, terminal)
        try:
            # After signals are caught: importing takes a tenth of a second.
            importlib.import_module("everywheel.cli.main").main()
        except SystemExit as end:
            code = end.code
        except (KeyboardInterrupt, Interrupted):
            _write_last_line()
        except MachineError as error:  # standard error cannot be written
            code = error.exit_code
        finally:
            interruption.ignore_further()
            stop_supervisors()
            terminal.restore()
    _flush()
    if interruption.has_begun:
        # Threads that are still in a call must not delay the end.
        os._exit(_INTERRUPTED)
    sys.exit(code)  # type: ignore[arg-type]


class _Interruption:
    """The effect of signals on the main thread.

    Python calls a handler between two instructions of the main thread. A second thread ends the process if the main thread
    does not get there in time, because it is in a long call such as one that packs a large file.
    """

    def __init__(self, cancellation: Cancellation, terminal: Terminal) -> None:
        self._cancellation = cancellation
        self._terminal = terminal
        self._began: float | None = None
        self._reached = threading.Event()
        self._numbers, end = socket.socketpair()
        end.setblocking(False)
        signal.set_wakeup_fd(end.detach(), warn_on_full_buffer=False)
        sys.unraisablehook = _report_unraisable
        threading.Thread(target=self._watch, daemon=True).start()
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._interrupt)

    @property
    def has_begun(self) -> bool:
        return self._began is not None

    def ignore_further(self) -> None:
        """Ignore signals from now on: the program ends, which takes a moment."""
        self._reached.set()
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._reached.set()
        if self._began is None:
            self._began = time.monotonic()
            self._cancellation.request()
            raise KeyboardInterrupt
        if time.monotonic() - self._began > _PATIENCE:
            self._end_at_once()

    def _watch(self) -> None:
        while number := self._numbers.recv(1):
            if number[0] in _SIGNALS and not self._reached.wait(_PATIENCE):
                self._end_at_once()

    def _end_at_once(self) -> NoReturn:
        """End the process; the supervisors end its commands."""
        self._terminal.restore(show_cursor=True)
        _write_last_line()
        os._exit(_INTERRUPTED)


def _report_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """Report an exception that Python ignores, but no interruption: the execution ends at its next check for one.

    Python calls a handler of signals also in a destructor, in which it ignores exceptions.
    """
    if not isinstance(unraisable.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)


def _open_missing_streams() -> None:
    """Open the null device as each standard stream that is closed: the next file would get its number otherwise."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest number that is free
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)


class _Output(io.TextIOWrapper):
    """A standard stream that raises MachineError when it cannot be written, such as to a full disk."""

    title: str

    @classmethod
    def open(cls, number: int, replaced: TextIO | None, title: str) -> _Output:
        """Return a stream with the file descriptor `number`, encoded like the stream that Python opened for it."""
        file = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
        encoding, errors = (
            (replaced.encoding, replaced.errors) if replaced is not None else ("utf-8", "backslashreplace")
        )
        by_line = replaced is not None and bool(replaced.line_buffering)
        output = cls(file, encoding=encoding, errors=errors, line_buffering=by_line)
        output.title = title
        return output

    def write(self, text: str) -> int:
        with self._translate_errors():
            return super().write(text)

    def flush(self) -> None:
        with self._translate_errors():
            super().flush()

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise MachineError(f"cannot write to {self.title}", details={"reason": reason}) from None


def _write_last_line() -> None:
    with contextlib.suppress(OSError):
        os.write(2, b"interrupted\n")


def _flush() -> None:
    """Write what is left to write; discard it if that fails, since the interpreter would report the error again."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, MachineError):
            with Path(os.devnull).open("wb") as nothing:
                os.dup2(nothing.fileno(), stream.fileno())
