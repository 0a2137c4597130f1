"""Fetching: each pinned file from the first location that provides the pinned bytes, several files in parallel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from everywheel.errors import SourceError
from everywheel.execution.notices import report_notice
from everywheel.execution.threads import TICK, DaemonThreads, wait_for_any
from everywheel.sources.cache import find_source, open_scratch, store_source
from everywheel.sources.deadline import Deadline, DeadlineExceeded
from everywheel.sources.distro.debian_source import PackageClient
from everywheel.sources.locations import SourceLocations, is_canonical, list_locations
from everywheel.sources.progress import FetchEvent, FetchEventKind, ProgressCallback, ignore_progress
from everywheel.sources.request import COMPARE_PIN, HashMismatch, PinnedFile, Superseded, Unavailable

_IMPORT_HINT = "`everywheel sources import BUNDLE` imports sources from another machine"
_SHUTDOWN_TIMEOUT = (
    1.0  # seconds that threads have for ending their downloads and child processes when everything stops
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """The result for one file: its path in the store, or why each location failed."""

    file: PinnedFile
    path: Path | None = None
    reasons: Mapping[str, Unavailable] = field(default_factory=dict)


def fetch_sources(
    files: Sequence[PinnedFile],
    *,
    store: Path,
    locations: SourceLocations,
    offline: bool = False,
    jobs: int = 4,
    timeout: float = 1800.0,
    progress: ProgressCallback = ignore_progress,
) -> dict[str, Path]:
    """Return the path of each file in the store, by its sha256, after fetching the files that are not in the store.

    `timeout` is in seconds, for all files together. Files that arrived before an error stay in the store.
    Raises SourceError that names every unavailable file and why each location failed, or MachineError.
    """
    deadline = Deadline(timeout)
    unique = list({file.sha256: file for file in files}.values())
    paths: dict[str, Path] = {}
    missing: list[PinnedFile] = []
    for outcome in _run_parallel([partial(_look_up, store, file) for file in unique], jobs, deadline):
        if outcome.path is None:
            missing.append(outcome.file)
        else:
            paths[outcome.file.sha256] = outcome.path
            progress(FetchEvent(kind=FetchEventKind.CACHED, file=outcome.file, location=str(store)))
    missing.sort(key=unique.index)
    if missing and offline:
        raise _report_offline(missing)
    client = PackageClient(store=store, archives=locations.archives, files=missing, deadline=deadline)
    tasks = [partial(_fetch, file, store, locations, client, deadline, progress) for file in missing]
    failed: list[_Outcome] = []
    try:
        for outcome in _run_parallel(tasks, jobs, deadline):
            if outcome.path is None:
                failed.append(outcome)
            else:
                paths[outcome.file.sha256] = outcome.path
    except DeadlineExceeded:
        raise _report_timeout([file for file in missing if file.sha256 not in paths], timeout) from None
    if failed:
        raise _report_unavailable(sorted(failed, key=lambda outcome: unique.index(outcome.file)))
    return {file.sha256: paths[file.sha256] for file in unique}


def _look_up(store: Path, file: PinnedFile) -> _Outcome:
    existed = os.path.lexists(store / "sources" / file.sha256)
    path = find_source(store, file.sha256)
    if existed and path is None:
        report_notice(f"{file.title}: its copy in the store was damaged; fetching it again")
    return _Outcome(file=file, path=path)


def _fetch(
    file: PinnedFile,
    store: Path,
    locations: SourceLocations,
    client: PackageClient,
    deadline: Deadline,
    progress: ProgressCallback,
) -> _Outcome:
    """Try the locations in order."""
    reasons: dict[str, Unavailable] = {"store": Unavailable("missing")}
    for location, fetch in list_locations(file, locations, client, deadline):
        deadline.check()
        if fetch is None:
            reasons[location] = Unavailable("none on this machine")
            continue
        progress(FetchEvent(kind=FetchEventKind.STARTED, file=file, location=location))

        def report_bytes(size: int, total: int, location: str = location) -> None:
            progress(FetchEvent(kind=FetchEventKind.BYTES, file=file, location=location, size=size, total=total))

        with open_scratch(store) as scratch:
            try:
                fetch(scratch / "file", report_bytes)
                deadline.check()
                path = store_source(store, scratch / "file", file.sha256)
            except Unavailable as reason:
                reasons[location] = reason
                kind = FetchEventKind.MISMATCH if isinstance(reason, HashMismatch) else FetchEventKind.REFUSED
                progress(FetchEvent(kind=kind, file=file, location=location, reason=str(reason)))
                continue
        progress(FetchEvent(kind=FetchEventKind.DONE, file=file, location=location, size=path.stat().st_size))
        return _Outcome(file=file, path=path)
    progress(FetchEvent(kind=FetchEventKind.FAILED, file=file))
    return _Outcome(file=file, reasons=reasons)


def _run_parallel(tasks: Sequence[Callable[[], _Outcome]], jobs: int, deadline: Deadline) -> Iterator[_Outcome]:
    """Run the tasks in threads and yield their outcomes in the order they end; an exception in one stops all of them.

    Ctrl-C and the total timeout take effect at once, even while a server does not answer.
    """

    def start(task: Callable[[], _Outcome]) -> _Outcome:
        deadline.check()
        return task()

    threads = DaemonThreads(jobs)
    running = [threads.submit(start, task) for task in tasks]
    try:
        while running:
            ended = wait_for_any(running, min(TICK, deadline.remaining))
            if not ended:
                deadline.check()
            running = [future for future in running if future not in ended]
            for future in ended:
                yield future.result()
    except BaseException:
        deadline.stop()
        wait(running, timeout=_SHUTDOWN_TIMEOUT)
        raise


def _report_offline(missing: Sequence[PinnedFile]) -> SourceError:
    hint = f"run once without --offline; {_IMPORT_HINT}"
    if len(missing) == 1:
        return SourceError(
            f"{missing[0].title} is not in the store, and --offline forbids fetching it",
            details={"pinned": f"sha256 {missing[0].sha256}"},
            hint=hint,
        )
    return SourceError(
        f"{len(missing)} sources are not in the store, and --offline forbids fetching them",
        excerpt=[f"{file.title}  sha256 {file.sha256}" for file in missing],
        hint=hint,
    )


def _report_timeout(missing: Sequence[PinnedFile], timeout: float) -> SourceError:
    return SourceError(
        f"fetching the sources took longer than {timeout:g} s",
        excerpt=[f"{file.title}  sha256 {file.sha256}" for file in missing],
        hint=f"run it again: the files that arrived are kept; {_IMPORT_HINT}",
    )


def _report_unavailable(failed: Sequence[_Outcome]) -> SourceError:
    reasons = [reason for outcome in failed for reason in outcome.reasons.values()]
    mismatches = [
        (outcome.file, location)
        for outcome in failed
        for location, reason in outcome.reasons.items()
        if isinstance(reason, HashMismatch)
    ]
    if any(is_canonical(file, location) for file, location in mismatches):
        hint = f"{COMPARE_PIN}; `everywheel recipes update` rewrites pins"
    elif mismatches:
        hint = f"delete the wrong file from that mirror; {_IMPORT_HINT}"
    elif any(isinstance(reason, Superseded) for reason in reasons):
        hint = "`everywheel recipes update` looks for the patches of newer revisions and rewrites the pins"
    else:
        hint = f"set EVERYWHEEL_MIRRORS to a mirror; {_IMPORT_HINT}"
    if len(failed) == 1:
        (outcome,) = failed
        details = {"pinned": f"sha256 {outcome.file.sha256}", **outcome.reasons}
        return SourceError(f"{outcome.file.title} is not available from any location", details=details, hint=hint)
    lines: list[str] = []
    for outcome in failed:
        lines += [outcome.file.title, f"  pinned: sha256 {outcome.file.sha256}"]
        lines += [f"  {location}: {reason}" for location, reason in outcome.reasons.items()]
    return SourceError(f"{len(failed)} sources are not available from any location", excerpt=lines, hint=hint)
