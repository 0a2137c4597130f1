"""Report of an `everywheel` command in a build container, written by the command and read by the process that started it.

cibuildwheel runs `everywheel deps` and `everywheel repair` in a container and forwards only their output. The wrapper script
in the container adds `--report-dir`, and the command writes its stage and its error to a file in that folder.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from everywheel.errors import EverywheelError

if TYPE_CHECKING:
    # Not imported at run time: `everywheel` imports this module for each command.
    from everywheel.execution.scheduler import Result, Task
    from everywheel.pipeline import BuildListener
    from everywheel.sources.progress import FetchEvent

_LARGEST_REPORT = 1 << 20  # bytes


class CommandState(StrEnum):
    """State of a command when it wrote its report."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReport:
    """State, stage and error of a command; paths are paths in the container.

    `stage` names the running step. The other fields are those of the first error (`EverywheelError`), empty without one.
    """

    state: CommandState = CommandState.RUNNING
    stage: str = ""
    exit_code: int = 0
    fact: str = ""
    details: tuple[tuple[str, str], ...] = ()
    excerpt: tuple[str, ...] = ()
    log: str = ""
    hint: str = ""

    def write(self, folder: Path, command: str) -> None:
        """Write the report so that a reader sees either this or the previous one."""
        unfinished = folder / f"{command}.unfinished"
        unfinished.write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")
        unfinished.replace(folder / f"{command}.json")

    @classmethod
    def read(cls, folder: Path, command: str) -> CommandReport | None:
        """Return the latest report of a command, or None before the command started.

        The folder is writable in the container, whose code may do anything: a report that is not valid is ignored.
        """
        path = folder / f"{command}.json"
        try:
            if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST_REPORT:
                return None
            return cls._parse(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    @classmethod
    def _parse(cls, values: dict[str, Any]) -> CommandReport:
        return cls(
            state=CommandState(values["state"]),
            stage=values["stage"],
            exit_code=values["exit_code"],
            fact=values["fact"],
            details=tuple((label, value) for label, value in values["details"]),
            excerpt=tuple(values["excerpt"]),
            log=values["log"],
            hint=values["hint"],
        )

    def make_error(self, store_inside: str, store: Path) -> EverywheelError:
        """Return the error of a failed command; its log in the container's store becomes a path of this machine."""
        log = Path(self.log.replace(store_inside, str(store), 1)) if self.log else None
        error = EverywheelError(
            self.fact, details=dict(self.details), excerpt=self.excerpt, log=log, hint=self.hint or None
        )
        error.exit_code = self.exit_code
        return error


class CommandRecorder:
    """Writer of the report of a running command, which is updated after each change."""

    def __init__(self, folder: Path, command: str) -> None:
        self._folder = folder
        self._command = command
        self._lock = threading.Lock()
        self._report = CommandReport()
        self._report.write(folder, command)

    def set_stage(self, stage: str) -> None:
        with self._lock:
            self._replace(dataclasses.replace(self._report, stage=stage))

    def fail(self, error: EverywheelError) -> None:
        """Record an error; only the first one of a command is reported."""
        with self._lock:
            if self._report.state is CommandState.FAILED:
                return
            self._replace(
                dataclasses.replace(
                    self._report,
                    state=CommandState.FAILED,
                    exit_code=error.exit_code,
                    fact=error.fact,
                    details=tuple((label, str(value)) for label, value in error.details.items()),
                    excerpt=error.excerpt,
                    log=str(error.log or ""),
                    hint=error.hint or "",
                )
            )

    def finish(self) -> None:
        """Record the end of the command, which is a success unless an error was recorded."""
        with self._lock:
            if self._report.state is CommandState.RUNNING:
                self._replace(dataclasses.replace(self._report, state=CommandState.DONE))

    def _replace(self, report: CommandReport) -> None:
        self._report = report
        report.write(self._folder, self._command)


_RECORDER: ContextVar[CommandRecorder | None] = ContextVar("everywheel_command_recorder", default=None)


@contextlib.contextmanager
def record_command(folder: Path, command: str) -> Iterator[None]:
    """Write the report of the command that runs in the body."""
    recorder = CommandRecorder(folder, command)
    token = _RECORDER.set(recorder)
    try:
        yield
    finally:
        recorder.finish()
        _RECORDER.reset(token)


def record_error(error: EverywheelError) -> None:
    """Record the error that ends the current command, if its report is requested."""
    recorder = _RECORDER.get()
    if recorder is not None:
        recorder.fail(error)


def record_progress(listener: BuildListener) -> BuildListener:
    """Return a listener that also records stages and errors, or the same listener if no report is requested."""
    recorder = _RECORDER.get()
    return listener if recorder is None else _RecordingListener(listener, recorder)


class _RecordingListener:
    """Listener that forwards the progress of an execution to another listener and records it."""

    def __init__(self, listener: BuildListener, recorder: CommandRecorder) -> None:
        self._listener = listener
        self._recorder = recorder

    def expect(self, total: int, cached: int) -> None:
        self._listener.expect(total, cached)

    def fetch(self, event: FetchEvent) -> None:
        self._listener.fetch(event)

    def begin(self, task: Task) -> None:
        self._recorder.set_stage(task.label)
        self._listener.begin(task)

    def stage(self, task: Task, stage: str) -> None:
        self._recorder.set_stage(f"{task.label}: {stage}")
        self._listener.stage(task, stage)

    def end(self, result: Result) -> None:
        if result.error is not None:
            self._recorder.fail(result.error)
        self._listener.end(result)
