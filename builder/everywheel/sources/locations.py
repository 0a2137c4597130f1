"""Locations of a pinned file: mirrors, the distribution's package client, upstream URLs, in this order."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from everywheel.execution.files import translate_os_errors
from everywheel.execution.retry import RetryPolicy
from everywheel.sources.deadline import Deadline
from everywheel.sources.distro.apt_archives import Archive
from everywheel.sources.distro.debian_source import PackageClient
from everywheel.sources.http import LARGEST_SOURCE, Limits, download, hide_password
from everywheel.sources.progress import OnBytes
from everywheel.sources.request import PinnedFile, Unavailable
from everywheel.sources.stall import STALL_SECONDS, end_when_stalled

PACKAGE_CLIENT = "package client"
"""The name of the package client's location in events and messages; all others are named by their URL or path."""

Fetch = Callable[[Path, OnBytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLocations:
    """The configurable locations, and how requests to any location are retried.

    A mirror is a base URL or a directory that has `<sha256>`, `<sha256>/<filename>` or `<filename>`. `archives` are the
    package archives for the distribution's client: None for those that this machine uses, empty for no client.
    """

    mirrors: tuple[str, ...] = ()
    archives: tuple[Archive, ...] | None = None
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)


def find_locations(environ: Mapping[str, str] = os.environ) -> SourceLocations:
    """Return the locations that the environment names: EVERYWHEEL_MIRRORS, separated by white space."""
    return SourceLocations(mirrors=tuple(environ.get("EVERYWHEEL_MIRRORS", "").split()))


def list_locations(
    file: PinnedFile, locations: SourceLocations, client: PackageClient, deadline: Deadline
) -> Iterator[tuple[str, Fetch | None]]:
    """Yield each location's name with the function that fetches from it, None if there is no package client."""

    size = file.size or LARGEST_SOURCE

    def fetch_url(url: str, path: Path, on_bytes: OnBytes) -> None:
        # Half of the time that is left is for the locations after this one.
        patience = STALL_SECONDS if url in file.urls[-1:] else min(STALL_SECONDS, deadline.remaining / 2)

        def start(own: Deadline, report: OnBytes) -> None:
            limits = Limits(deadline=own, size=size, is_pinned=bool(file.size))
            download(url, path, limits=limits, retry_policy=locations.retry_policy, on_bytes=report)

        end_when_stalled(start, deadline, on_bytes, seconds=patience)

    for mirror in locations.mirrors:
        for tail in (file.sha256, f"{file.sha256}/{file.filename}", file.filename):
            if mirror.startswith(("http://", "https://")):
                url = f"{mirror.rstrip('/')}/{quote(tail)}"
                yield hide_password(url), partial(fetch_url, url)
            else:
                directory = Path(unquote(urlsplit(mirror).path)) if mirror.startswith("file:") else Path(mirror)
                yield str(directory / tail), partial(_copy, directory / tail, size)
    if file.debian is not None:
        yield PACKAGE_CLIENT, partial(client.fetch, file) if client.exists else None
    for url in file.urls:
        yield hide_password(url), partial(fetch_url, url)


def is_canonical(file: PinnedFile, location: str) -> bool:
    """Return whether the pin was taken from this location; a mirror is a copy of it."""
    return location == PACKAGE_CLIENT or location in map(hide_password, file.urls)


def _copy(source: Path, limit: int, path: Path, on_bytes: OnBytes) -> None:
    if not source.is_file():
        raise Unavailable("no such file")
    try:
        with source.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise Unavailable(f"cannot be read: {os.strerror(error.errno or 0).lower()}") from None
    if size > limit:
        raise Unavailable(f"has {size} bytes, but at most {limit} are accepted")
    with translate_os_errors(path):
        shutil.copyfile(source, path)
    on_bytes(path.stat().st_size, path.stat().st_size)
