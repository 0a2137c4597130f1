"""Fetching: each wanted file from the first place that gives the pinned bytes, all of them in parallel."""

from __future__ import annotations

import os
import queue
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from everywheel.errors import EverywheelError, SourceError
from everywheel.execution.files import translate_os_errors
from everywheel.sources.cache import find_source, open_scratch, store_source
from everywheel.sources.deadline import Deadline, DeadlineExceeded, RetryPolicy
from everywheel.sources.distro.apt_archives import Archive
from everywheel.sources.distro.debian_source import PackageClient
from everywheel.sources.http import download, hide_password
from everywheel.sources.progress import Event, FetchEventKind, Progress, ignore_progress
from everywheel.sources.request import COMPARE, HashMismatch, PinnedFile, Superseded, Unavailable

_BRING = "`everywheel sources import BUNDLE` brings sources from another machine"
_LINGER = 1.0  # seconds that threads get to end their downloads and child processes when everything stops


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLocations:
    """Where to look besides the store and upstream.

    A mirror is a base URL or a folder that holds `<sha256>`, `<sha256>/<filename>` or `<filename>`. `archives` are the
    package archives for the distribution's client: None asks the machine for its own, an empty tuple leaves it out.
    """

    mirrors: tuple[str, ...] = ()
    archives: tuple[Archive, ...] | None = None
    patience: RetryPolicy = field(default_factory=RetryPolicy)


