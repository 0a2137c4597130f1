"""Addresses of remote stores: a folder, or the URL of a web server or a bucket, as options and settings name them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit

from everywheel.errors import UsageError
from everywheel.sources.url import hide_password

READ_ONLY = "#read-only"
"""The end of an address to which nothing is uploaded."""


class RemoteKind(StrEnum):
    """The kinds of remote stores; a web server can only be read."""

    FOLDER = "folder"
    WEB = "web"
    S3 = "s3"
    GCS = "gcs"


_KINDS = {
    "file": RemoteKind.FOLDER,
    "http": RemoteKind.WEB,
    "https": RemoteKind.WEB,
    "s3": RemoteKind.S3,
    "gs": RemoteKind.GCS,
    "gcs": RemoteKind.GCS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAddress:
    """One remote store; `location` is an absolute path for a folder, `bucket/prefix` for a bucket, and else a URL."""

    kind: RemoteKind
    location: str
    name: str
    read_only: bool

    @property
    def can_write(self) -> bool:
        """True if files may be uploaded to it."""
        return not self.read_only and self.kind is not RemoteKind.WEB


def parse_address(text: str, folder: Path) -> RemoteAddress:
    """Return the address that a text names; paths are relative to `folder`.

    Raises UsageError for an unknown scheme, and for a URL without a host or bucket.
    """
    url, read_only = text.removesuffix(READ_ONLY), text.endswith(READ_ONLY)
    scheme, separator, rest = url.partition("://")
    if not separator:
        if not url:
            raise UsageError("the address of a remote store is empty", hint=_HINT)
        path = str((folder / Path(url).expanduser()).absolute())
        return RemoteAddress(kind=RemoteKind.FOLDER, location=path, name=path, read_only=read_only)
    name = hide_password(url)
    kind = _KINDS.get(scheme.lower())
    if kind is None:
        raise UsageError(f"a remote store cannot have the URL {name}: unknown scheme '{scheme}'", hint=_HINT)
    if not url.isprintable() or " " in url or not _has_host(url, kind):
        raise UsageError(f"{name} is not the URL of a remote store", hint=_HINT)
    location = url.rstrip("/")
    if kind is RemoteKind.FOLDER:
        location = unquote(urlsplit(url).path)
    elif kind is not RemoteKind.WEB:
        location = rest.strip("/")
    return RemoteAddress(kind=kind, location=location, name=name.rstrip("/"), read_only=read_only)


_HINT = "a folder, or a URL such as https://example.org/store, s3://bucket/folder or gs://bucket/folder"


def _has_host(url: str, kind: RemoteKind) -> bool:
    try:
        parts = urlsplit(url)
        if kind is RemoteKind.FOLDER:
            return parts.netloc in ("", "localhost") and parts.path.startswith("/")
        return bool(parts.hostname) and parts.port != 0 and not parts.query and not parts.fragment
    except ValueError:
        return False
