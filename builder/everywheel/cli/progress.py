"""Output while a command works: live progress on a terminal, plain lines elsewhere, streamed commands with --verbose."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from everywheel.cli.console import StreamConsole
from everywheel.errors import printable
from everywheel.execution.process import listen_to_commands
from everywheel.execution.scheduler import Outcome, Result, Task, TaskKind
from everywheel.sources.progress import FetchEvent, FetchEventKind

_VERBOSE = "everywheel.verbose"
_COLOR = re.compile(r"\x1b\[[0-9;]*m")  # in the output of a build: removed, as all other sequences are shown escaped


def make_console() -> Console:
    """Return the console for progress and errors: standard error, which leaves standard output to results and JSON."""
    return StreamConsole(file=sys.stderr, soft_wrap=True)


class CommandPrinter:
    """A CommandListener that prints each command and each line of its output as one line, with its label in front."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def begin(self, label: str, command: str) -> None:
        self._print(label, f"$ {command}", "bold")

    def output(self, label: str, line: str) -> None:
        self._print(label, f"| {line}", "")

    def _print(self, label: str, text: str, style: str) -> None:
        # One call per line: rich writes each call at once, so that lines of several threads do not mix.
        line = Text.assemble((printable(f"{label} "), "dim"), (printable(_COLOR.sub("", text)), style))
        self._console.print(line, highlight=False, soft_wrap=True)


def start_verbose(ctx: click.Context) -> None:
    """Print every command and its output until the program ends, and show progress as plain lines."""
    if not is_verbose(ctx):
        ctx.meta[_VERBOSE] = True
        ctx.find_root().with_resource(listen_to_commands(CommandPrinter(make_console())))


def is_verbose(ctx: click.Context | None = None) -> bool:
    """Return whether --verbose was given, before or after the command's name."""
    ctx = ctx or click.get_current_context(silent=True)
    return ctx is not None and bool(ctx.meta.get(_VERBOSE, False))


class ProgressDisplay:
    """A table of running tasks and downloads, redrawn on a terminal; elsewhere one line for each task or download that ends.

    A command that prepares the run, before the first task, has a line as well.
    The display is a ProgressListener for executions; `fetch` receives the events of downloads. With `live=False` it prints
    lines on a terminal as well; with `quiet` it prints nothing. `noun` is what is counted.
    """

    def __init__(
        self, console: Console, *, total: int = 0, quiet: bool = False, live: bool = True, noun: str = "steps"
    ) -> None:
        self._console = console
        self._noun = noun
        self._total = total
        self._cached = 0
        self._quiet = quiet
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._running: dict[str, tuple[str, str, float]] = {}
        self._transfers: dict[str, tuple[str, str, str]] = {}
        self._ended = 0
        self._preparation: str | None = ""  # what was started last, None after the first task has begun
        self._live = (
            Live(console=console, get_renderable=self.render, refresh_per_second=4, transient=True)
            if console.is_terminal and live and not quiet
            else None
        )

    def __enter__(self) -> ProgressDisplay:
        if self._live is not None:
            self._live.start()
        return self

    def expect(self, total: int, cached: int) -> None:
        """Set the number of steps to build, and the number of steps that are already in the store."""
        with self._lock:
            self._total, self._cached = total, cached

    def expect_total(self, total: int) -> None:
        """Set the number of things that `advance` counts."""
        self.expect(total, 0)

    def advance(self, message: str, style: str) -> None:
        """Count one of them, and print a line about it."""
        with self._lock:
            self._ended += 1
        self._print(message, style)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def prepare(self, label: str) -> None:
        """Show the start of a command, unless tasks are running, whose commands are a part of them."""
        with self._lock:
            if self._preparation in (None, label):
                return
            self._preparation = label
        self._print(label, "cyan")

    def begin(self, task: Task) -> None:
        with self._lock:
            self._preparation = None
            self._running[task.id] = (task.label, "", time.monotonic())

    def stage(self, task: Task, stage: str) -> None:
        with self._lock:
            label, _, began = self._running[task.id]
            self._running[task.id] = (label, stage, began)

    def end(self, result: Result) -> None:
        with self._lock:
            self._running.pop(result.id, None)
            if result.kind is TaskKind.STEP or result.outcome not in (Outcome.DONE, Outcome.FOUND):
                self._ended += 1
        message, style = {
            Outcome.FOUND: (f"{result.label}: built by another process", "green"),
            Outcome.DONE: (f"{result.label}: done in {_format_seconds(result.seconds)}", "green"),
            Outcome.FAILED: (f"{result.label}: FAILED after {_format_seconds(result.seconds)}", "bold red"),
            Outcome.SKIPPED: (f"{result.label}: skipped, since {result.blocked_by} failed", "yellow"),
        }[result.outcome]
        self._print(message, style)

    def fetch(self, event: FetchEvent) -> None:
        """Show the event of a download, or of an upload, which has a row only while it runs."""
        file = event.file
        with self._lock:
            key = f"{file.sha256} {event.location}"
            if event.kind in (FetchEventKind.STARTED, FetchEventKind.BYTES):
                size = f"{event.total / 1e6:.1f} MB"
                share = f"{event.size / 1e6:.1f} of {size}" if event.total else f"{event.size / 1e6:.1f} MB"
                row = ("upload", size) if event.is_upload else ("download", share)
                self._transfers[key] = (file.title, *row)
            else:
                self._transfers.pop(key, None)
        if event.is_upload:
            return
        if event.kind is FetchEventKind.DONE:
            self._print(f"{file.title}: fetched from {event.location}", "green")
        elif event.kind is FetchEventKind.MISMATCH:
            self._print(f"{file.title}: {event.location}: {event.reason}", "yellow")

    def _print(self, message: str, style: str) -> None:
        if not self._quiet:
            elapsed = _format_seconds(time.monotonic() - self._began)
            self._console.print(
                Text.assemble((f"[{elapsed:>6}] ", "dim"), (printable(message), style)), highlight=False
            )

    def render(self) -> Table:
        """Return the table of running tasks and downloads."""
        table = Table.grid(padding=(0, 2))
        with self._lock:
            head = f"{self._ended} of {self._total} {self._noun} done"
            if self._cached:
                head += f", {self._cached} were in the store"
            table.add_row(Text(head, style="bold"), Text(_format_seconds(time.monotonic() - self._began), style="dim"))
            if self._preparation:
                table.add_row(Text(printable(f"  {self._preparation}")))
            for label, stage, began in self._running.values():
                table.add_row(
                    Text(printable(f"  {label}")),
                    Text(printable(stage), style="cyan"),
                    Text(_format_seconds(time.monotonic() - began), style="dim"),
                )
            for title, kind, size in self._transfers.values():
                table.add_row(Text(printable(f"  {title}")), Text(kind, style="cyan"), Text(size, style="dim"))
        return table


