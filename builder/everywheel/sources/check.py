"""Trying every location of pinned files: which of them have the right bytes, and how many independent ones are left."""

from __future__ import annotations

import operator
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from everywheel.sources.attempt import FetchRun, fetch_from
from everywheel.sources.availability import Availability
from everywheel.sources.cache import find_source
from everywheel.sources.check_result import Answer, CheckedFile, CheckedLocation, CheckedUnit, name_operator
from everywheel.sources.deadline import Deadline, DeadlineExceeded
from everywheel.sources.distro.debian_source import PackageClient
from everywheel.sources.lanes import run_in_lanes
from everywheel.sources.locations import (
    Location,
    LocationKind,
    LocationSearch,
    SourceLocations,
    list_locations,
    list_mirror_locations,
    locate_other_revisions,
)
from everywheel.sources.patch_archive import read_patches
from everywheel.sources.progress import FetchEvent, FetchEventKind, ProgressCallback, ignore_progress
from everywheel.sources.request import HashMismatch, PinnedFile, Unavailable, Unreachable, WrongPin, WrongSize
from everywheel.sources.url import hide_password

_DEBIAN = "debian.org"
_NO_TIME = "not tried: no time was left"
_DAMAGED = "its copy was damaged, and has been removed"
_Task = Callable[[], tuple[int, CheckedLocation]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """The locations to try: their kinds, how many of them at the same time, and the time limit in seconds for all."""

    locations: SourceLocations
    kinds: Collection[LocationKind] = tuple(LocationKind)
    jobs: int = 8
    timeout: float = 1800.0


def check_sources(
    units: Sequence[CheckedUnit],
    store: Path,
    options: CheckOptions,
    *,
    on_begin: Callable[[int], None] = lambda total: None,
    on_answer: Callable[[CheckedLocation], None] = lambda answer: None,
    progress: ProgressCallback = ignore_progress,
) -> tuple[CheckedFile, ...]:
    """Try every location of the units, and return the answers in the order of the units.

    Every file is downloaded and hashed; of the right ones, the store keeps those that it did not have. `on_begin` receives
    the number of locations, and `on_answer` the answers in the order in which they arrive. Raises MachineError when the
    store cannot be written.
    """
    deadline, availability = Deadline(options.timeout), Availability()
    client = PackageClient(
        store=store,
        archives=options.locations.archives,
        files=[unit.file for unit in units],
        deadline=deadline,
        availability=availability,
    )
    search = LocationSearch(locations=options.locations, client=client, deadline=deadline, availability=availability)
    checker = _Checker(run=FetchRun(store=store, search=search, progress=progress))
    answers: dict[str, dict[int, CheckedLocation]] = defaultdict(dict)
    tasks = checker.list_tasks(units, options.kinds)
    on_begin(sum(map(len, tasks.values())))
    for number, answer in run_in_lanes(tasks, jobs=options.jobs, deadline=deadline):
        answers[answer.unit.file.sha256][number] = answer
        on_answer(answer)
    return tuple(
        CheckedFile(
            unit=unit,
            locations=tuple(answer for _, answer in sorted(answers[unit.file.sha256].items())),
            fault=checker.find_fault(unit),
        )
        for unit in units
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checker:
    """The tasks of one check."""

    run: FetchRun

    def list_tasks(self, units: Sequence[CheckedUnit], kinds: Collection[LocationKind]) -> dict[str, list[_Task]]:
        """Return the tasks of each host, which return their answers with numbers in the order of the locations."""
        tasks: dict[str, list[_Task]] = defaultdict(list)
        for unit in units:
            for number, (host, ask) in enumerate(self._list_questions(unit, kinds)):
                tasks[host].append(partial(_number_answer, number, ask))
        return tasks

    def _list_questions(
        self, unit: CheckedUnit, kinds: Collection[LocationKind]
    ) -> Iterator[tuple[str, Callable[[], CheckedLocation]]]:
        """Yield each location's host, and the function that tries it; a mirror is one location in any layout."""
        if LocationKind.STORE in kinds:
            yield LocationKind.STORE, partial(self._check_store, unit)
        for mirror in self.run.search.locations.mirrors if LocationKind.MIRROR in kinds else ():
            yield urlsplit(mirror).netloc.rpartition("@")[2] or mirror, partial(self._check_mirror, unit, mirror)
        # The package client may be named twice, before and after it updates its lists: the last one does both.
        locations = {location.name: location for location in list_locations(unit.file, self.run.search)}.values()
        for kind in sorted(kinds, key=tuple(LocationKind).index):
            for location in locations:
                if location.kind is kind:
                    yield location.host or location.kind, partial(self._check_location, unit, location)

    def find_fault(self, unit: CheckedUnit) -> str:
        """Return why a patch cannot be taken from its archive, if the store has the archive."""
        path = find_source(self.run.store, unit.file.sha256) if unit.patches else None
        if path is None:
            return ""
        try:
            contents = read_patches(unit.file, path, unit.patches)
        except WrongPin as reason:
            return str(reason)
        return next((str(content) for content in contents.values() if isinstance(content, WrongPin)), "")

    def _check_store(self, unit: CheckedUnit) -> CheckedLocation:
        answer = self._look_up((unit.file,))
        if answer is not Answer.RIGHT and unit.patches:
            of_patches = self._look_up(unit.patches)
            answer = answer if of_patches is Answer.MISSING else of_patches
        reason = _DAMAGED if answer is Answer.WRONG else ""
        return CheckedLocation(
            unit=unit, kind=LocationKind.STORE, name=LocationKind.STORE, answer=answer, reason=reason
        )

    def _look_up(self, files: Sequence[PinnedFile]) -> Answer:
        """Return whether the store has all of the files, or a damaged copy of one."""
        existed = [os.path.lexists(self.run.store / "sources" / file.sha256) for file in files]
        missing = [find_source(self.run.store, file.sha256) is None for file in files]
        if not any(missing):
            return Answer.RIGHT
        return Answer.WRONG if any(map(operator.and_, existed, missing)) else Answer.MISSING

    def _check_mirror(self, unit: CheckedUnit, mirror: str) -> CheckedLocation:
        def fetch(file: PinnedFile) -> None:
            self._fetch_from_mirror(mirror, file)

        answer, reason = self._try(unit, fetch, fetch)
        return CheckedLocation(
            unit=unit, kind=LocationKind.MIRROR, name=hide_password(mirror), answer=answer, reason=reason
        )

    def _check_location(self, unit: CheckedUnit, location: Location) -> CheckedLocation:
        if location.kind is LocationKind.PACKAGE_CLIENT:
            answer, reason = self._try(unit, partial(self._fetch, location), self._fetch_from_revisions)
            if not self.run.search.client.exists:
                answer = Answer.NONE
        else:
            answer, reason = self._try(unit, partial(self._fetch, location), None)
        return CheckedLocation(
            unit=unit,
            kind=location.kind,
            name=location.name,
            operator=self._name_operator(unit, location),
            answer=answer,
            reason=reason,
        )

    def _try(
        self, unit: CheckedUnit, fetch: Callable[[PinnedFile], None], fetch_patch: Callable[[PinnedFile], None] | None
    ) -> tuple[Answer, str]:
        """Fetch a unit; if its archive is missing, fetch each of its patches, which a location may have without it."""
        try:
            try:
                fetch(unit.file)
            except Unavailable:
                if fetch_patch is None or not unit.patches:
                    raise
                for patch in unit.patches:
                    fetch_patch(patch)
                return Answer.RIGHT, f"without {unit.file.filename}, but with all patches"
        except DeadlineExceeded:
            return Answer.UNREACHABLE, _NO_TIME
        except (HashMismatch, WrongSize) as reason:
            return Answer.WRONG, str(reason)
        except Unreachable as reason:
            return Answer.UNREACHABLE, str(reason)
        except Unavailable as reason:
            return Answer.MISSING, str(reason)
        return Answer.RIGHT, ""

    def _fetch_from_mirror(self, mirror: str, file: PinnedFile) -> None:
        """Fetch a file from a mirror in any layout; raise Unavailable with the last reason."""
        last = Unavailable("missing")
        for location in list_mirror_locations(file, self.run.search):
            if location.mirror != mirror:
                continue
            try:
                self._fetch(location, file)
                return
            except (HashMismatch, WrongSize, Unreachable):
                raise
            except Unavailable as reason:
                last = reason
        raise last

    def _fetch_from_revisions(self, patch: PinnedFile) -> None:
        """Fetch a patch through the package client, from any revision that has it."""
        for location in locate_other_revisions(patch, self.run.search):
            self._fetch(location, patch)
            return
        raise Unavailable("no other revision")

    def _fetch(self, location: Location, file: PinnedFile) -> None:
        """Download a file and compare it with its pin; raise Unavailable with the reason, or DeadlineExceeded."""
        try:
            fetch_from(location, file, self.run)
        finally:
            # Results are reported by location, not by file.
            self.run.progress(FetchEvent(kind=FetchEventKind.REFUSED, file=file, location=location.name))

    def _name_operator(self, unit: CheckedUnit, location: Location) -> str:
        """Return who operates a location; a service of snapshots is another one than the archive that it copies.

        A URL of the archives that the package client uses is no other location than the client.
        """
        if location.kind is LocationKind.PACKAGE_CLIENT:
            return location.kind
        if location.host == urlsplit(self.run.search.locations.snapshot).netloc.rpartition("@")[2]:
            return location.host
        operator = name_operator(location.host)
        archives = {_DEBIAN, *map(name_operator, self.run.search.client.hosts)}
        path = urlsplit(location.name).path
        if operator in archives and unit.file.debian is not None and path.endswith(f"/{unit.file.debian.file}"):
            return LocationKind.PACKAGE_CLIENT
        return operator


def _number_answer(number: int, ask: Callable[[], CheckedLocation]) -> tuple[int, CheckedLocation]:
    return number, ask()
