"""Reports: live progress on a terminal, plain lines elsewhere, and the summary of a run; all drawn from the same results."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from everywheel.execution.scheduler import Outcome, Result, Task, TaskKind
from everywheel.sources import FetchEvent, FetchEventKind


class ProgressDisplay:
    """Shows what runs: a table that is redrawn on a terminal, a line for each thing that ends elsewhere (CI, a pipe).

    It is a Watcher of execution and hears of downloads through `fetch`.
    """

    def __init__(self, console: Console, total: int = 0, cached: int = 0, quiet: bool = False) -> None:
        self._console = console
        self._total = total
        self._cached = cached
        self._quiet = quiet
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._running: dict[str, tuple[str, str, float]] = {}
        self._downloads: dict[str, tuple[str, int, int]] = {}
        self._ended = 0
        self._live = (
            Live(console=console, get_renderable=self.render, refresh_per_second=4, transient=True)
            if console.is_terminal and not quiet
            else None
        )

    def __enter__(self) -> ProgressDisplay:
        if self._live is not None:
            self._live.start()
        return self

    def expect(self, total: int, cached: int) -> None:
        """Set the number of steps to build, and of those that the store has."""
        with self._lock:
            self._total, self._cached = total, cached

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def begin(self, task: Task) -> None:
        with self._lock:
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
            words = {
                Outcome.FOUND: f"{result.label}: made by another process",
                Outcome.DONE: f"{result.label}: done in {_seconds(result.seconds)}",
                Outcome.FAILED: f"{result.label}: FAILED after {_seconds(result.seconds)}",
                Outcome.SKIPPED: f"{result.label}: not tried, since {result.blocked_by} failed",
            }[result.outcome]
        style = {Outcome.DONE: "green", Outcome.FOUND: "green", Outcome.FAILED: "bold red", Outcome.SKIPPED: "yellow"}[
            result.outcome
        ]
        self._say(words, style)

    def fetch(self, event: FetchEvent) -> None:
        """Hear of a download."""
        file = event.file
        with self._lock:
            if event.kind in (FetchEventKind.STARTED, FetchEventKind.BYTES):
                self._downloads[file.sha256] = (file.title, event.size, event.total)
            else:
                self._downloads.pop(file.sha256, None)
        if event.kind is FetchEventKind.DONE:
            self._say(f"{file.title}: fetched from {event.location}", "green")
        elif event.kind is FetchEventKind.MISMATCH:
            self._say(f"{file.title}: {event.location}: {event.reason}", "yellow")

    def _say(self, words: str, style: str) -> None:
        if not self._quiet:
            stamp = _seconds(time.monotonic() - self._began)
            self._console.print(Text.assemble((f"[{stamp:>6}] ", "dim"), (words, style)), highlight=False)

    def render(self) -> Table:
        """Return the table of what runs at this moment."""
        table = Table.grid(padding=(0, 2))
        with self._lock:
            head = f"{self._ended} of {self._total} steps done"
            if self._cached:
                head += f", {self._cached} were in the store"
            table.add_row(Text(head, style="bold"), Text(_seconds(time.monotonic() - self._began), style="dim"))
            for label, stage, began in self._running.values():
                table.add_row(
                    Text(f"  {label}"), Text(stage, style="cyan"), Text(_seconds(time.monotonic() - began), style="dim")
                )
            for title, size, total in self._downloads.values():
                share = f"{size / 1e6:.1f} of {total / 1e6:.1f} MB" if total else f"{size / 1e6:.1f} MB"
                table.add_row(Text(f"  {title}"), Text("download", style="cyan"), Text(share, style="dim"))
        return table


def _seconds(value: float) -> str:
    return f"{value:.1f}s" if value < 60 else f"{int(value) // 60}:{int(value) % 60:02}"


def show_failures(console: Console, results: Sequence[Result]) -> None:
    """Print every failure in full, then the steps that were not tried because of it; nothing if all succeeded."""
    if all(result.error is None for result in results):
        return
    for result in results:
        if result.error is not None:
            console.print(Text(result.error.render()), soft_wrap=True)
    failed = [r for r in results if r.outcome is Outcome.FAILED]
    skipped = [r for r in results if r.outcome is Outcome.SKIPPED]
    done = sum(r.outcome in (Outcome.DONE, Outcome.FOUND) for r in results)
    console.print(Text(f"{done} done, {len(failed)} failed, {len(skipped)} not tried"), highlight=False)
    for result in failed:
        console.print(Text(f"  failed: {result.label}"), highlight=False)
    for result in skipped:
        console.print(Text(f"  not tried: {result.label} (needs {result.blocked_by})"), highlight=False)


def make_console() -> Console:
    """Return the console for progress and errors: standard error, so that `--json` has standard output to itself."""
    return Console(file=sys.stderr, soft_wrap=True)
