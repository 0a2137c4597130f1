"""A remote store on a web server, which is only read; transfers that were interrupted are resumed."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from everywheel.execution.retry import RetryPolicy
from everywheel.remote.protocol import RemoteFile
from everywheel.sources.deadline import Deadline
from everywheel.sources.progress import OnBytes
from everywheel.sources.request import Missing, Unavailable
from everywheel.sources.url import Limits

RETRY_POLICY = RetryPolicy(attempts=3, connect_timeout=5.0, read_timeout=15.0)
"""A build is an alternative to a remote, so that less patience is needed than for sources."""
_LARGEST_LISTING = 64 << 20  # bytes
# A link in a listing of nginx, Apache, Caddy or Python's http.server to a file of a store, whose names are hashes.
_LINK = re.compile(r'href="(?:\./)?([0-9a-f]{64}(?:\.json)?)"')


class WebRemote:
    """The files below a URL."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str, file: Path, limits: Limits, on_bytes: OnBytes) -> None:
        """Download a file."""
        from everywheel.sources.http import download  # slow to import

        download(f"{self._url}/{path}", file, limits=limits, retry_policy=RETRY_POLICY, on_bytes=on_bytes)

    def put(self, file: Path, path: str, deadline: Deadline) -> None:
        """Refuse: there is no common protocol for uploads to web servers."""
        raise Unavailable("a web server is only read")

    def list_files(self, folder: str, deadline: Deadline) -> Iterator[RemoteFile]:
        """Yield the files that the server's listing of a folder links to."""
        with tempfile.TemporaryDirectory(prefix="everywheel-listing-") as name:
            page = Path(name) / "page"
            limits = Limits(deadline=deadline, size=_LARGEST_LISTING)
            try:
                self.get(f"{folder}/", page, limits, lambda size, total: None)
            except Missing:
                raise Unavailable("the server does not list its files") from None
            names = sorted(set(_LINK.findall(page.read_text(encoding="utf-8", errors="replace"))))
        yield from (RemoteFile(path=f"{folder}/{name}") for name in names)

    def remove(self, path: str, deadline: Deadline) -> None:
        """Refuse, as `put` does."""
        raise Unavailable("a web server is only read")
