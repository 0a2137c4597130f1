"""HTTP: one file, downloaded with retries; a dropped connection is resumed where the server can."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3

from everywheel.execution.files import translate_os_errors
from everywheel.sources.deadline import Deadline, RetryPolicy
from everywheel.sources.request import Unavailable

OnBytes = Callable[[int, int], None]

_CHUNK = 1 << 16
_TRY_AGAIN = frozenset({408, 416, 425, 429, 500, 502, 503, 504})


class _Dropped(Exception):
    """An attempt failed in a way that another may not."""


@dataclass(slots=True)
class _Part:
    """What an earlier attempt left: `tag` is the server's name for that version of the file (RFC 9110, If-Range)."""

    path: Path
    tag: str = ""

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.tag and self.path.exists() else 0


def download(url: str, into: Path, *, clock: Deadline, patience: RetryPolicy, on_bytes: OnBytes) -> None:
    """Download one URL to a file; raise Unavailable with the server's answer, or Stopped when the time is over.

    The bytes are those of the file itself: no content coding is asked for or undone. `on_bytes` gets the size so far
    and the size in all, 0 where the server does not say. Checking the hash is the caller's part.
    """
    part = _Part(into)
    for attempt in range(1, patience.attempts + 1):
        clock.check()
        try:
            _continue_download(url, part, clock, patience, on_bytes)
            return
        except _Dropped as reason:
            if attempt == patience.attempts:
                raise Unavailable(f"{reason} ({attempt} attempts)" if attempt > 1 else str(reason)) from None
        clock.sleep(patience.pause * 2 ** (attempt - 1))


def _continue_download(url: str, part: _Part, clock: Deadline, patience: RetryPolicy, on_bytes: OnBytes) -> None:
    have = part.size
    headers = {"Accept-Encoding": "identity", "User-Agent": "everywheel"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": part.tag}
    timeout = (min(patience.connect, clock.remaining + 0.01), min(patience.read, clock.remaining + 0.01))
    try:
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
            if response.status_code not in (200, 206):
                part.tag = ""
                answer = f"{response.status_code} {response.reason}".strip()
                raise _Dropped(answer) if response.status_code in _TRY_AGAIN else Unavailable(answer)
            if response.status_code == 200:
                have = 0
            elif not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                part.tag = ""
                raise _Dropped("the server went on at another place")
            tag = response.headers.get("ETag", "")
            part.tag = "" if tag.startswith("W/") else tag
            length = response.headers.get("Content-Length", "")
            total = have + int(length) if length.isdigit() else 0
            size = _write(response, part.path, have, clock, lambda so_far: on_bytes(so_far, total))
    except requests.RequestException as error:
        if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
            raise Unavailable("not a URL that can be fetched") from None
        raise _Dropped(_describe(error, patience)) from None
    except urllib3.exceptions.HTTPError as error:
        raise _Dropped(_describe(error, patience)) from None
    if total and size != total:
        raise _Dropped(f"the connection broke off after {size} of {total} bytes")


def _write(response: requests.Response, into: Path, have: int, clock: Deadline, on_size: Callable[[int], None]) -> int:
    size = have
    with translate_os_errors(into), into.open("ab" if have else "wb") as file:
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            clock.check()
            file.write(chunk)
            size += len(chunk)
            on_size(size)
    return size


def _describe(error: BaseException, patience: RetryPolicy) -> str:
    """Put what lies under a chain of exceptions in a few words; the most telling kind decides."""
    exceptions, inner = requests.exceptions, urllib3.exceptions
    meanings: list[tuple[tuple[type[BaseException], ...], str]] = [
        ((inner.NameResolutionError, socket.gaierror), "host name not found"),
        ((exceptions.SSLError, inner.SSLError), "the certificate or the TLS protocol was refused"),
        ((exceptions.ProxyError, inner.ProxyError), "the proxy did not answer"),
        ((ConnectionRefusedError,), "connection refused"),
        ((exceptions.ReadTimeout, inner.ReadTimeoutError), f"no bytes for {patience.read:g} s"),
        ((exceptions.ConnectTimeout, TimeoutError), f"no connection within {patience.connect:g} s"),
        ((ConnectionError, inner.ProtocolError, exceptions.ChunkedEncodingError), "the connection broke off"),
    ]
    causes = list(_walk(error))
    for kinds, words in meanings:
        if any(isinstance(cause, kinds) for cause in causes):
            return words
    return "the connection failed"


def _walk(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and everything wrapped in it, as urllib3 and requests wrap: in args, reason and causes."""
    pending, seen = [error], set[int]()
    while pending:
        cause = pending.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = (*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__)
        pending += [part for part in inner if isinstance(part, BaseException)]


def hide_password(url: str) -> str:
    """Return a URL fit for a message: without user name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else url
