"""Locations of a pinned file: mirrors, the distribution's package client, upstream URLs, the snapshot service."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from everywheel.config.source_settings import SourceSettings
from everywheel.execution.files import hash_file, translate_os_errors
from everywheel.execution.retry import RetryPolicy
from everywheel.sources.availability import Availability
from everywheel.sources.deadline import Deadline
from everywheel.sources.distro.apt_archives import Archive
from everywheel.sources.distro.debian_source import PackageClient
from everywheel.sources.progress import OnBytes
from everywheel.sources.request import PinnedFile, SnapshotMismatch, Unavailable, WrongSize
from everywheel.sources.stall import STALL_SECONDS, end_when_stalled
from everywheel.sources.url import LARGEST_SOURCE, Limits, find_host, hide_password

PACKAGE_CLIENT = "package client"
"""The name of the package client's location in events and messages; all others are named by their URL or path."""

OTHER_REVISIONS = "other revisions"
"""The name of the package client's other revisions as the location of a patch."""

SNAPSHOT_SERVICE = "https://snapshot.debian.org"
"""Debian's snapshot service, which keeps every file that a suite has had: `/file/<sha1>`."""

NO_SNAPSHOT = "none"
"""The value of EVERYWHEEL_SNAPSHOT and `snapshot` that switches the snapshot service off."""

_NO_SETTINGS = SourceSettings()
_LAYOUTS = ("{sha256}", "sources/{sha256}", "{sha256}/{filename}", "{filename}")

Fetch = Callable[[Path, OnBytes], None]


class LocationKind(StrEnum):
    """The kinds of locations."""

    STORE = "store"
    MIRROR = "mirror"
    PACKAGE_CLIENT = "package client"
    UPSTREAM = "upstream"
    SNAPSHOT = "snapshot service"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLocations:
    """The configurable locations, and how requests to any location are retried.

    A mirror is a base URL or a directory that has `<sha256>`, `sources/<sha256>` (an unpacked bundle), `<sha256>/<filename>`
    or `<filename>` (the files of a release). `snapshot` is the base URL of the snapshot service, empty for none. `archives`
    are the package archives for the distribution's client: None for those that this machine uses, empty for no client.
    `patience` is the time in seconds after which the next location of a file is tried as well, if the first one is slow.
    """

    mirrors: tuple[str, ...] = ()
    snapshot: str = SNAPSHOT_SERVICE
    archives: tuple[Archive, ...] | None = None
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    patience: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """One location of one file, named as in messages.

    `host` is what may not answer for other files either, empty for a directory. `layout` is that of a mirror.
    """

    name: str
    kind: LocationKind
    fetch: Fetch
    host: str = ""
    mirror: str = ""
    layout: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationSearch:
    """The settings and the state that the locations of all files share in one run."""

    locations: SourceLocations
    client: PackageClient
    deadline: Deadline
    availability: Availability = field(default_factory=Availability)


def find_locations(settings: SourceSettings = _NO_SETTINGS, environ: Mapping[str, str] = os.environ) -> SourceLocations:
    """Return the locations that the environment names, then those of a project's settings.

    EVERYWHEEL_MIRRORS are separated by white space; EVERYWHEEL_SNAPSHOT replaces the project's `snapshot`.
    """
    own = tuple(environ.get("EVERYWHEEL_MIRRORS", "").split())
    base = environ.get("EVERYWHEEL_SNAPSHOT", "").strip() or settings.snapshot or SNAPSHOT_SERVICE
    return SourceLocations(
        mirrors=tuple(dict.fromkeys((*own, *settings.mirrors))),
        snapshot="" if base == NO_SNAPSHOT else base.rstrip("/"),
    )


def list_mirror_locations(file: PinnedFile, search: LocationSearch) -> Iterator[Location]:
    """Yield the locations of a file on the mirrors; each mirror's known layout is the first."""
    for mirror in search.locations.mirrors:
        for layout in search.availability.order_layouts(mirror, _LAYOUTS):
            tail = layout.format(sha256=file.sha256, filename=file.filename)
            if mirror.startswith(("http://", "https://")):
                url = f"{mirror.rstrip('/')}/{quote(tail)}"
                fetch = partial(_fetch_url, url, file, search, is_last=False)
                location = _locate_url(url, LocationKind.MIRROR, fetch, mirror=mirror, layout=layout)
            else:
                directory = Path(unquote(urlsplit(mirror).path)) if mirror.startswith("file:") else Path(mirror)
                location = Location(
                    name=str(directory / tail),
                    kind=LocationKind.MIRROR,
                    fetch=partial(_copy, directory / tail, file.size or LARGEST_SOURCE),
                    mirror=mirror,
                    layout=layout,
                )
            yield location


