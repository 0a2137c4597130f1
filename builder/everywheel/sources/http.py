"""HTTP downloads: requests retries the request, and an interrupted transfer is resumed if the server supports it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import exceptions
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from everywheel.execution.cancellation import check_cancellation
from everywheel.execution.files import translate_os_errors
from everywheel.execution.retry import RetryPolicy
from everywheel.sources.deadline import Deadline
from everywheel.sources.progress import OnBytes
from everywheel.sources.request import Missing, NoConnection, Unavailable, Unreachable, WrongSize
from everywheel.sources.url import Limits

_CHUNK = 1 << 16
_MAX_REDIRECTS = 10
_MISSING_STATUSES = frozenset({404, 410})
_RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
# All exceptions by which requests, urllib3 and http.client report an answer or a URL that they cannot use: urllib3 raises
# LocationParseError, and urllib.parse ValueError and UnicodeError, for a malformed redirect.
_BAD_URLS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    exceptions.LocationParseError,
    UnicodeError,
)
_NO_CONNECTION = (
    exceptions.NewConnectionError,
    exceptions.ConnectTimeoutError,
    exceptions.ProxyError,
    exceptions.SSLError,
)
_BROKEN_ANSWERS = (requests.RequestException, exceptions.HTTPError, HTTPException, ValueError, OverflowError)


class _Interrupted(Exception):
    """A transfer that ended before the last byte, or a busy server; the next request resumes it or starts it again.

    `delay` is the time in seconds that the server requested to wait.
    """

    def __init__(self, reason: str, delay: float | None = None) -> None:
        super().__init__(reason)
        self.delay = delay


class _DeadlineRetry(Retry):
    """urllib3's count of attempts, with the delays of a RetryPolicy and no wait beyond the deadline.

    A server's Retry-After replaces the delay, up to the policy's longest delay: another location may be faster.
    """

    policy: RetryPolicy
    deadline: Deadline

    @classmethod
    def from_policy(cls, policy: RetryPolicy, deadline: Deadline) -> _DeadlineRetry:
        """Return the state before the first attempt."""
        retry = cls(total=policy.attempts - 1, respect_retry_after_header=False)
        retry.policy, retry.deadline = policy, deadline
        return retry

    def new(self, **kw: Any) -> Self:
        """Return the next state, which urllib3 builds from the constructor's arguments, with the policy and deadline."""
        retry = super().new(**kw)
        retry.policy, retry.deadline = self.policy, self.deadline
        return retry

    @property
    def attempts(self) -> int:
        """The number of attempts so far, including the current one."""
        return len(self.history) + 1

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Wait before the next attempt; raise DeadlineExceeded when no time is left."""
        self.wait(None)

    def wait(self, requested: float | None) -> None:
        """Wait as `sleep` does, for the time that a server requested if it did."""
        delay = self.policy.delays[len(self.history) - 1]
        self.deadline.sleep(delay if requested is None else max(0.0, min(requested, self.policy.max_delay)))


class _Session(requests.Session):
    """A session that follows no redirects: requests reads their bodies into memory, even with `allow_redirects=False`."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None

    def find_redirect(self, response: requests.Response) -> str | None:
        """Return the Location of a redirect as the server sent it; None for any other response."""
        return super().get_redirect_target(response)


