"""Fetching: each pinned file from the first location that provides the pinned bytes, several files in parallel.

Patches that are members of one archive are fetched together: from mirrors that have them, else from their archive, which is
downloaded once, else from any other revision of the distribution's package in which they have the pinned hash.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from everywheel.execution.notices import report_notice
from everywheel.execution.threads import TICK, DaemonThreads, wait_for_any
from everywheel.sources.attempt import FetchRun, fetch_from_any
from everywheel.sources.availability import Availability
from everywheel.sources.cache import find_source, open_scratch, store_source
from everywheel.sources.deadline import Deadline, DeadlineExceeded
from everywheel.sources.distro.debian_source import PackageClient
from everywheel.sources.fetch_errors import Outcome, report_offline, report_timeout, report_unavailable
from everywheel.sources.locations import (
    Location,
    LocationSearch,
    SourceLocations,
    list_locations,
    list_mirror_locations,
    locate_other_revisions,
)
from everywheel.sources.patch_archive import read_patches
from everywheel.sources.progress import FetchEvent, FetchEventKind, ProgressCallback, ignore_progress
from everywheel.sources.request import PinnedFile, Unavailable, WrongPin, list_patch_archives

_SHUTDOWN_TIMEOUT = (
    1.0  # seconds that threads have for ending their downloads and child processes when everything stops
)


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
    availability = Availability()
    client = PackageClient(
        store=store, archives=locations.archives, files=missing, deadline=deadline, availability=availability
    )
    search = LocationSearch(locations=locations, client=client, deadline=deadline, availability=availability)
    fetcher = _Fetcher(run=FetchRun(store=store, search=search, progress=progress))
    failed: list[Outcome] = []
    try:
        for outcome in _run_parallel(fetcher.make_tasks(missing, offline=offline), jobs, deadline):
            if outcome.path is None:
                failed.append(outcome)
            else:
                paths[outcome.file.sha256] = outcome.path
    except DeadlineExceeded:
        late = [file for file in missing if not (store / "sources" / file.sha256).exists()]
        raise report_timeout(late, timeout) from None
    finally:
        deadline.stop()  # the package client may still be slow with a file that came from another location
    failed.sort(key=lambda outcome: unique.index(outcome.file))
    if failed:
        raise report_offline([outcome.file for outcome in failed]) if offline else report_unavailable(failed)
    return {file.sha256: paths[file.sha256] for file in unique}


def _look_up(store: Path, file: PinnedFile) -> Iterable[Outcome]:
    existed = os.path.lexists(store / "sources" / file.sha256)
    path = find_source(store, file.sha256)
    if existed and path is None:
        report_notice(f"{file.title}: its copy in the store was damaged; fetching it again")
    return (Outcome(file=file, path=path),)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetcher:
    """The tasks of one run."""

    run: FetchRun

    def make_tasks(self, files: Sequence[PinnedFile], *, offline: bool) -> list[Callable[[], Iterable[Outcome]]]:
        """Return a task for each file, and one for all patches of an archive."""
        alone = () if offline else [file for file in files if file.archive is None]
        tasks: list[Callable[[], Iterable[Outcome]]] = [partial(self._fetch_file, file) for file in alone]
        for archive in list_patch_archives(files):
            patches = [file for file in files if file.archive is not None and file.archive.sha256 == archive.sha256]
            tasks.append(partial(self._fetch_patches, archive, patches, offline))
        if offline:
            tasks.append(lambda: [Outcome(file=file) for file in files if file.archive is None])
        return tasks

    def _fetch_file(self, file: PinnedFile) -> Iterable[Outcome]:
        outcome = fetch_from_any(
            Outcome(file=file, reasons={"store": Unavailable("missing")}), partial(_list_all, file), self.run
        )
        if outcome.path is None:
            self.run.progress(FetchEvent(kind=FetchEventKind.FAILED, file=file))
        yield outcome

    def _fetch_patches(self, archive: PinnedFile, patches: Sequence[PinnedFile], offline: bool) -> Iterator[Outcome]:
        """Fetch the patches of one archive; offline, only from the copy of the archive in the store."""
        path = find_source(self.run.store, archive.sha256)
        left = [Outcome(file=patch, reasons={"store": Unavailable("missing")}) for patch in patches]
        if path is None and not offline:
            left = [
                fetch_from_any(outcome, partial(list_mirror_locations, outcome.file), self.run, gives_up=True)
                for outcome in left
            ]
            yield from (outcome for outcome in left if outcome.path is not None)
            left = [outcome for outcome in left if outcome.path is None]
        if left and path is None and not offline:
            unavailable = fetch_from_any(Outcome(file=archive), partial(_list_all, archive), self.run)
            path = unavailable.path
            left = [outcome if path else replace(outcome, archive=unavailable) for outcome in left]
        if path is not None:
            left = self._extract(archive, path, left)
        for outcome in left:
            if outcome.path is None and not offline and not outcome.is_wrong:
                outcome = fetch_from_any(outcome, partial(locate_other_revisions, outcome.file), self.run)
            if outcome.path is None:
                self.run.progress(FetchEvent(kind=FetchEventKind.FAILED, file=outcome.file))
            yield outcome

    def _extract(self, archive: PinnedFile, path: Path, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Store the patches that an archive contains; all of them are refused if the archive is."""
        patches = [outcome.file for outcome in outcomes]
        try:
            contents = read_patches(archive, path, patches)
        except WrongPin as reason:
            return [outcome.add(archive.filename, reason) for outcome in outcomes]
        results = []
        for outcome in outcomes:
            content = contents[outcome.file.sha256]
            if isinstance(content, WrongPin):
                results.append(outcome.add(archive.filename, content))
                continue
            with open_scratch(self.run.store) as scratch:
                (scratch / "file").write_bytes(content)
                stored = store_source(self.run.store, scratch / "file", outcome.file.sha256)
            event = FetchEvent(
                kind=FetchEventKind.DONE, file=outcome.file, location=archive.filename, size=len(content)
            )
            self.run.progress(event)
            results.append(Outcome(file=outcome.file, path=stored))
        return results


def _list_all(file: PinnedFile, search: LocationSearch) -> Iterator[Location]:
    yield from list_mirror_locations(file, search)
    yield from list_locations(file, search)


def _run_parallel(tasks: Sequence[Callable[[], Iterable[Outcome]]], jobs: int, deadline: Deadline) -> Iterator[Outcome]:
    """Run the tasks in threads and yield their outcomes in the order they end; an exception in one stops all of them.

    Ctrl-C and the total timeout take effect at once, even while a server does not answer.
    """

    def start(task: Callable[[], Iterable[Outcome]]) -> tuple[Outcome, ...]:
        deadline.check()
        return tuple(task())

    threads = DaemonThreads(jobs)
    running = [threads.submit(start, task) for task in tasks]
    try:
        while running:
            ended = wait_for_any(running, min(TICK, deadline.remaining))
            if not ended:
                deadline.check()
            running = [future for future in running if future not in ended]
            for future in ended:
                yield from future.result()
    except BaseException:
        deadline.stop()
        wait(running, timeout=_SHUTDOWN_TIMEOUT)
        raise
