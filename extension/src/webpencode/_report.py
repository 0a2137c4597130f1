"""Output of the command: progress, errors and a summary, or JSON."""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
from typing import Any

from webpencode._jobs import Job

EXIT_FAILED = 1


def format_size(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def format_change(before: int, after: int) -> str:
    return f"{format_size(before)} → {format_size(after)}, {(after - before) / max(1, before):+.0%}".replace("-", "−")


class Report:
    """The progress of a run and its results."""

    def __init__(self, total: int, arguments: argparse.Namespace) -> None:
        self.total, self.json, self.quiet = total, arguments.json, arguments.quiet or arguments.json
        self.done = self.failed = self.unsearched = self.skipped = self.before = self.after = 0

    def print_progress(self, text: str) -> None:
        if not self.quiet:
            print(text, file=sys.stderr)

    def add_unsearched(self, failure: OSError) -> None:
        """Report a directory that could not be searched for images."""
        self.unsearched += 1
        self._add_failure({"source": str(failure.filename), "destination": None}, failure)

    def _add_failure(self, facts: dict[str, Any], failure: Exception) -> None:
        message = describe_error(failure)
        print(f"error: {facts['source']}: {message}", file=sys.stderr)
        self._add_facts({**facts, "error": message})

    def _add_facts(self, facts: dict[str, Any]) -> None:
        if self.json:
            print(json.dumps(facts), flush=True)

    def add_planned(self, job: Job, force: bool) -> None:
        """Report a job of a dry run, or an error if the destination exists."""
        facts = {"source": str(job.source), "destination": str(job.destination)}
        if job.would_replace and not force:
            self.failed += 1
            self._add_failure(facts, make_exists_error(job))
        elif self.json:
            self._add_facts(facts)
        else:
            print(f"{job.source} → {job.destination}")

    def add(self, job: Job, before: int, result: int | Exception) -> None:
        """Report a finished job: sizes in bytes before and after, or the exception."""
        self.done += 1
        facts: dict[str, Any] = {"source": str(job.source), "destination": str(job.destination)}
        if isinstance(result, Exception):
            self.failed += 1
            self._add_failure(facts, result)
            return
        self.before += before
        self.after += result
        self.print_progress(f"[{self.done}/{self.total}] {job.destination}: {format_change(before, result)}")
        self._add_facts({**facts, "bytes_before": before, "bytes_after": result})

    def end(self, seconds: float) -> None:
        """Print the summary."""
        count = self.done - self.failed
        summary = f"{count} of {self.total} images in {seconds:.1f} s"
        if count:
            summary += f": {format_change(self.before, self.after)}"
        if self.unsearched:
            summary += f"; directories not searched: {self.unsearched}"
        if self.skipped:
            summary += f"; skipped as earlier results: {self.skipped}"
        self.print_progress(summary)

    @property
    def exit_code(self) -> int:
        return EXIT_FAILED if self.failed or self.unsearched else 0


def describe_error(error: Exception) -> str:
    """Return the message for an error of an image or of the operating system."""
    if isinstance(error, FileExistsError):
        return f"{error.filename} already exists; use --force to replace it"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def make_exists_error(job: Job) -> FileExistsError:
    """Return the error for a destination that exists."""
    return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(job.destination))