def open_display(console: Console, *, total: int = 0, quiet: bool = False, noun: str = "steps") -> ProgressDisplay:
    """Return the display of the current command; with --verbose it is not live, as its redrawing would mix with output."""
    return ProgressDisplay(console, total=total, quiet=quiet, live=not is_verbose(), noun=noun)


class _PreparationListener:
    """A CommandListener that shows commands before the first task, such as the installation of build tools."""

    def __init__(self, display: ProgressDisplay) -> None:
        self._display = display

    def begin(self, label: str, command: str) -> None:
        if ": " in label:  # the label of a query is the name of its program
            self._display.prepare(label)

    def output(self, label: str, line: str) -> None: ...


@contextlib.contextmanager
def show_preparation(display: ProgressDisplay) -> Iterator[None]:
    """Show the commands that prepare the execution in the body; --verbose shows every command anyway."""
    with contextlib.nullcontext() if is_verbose() else listen_to_commands(_PreparationListener(display)):
        yield


def _format_seconds(value: float) -> str:
    return f"{value:.1f}s" if value < 60 else f"{int(value) // 60}:{int(value) % 60:02}"


def show_failures(console: Console, results: Sequence[Result]) -> None:
    """Print every failure in full, then the steps that were skipped because of them; print nothing if all succeeded."""
    if all(result.error is None for result in results):
        return
    for result in results:
        if result.error is not None:
            console.print(Text(result.error.render()), soft_wrap=True)
    failed = [r for r in results if r.outcome is Outcome.FAILED]
    skipped = [r for r in results if r.outcome is Outcome.SKIPPED]
    done = sum(r.outcome in (Outcome.DONE, Outcome.FOUND) for r in results)
    console.print(Text(f"{done} done, {len(failed)} failed, {len(skipped)} skipped"), highlight=False)
    for result in failed:
        console.print(Text(printable(f"  failed: {result.label}")), highlight=False)
    for result in skipped:
        console.print(Text(printable(f"  skipped: {result.label} (requires {result.blocked_by})")), highlight=False)