def find_locations(environ: Mapping[str, str] = os.environ) -> SourceLocations:
    """Return the places that the environment names: EVERYWHEEL_MIRRORS, separated by white space."""
    return SourceLocations(mirrors=tuple(environ.get("EVERYWHEEL_MIRRORS", "").split()))


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How it went with one file: where it is, or what each place answered, or what went wrong with the machine."""

    wanted: PinnedFile
    path: Path | None = None
    answers: Mapping[str, Unavailable] = field(default_factory=dict)
    error: BaseException | None = None


def fetch_sources(
    wanted: Sequence[PinnedFile],
    *,
    store: Path,
    places: SourceLocations,
    offline: bool = False,
    jobs: int = 4,
    timeout: float = 1800.0,
    progress: Progress = ignore_progress,
) -> dict[str, Path]:
    """Return where each wanted file is in the store, by its sha256, after fetching what is not there yet.

    `timeout` is in seconds and for everything together. What arrived before an error stays in the store.
    Raises SourceError that names every file that cannot be had and what each place answered, or MachineError.
    """
    clock = Deadline(timeout)
    unique = list({one.sha256: one for one in wanted}.values())
    found: dict[str, Path] = {}
    missing: list[PinnedFile] = []
    for outcome in _run_parallel([partial(_look_up, store, one) for one in unique], unique, jobs, clock):
        if outcome.path is None:
            missing.append(outcome.wanted)
        else:
            found[outcome.wanted.sha256] = outcome.path
            progress(Event(happening=FetchEventKind.CACHED, wanted=outcome.wanted, place=str(store)))
    missing.sort(key=unique.index)
    if missing and offline:
        raise _report_offline(missing)
    client = PackageClient(store=store, archives=places.archives, wanted=missing, clock=clock)
    tasks = [partial(_fetch, one, store, places, client, clock, progress) for one in missing]
    refused: list[_Outcome] = []
    try:
        for outcome in _run_parallel(tasks, missing, jobs, clock):
            if outcome.path is None:
                refused.append(outcome)
            else:
                found[outcome.wanted.sha256] = outcome.path
    except DeadlineExceeded:
        raise _report_timeout([one for one in missing if one.sha256 not in found], timeout) from None
    if refused:
        raise _report_refused(sorted(refused, key=lambda outcome: unique.index(outcome.wanted)))
    return {one.sha256: found[one.sha256] for one in unique}


def _look_up(store: Path, wanted: PinnedFile) -> _Outcome:
    return _Outcome(wanted, path=find_source(store, wanted.sha256))


def _fetch(
    wanted: PinnedFile, store: Path, places: SourceLocations, client: PackageClient, clock: Deadline, progress: Progress
) -> _Outcome:
    """Try the places in order."""
    answers: dict[str, Unavailable] = {"store": Unavailable("not there")}
    for place, get in _list_places(wanted, places, client, clock):
        clock.check()
        if get is None:
            answers[place] = Unavailable("none on this machine")
            continue
        progress(Event(happening=FetchEventKind.STARTED, wanted=wanted, place=place))

        def tell(size: int, total: int, place: str = place) -> None:
            progress(Event(happening=FetchEventKind.BYTES, wanted=wanted, place=place, size=size, total=total))

        with open_scratch(store) as scratch:
            try:
                file = scratch / "file"
                get(file, tell)
                clock.check()
                path = store_source(store, file, wanted.sha256)
            except Unavailable as reason:
                answers[place] = reason
                progress(Event(happening=FetchEventKind.REFUSED, wanted=wanted, place=place, text=str(reason)))
                continue
        progress(Event(happening=FetchEventKind.DONE, wanted=wanted, place=place, size=path.stat().st_size))
        return _Outcome(wanted, path=path)
    progress(Event(happening=FetchEventKind.FAILED, wanted=wanted))
    return _Outcome(wanted, answers=answers)


_Get = Callable[[Path, Callable[[int, int], None]], None]


def _list_places(
    wanted: PinnedFile, places: SourceLocations, client: PackageClient, clock: Deadline
) -> Iterator[tuple[str, _Get | None]]:
    """Yield the places in order, each with how to get the file there, None for a package client that is not there."""

    def from_url(url: str, into: Path, tell: Callable[[int, int], None]) -> None:
        download(url, into, clock=clock, patience=places.patience, on_bytes=tell)

    for mirror in places.mirrors:
        for tail in (wanted.sha256, f"{wanted.sha256}/{wanted.filename}", wanted.filename):
            if urlsplit(mirror).scheme in ("http", "https"):
                url = f"{mirror.rstrip('/')}/{quote(tail)}"
                yield hide_password(url), partial(from_url, url)
            else:
                folder = Path(unquote(urlsplit(mirror).path)) if mirror.startswith("file:") else Path(mirror)
                yield str(folder / tail), partial(_copy, folder / tail)
    if wanted.debian is not None:
        yield "package client", partial(client.fetch, wanted) if client.exists else None
    for url in wanted.urls:
        yield hide_password(url), partial(from_url, url)


def _copy(file: Path, into: Path, tell: Callable[[int, int], None]) -> None:
    if not file.is_file():
        raise Unavailable("no such file")
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise Unavailable(f"cannot be read: {os.strerror(error.errno or 0).lower()}") from None
    with translate_os_errors(into):
        shutil.copyfile(file, into)
    tell(into.stat().st_size, into.stat().st_size)


def _run_parallel(
    tasks: Sequence[Callable[[], _Outcome]], wanted: Sequence[PinnedFile], jobs: int, clock: Deadline
) -> Iterator[_Outcome]:
    """Run the tasks in threads and yield their outcomes as they come; an exception of one stops all.

    The threads are daemons: Ctrl-C and the total time-out take effect at once, even while a server lets one wait.
    """
    waiting: queue.SimpleQueue[tuple[Callable[[], _Outcome], PinnedFile]] = queue.SimpleQueue()
    outcomes: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()
    for task in zip(tasks, wanted, strict=True):
        waiting.put(task)

    def work() -> None:
        while clock.remaining:
            try:
                task, one = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                outcomes.put(task())
            except BaseException as error:  # it is raised again in the thread that waits
                outcomes.put(_Outcome(one, error=error))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(jobs, len(tasks)))]
    for thread in threads:
        thread.start()
    try:
        for _ in tasks:
            try:
                outcome = outcomes.get(timeout=clock.remaining)
            except queue.Empty:
                raise DeadlineExceeded from None
            if outcome.error is not None:
                raise outcome.error
            yield outcome
    except BaseException:
        clock.stop()
        for thread in threads:
            thread.join(_LINGER / len(threads))
        raise


def _report_offline(missing: Sequence[PinnedFile]) -> EverywheelError:
    hint = f"run once without --offline; {_BRING}"
    if len(missing) == 1:
        return SourceError(
            f"{missing[0].title} is not in the store, and --offline forbids fetching it",
            details={"pinned": f"sha256 {missing[0].sha256}"},
            hint=hint,
        )
    return SourceError(
        f"{len(missing)} sources are not in the store, and --offline forbids fetching them",
        excerpt=[f"{one.title}  sha256 {one.sha256}" for one in missing],
        hint=hint,
    )


def _report_timeout(missing: Sequence[PinnedFile], timeout: float) -> EverywheelError:
    return SourceError(
        f"fetching the sources took longer than {timeout:g} s",
        excerpt=[f"{one.title}  sha256 {one.sha256}" for one in missing],
        hint=f"run it again: what has arrived is kept; {_BRING}",
    )


def _is_canonical(wanted: PinnedFile, place: str) -> bool:
    """Tell whether a place is where the pin was taken from, rather than somebody's mirror of it."""
    return place == "package client" or place in map(hide_password, wanted.urls)


def _report_refused(refused: Sequence[_Outcome]) -> EverywheelError:
    answers = [answer for outcome in refused for answer in outcome.answers.values()]
    wrong = [
        (outcome, place)
        for outcome in refused
        for place, answer in outcome.answers.items()
        if isinstance(answer, HashMismatch)
    ]
    if any(_is_canonical(outcome.wanted, place) for outcome, place in wrong):
        hint = f"{COMPARE}; `everywheel recipes update` rewrites pins"
    elif wrong:
        hint = f"drop the wrong file from that mirror; {_BRING}"
    elif any(isinstance(answer, Superseded) for answer in answers):
        hint = "`everywheel recipes update` looks for the patches of newer revisions and rewrites the pins"
    else:
        hint = f"EVERYWHEEL_MIRRORS may name a mirror; {_BRING}"
    if len(refused) == 1:
        only = refused[0]
        details = {"pinned": f"sha256 {only.wanted.sha256}", **only.answers}
        return SourceError(f"{only.wanted.title} cannot be had", details=details, hint=hint)
    lines: list[str] = []
    for outcome in refused:
        lines += [outcome.wanted.title, f"  pinned: sha256 {outcome.wanted.sha256}"]
        lines += [f"  {place}: {text}" for place, text in outcome.answers.items()]
    return SourceError(f"{len(refused)} sources cannot be had", excerpt=lines, hint=hint)