def list_locations(file: PinnedFile, search: LocationSearch) -> Iterator[Location]:
    """Yield the locations of a file that are not mirrors.

    The package client comes first if it has package lists, for a file in these lists. Updating them takes longer than most
    downloads, so it is done only if no other location has the file. The snapshot service comes after upstream: it keeps
    everything, but is not built for many downloads.
    """
    client = search.client
    has_client = file.debian is not None and client.exists
    if has_client and client.has_lists:
        yield _locate_client(partial(client.fetch_listed, file))
    has_snapshot = bool(search.locations.snapshot and file.sha1)
    for url in file.urls:
        is_last = url == file.urls[-1] and not (has_snapshot or has_client)
        yield _locate_url(url, LocationKind.UPSTREAM, partial(_fetch_url, url, file, search, is_last=is_last))
    if has_snapshot:
        url = f"{search.locations.snapshot}/file/{file.sha1}"
        fetch = partial(_fetch_snapshot, url, file, search, is_last=not has_client)
        yield _locate_url(url, LocationKind.SNAPSHOT, fetch)
    if has_client:
        yield _locate_client(partial(client.fetch, file))
    elif file.debian is not None:
        yield _locate_client(_refuse_client)


def locate_other_revisions(patch: PinnedFile, search: LocationSearch) -> Iterator[Location]:
    """Yield the package client as a location of a patch in any revision in which it has the pinned hash."""
    if patch.archive is not None and patch.archive.debian is not None and search.client.exists:
        yield replace(_locate_client(partial(search.client.fetch, patch)), name=OTHER_REVISIONS)


def is_canonical(file: PinnedFile, location: str) -> bool:
    """Return whether the pin was taken from this location; a mirror is a copy of it."""
    return location == PACKAGE_CLIENT or location in map(hide_password, file.urls)


def _locate_client(fetch: Fetch) -> Location:
    return Location(name=PACKAGE_CLIENT, kind=LocationKind.PACKAGE_CLIENT, fetch=fetch)


def _refuse_client(path: Path, on_bytes: OnBytes) -> None:
    raise Unavailable("none on this machine")


def _locate_url(url: str, kind: LocationKind, fetch: Fetch, *, mirror: str = "", layout: str = "") -> Location:
    return Location(name=hide_password(url), kind=kind, fetch=fetch, host=find_host(url), mirror=mirror, layout=layout)


def _fetch_url(
    url: str, file: PinnedFile, search: LocationSearch, path: Path, on_bytes: OnBytes, *, is_last: bool
) -> None:
    # Half of the time that is left is for the locations after this one.
    patience = STALL_SECONDS if is_last else min(STALL_SECONDS, search.deadline.remaining / 2)

    def start(own: Deadline, report: OnBytes) -> None:
        from everywheel.sources.http import download  # slow to import, and most runs download nothing

        limits = Limits(deadline=own, size=file.size or LARGEST_SOURCE, is_pinned=bool(file.size))
        download(url, path, limits=limits, retry_policy=search.locations.retry_policy, on_bytes=report)

    end_when_stalled(start, search.deadline, on_bytes, seconds=patience)


def _fetch_snapshot(
    url: str, file: PinnedFile, search: LocationSearch, path: Path, on_bytes: OnBytes, *, is_last: bool
) -> None:
    """Download a file by its sha1; raise SnapshotMismatch for a wrong service or a wrong `sha1` in the recipe."""
    _fetch_url(url, file, search, path, on_bytes, is_last=is_last)
    if (actual := hash_file(path)) == file.sha256:
        return
    with path.open("rb") as content:
        sha1 = hashlib.file_digest(content, "sha1").hexdigest()
    cause = "as pinned: that of another file" if sha1 == file.sha1 else "which is not that of the address"
    reason = f"hash mismatch: sha256 {actual}, pinned {file.sha256}; its sha1 is {sha1}, {cause}"
    raise SnapshotMismatch(reason, actual=actual, is_pinned=sha1 == file.sha1)


def _copy(source: Path, limit: int, path: Path, on_bytes: OnBytes) -> None:
    if not source.is_file():
        raise Unavailable("no such file")
    try:
        with source.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise Unavailable(f"cannot be read: {os.strerror(error.errno or 0).lower()}") from None
    if size > limit:
        raise WrongSize(f"has {size} bytes, but at most {limit} are accepted")
    with translate_os_errors(path):
        shutil.copyfile(source, path)
    on_bytes(path.stat().st_size, path.stat().st_size)