@dataclass(slots=True, kw_only=True)
class _PartialFile:
    """The bytes received so far; `tag` is the server's strong validator of that version (RFC 9110, If-Range)."""

    path: Path
    tag: str = ""

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.tag and self.path.exists() else 0

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request for the bytes that are missing."""
        return {"Range": f"bytes={self.size}-", "If-Range": self.tag} if self.size else {}


def download(url: str, path: Path, *, limits: Limits, retry_policy: RetryPolicy, on_bytes: OnBytes) -> None:
    """Download one URL to a file; raise Unavailable with the reason, or DeadlineExceeded.

    The bytes are those of the file itself: no content coding is requested or decoded. `on_bytes` receives the size so
    far and the total size, 0 if the server sends no length. The caller checks the hash.

    urllib3's Retry repeats requests, but not once the headers have arrived (https://github.com/urllib3/urllib3/issues/542).
    The loop below resumes transfers and counts each resumption as one more attempt of the same Retry. It also repeats requests
    for a status and follows redirects, since requests and urllib3 would read the bodies of these answers, of any size.
    """
    part = _PartialFile(path=path)
    retry = _DeadlineRetry.from_policy(retry_policy, limits.deadline)
    adapter = HTTPAdapter(max_retries=retry)
    with _Session() as session:
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        while True:
            limits.deadline.check()
            try:
                with _request(session, url, part, limits.deadline, retry_policy) as response:
                    if isinstance(response.raw.retries, _DeadlineRetry):  # it counts the requests that urllib3 repeated
                        retry = response.raw.retries
                    _receive(response, part, limits, retry, on_bytes)
                    return
            except _Interrupted as error:
                interruption = error
            except _BROKEN_ANSWERS as error:
                interruption = _Interrupted(_describe(error, retry_policy))
            try:
                retry = retry.increment("GET", url, error=interruption)
            except exceptions.MaxRetryError:
                raise Unreachable(_count_attempts(str(interruption), retry.attempts)) from None
            retry.wait(interruption.delay)
            adapter.max_retries = retry


def _request(
    session: _Session, url: str, part: _PartialFile, deadline: Deadline, policy: RetryPolicy
) -> requests.Response:
    """Return the response once its headers have arrived, after following redirects.

    Raises Unavailable when all attempts fail before that. Credentials in a URL are only sent to its own host.
    """
    headers = {"Accept-Encoding": "identity", "User-Agent": "everywheel", **part.headers}
    for _ in range(_MAX_REDIRECTS + 1):
        remaining = deadline.remaining + 0.01  # urllib3 refuses a timeout of 0
        timeout = (min(policy.connect_timeout, remaining), min(policy.read_timeout, remaining))
        try:
            response = session.get(url, headers=headers, stream=True, timeout=timeout, allow_redirects=False)
        except _BAD_URLS:
            raise Unavailable("not a URL that can be fetched") from None
        except _BROKEN_ANSWERS as error:
            kind = NoConnection if isinstance(_find_cause(error), _NO_CONNECTION) else Unreachable
            raise kind(_count_attempts(_describe(error, policy), policy.attempts)) from None
        try:
            target = session.find_redirect(response)
            if target is None:
                return response
            response.close()
            url = urljoin(url, target)
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
                raise ValueError
        except ValueError:
            response.close()
            raise Unavailable("redirects to a URL that cannot be fetched") from None
    raise Unavailable(f"more than {_MAX_REDIRECTS} redirects")


def _receive(
    response: requests.Response, part: _PartialFile, limits: Limits, retry: _DeadlineRetry, on_bytes: OnBytes
) -> None:
    """Write a response's bytes to the file: from the start, or after those of an earlier response."""
    start = part.size
    if response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        pass
    elif response.status_code == 200:
        start = 0
    elif response.status_code in (206, 416):
        part.tag = ""
        raise _Interrupted("the server does not resume where the transfer was interrupted")
    else:
        reason = f"{response.status_code} {response.reason or ''}".strip()
        if response.status_code in _RETRIED_STATUSES:
            raise _Interrupted(reason, _parse_delay(retry, response.headers.get("Retry-After")))
        kind = Missing if response.status_code in _MISSING_STATUSES else Unavailable
        raise kind(_count_attempts(reason, retry.attempts))
    tag = response.headers.get("ETag", "")
    part.tag = "" if tag.startswith("W/") else tag
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0
    if total > limits.size:
        raise WrongSize(f"has {total} bytes, but {limits.describe_size()}")
    _write(response, part.path, start, limits, lambda size: on_bytes(size, total))


def _parse_delay(retry: Retry, value: str | None) -> float | None:
    """Return the seconds in a Retry-After header (RFC 9110), or None without a valid one."""
    try:
        return None if value is None else retry.parse_retry_after(value)
    except (exceptions.HTTPError, ValueError, OverflowError):
        return None


def _write(response: requests.Response, path: Path, start: int, limits: Limits, on_size: Callable[[int], None]) -> None:
    size = start
    with translate_os_errors(path), path.open("ab" if start else "wb") as file:
        # Not `stream`: it reads the lines of a chunked body without a bound for their length.
        while chunk := response.raw.read(_CHUNK, decode_content=False):
            check_cancellation()
            limits.deadline.check()
            size += len(chunk)
            if size > limits.size:
                raise WrongSize(f"sends more bytes, but {limits.describe_size()}")
            file.write(chunk)
            on_size(size)


def _count_attempts(reason: str, attempts: int) -> str:
    return f"{reason} ({attempts} attempts)" if attempts > 1 else reason


def _find_cause(error: BaseException) -> object:
    """Return the exception of urllib3 that one of requests is for."""
    cause = error.args[0] if isinstance(error, requests.RequestException) and error.args else error
    return cause.reason if isinstance(cause, exceptions.MaxRetryError) else cause


def _describe(error: BaseException, policy: RetryPolicy) -> str:
    """Return a short reason for an exception of requests or urllib3."""
    cause = _find_cause(error)
    meanings: list[tuple[type[BaseException] | tuple[type[BaseException], ...], str]] = [
        (exceptions.NameResolutionError, "host name not found"),
        (exceptions.SSLError, "the certificate or the TLS protocol was refused"),
        (exceptions.ProxyError, "the proxy did not answer"),
        (exceptions.ReadTimeoutError, f"no bytes for {policy.read_timeout:g} s"),
        (exceptions.ConnectTimeoutError, f"no connection within {policy.connect_timeout:g} s"),
        ((exceptions.ProtocolError, ConnectionError), "the connection was interrupted"),
        ((exceptions.InvalidHeader, ValueError), "the answer is not valid HTTP"),
    ]
    if isinstance(cause, exceptions.NewConnectionError) and isinstance(cause.__cause__, ConnectionRefusedError):
        return "connection refused"
    return next((text for kinds, text in meanings if isinstance(cause, kinds)), "the connection failed")
