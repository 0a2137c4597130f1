"""Files on package indexes (PEP 503, PEP 691): sdists and wheels are found on the page of a project and downloaded.

`pip download` would run the project's build backend for its metadata, and some backends compile the project for that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from everywheel.errors import SourceError
from everywheel.execution.files import hash_file
from everywheel.execution.retry import RetryPolicy
from everywheel.sources.deadline import Deadline, DeadlineExceeded
from everywheel.sources.request import Unavailable
from everywheel.sources.url import Limits, hide_password

_LARGEST_PAGE = 1 << 26  # bytes
_PAGE_TIMEOUT = 60.0  # seconds for the pages of one project
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HINT = "is the name right? the indexes are those of pip's settings (PIP_INDEX_URL, pip.conf)"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedFile:
    """A file on an index; `sha256` is empty if the index names none, and so is `provenance`, a URL (PEP 740)."""

    filename: str
    url: str
    sha256: str
    is_yanked: bool
    provenance: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedSdist:
    """A source distribution on an index."""

    file: IndexedFile
    version: Version


class _Links(HTMLParser):
    """The links of a page with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.append(dict(attrs))


def download_sdist(name: str, version: str, indexes: Sequence[str], folder: Path, *, timeout: float = 600.0) -> Path:
    """Download the sdist of a version, by default the newest stable one, into a folder, and return its path.

    Raises SourceError when no index has it, or when the file does not have the hash that the index names.
    """
    deadline, reasons, sdists = Deadline(timeout), {}, list[IndexedSdist]()
    for index in indexes:
        page = f"{index.rstrip('/')}/{canonicalize_name(name)}/"
        try:
            sdists += _list_sdists(name, page, _read(page, folder / "page.html", deadline))
        except (Unavailable, DeadlineExceeded, OSError) as error:
            reasons[page] = str(error).lower() or "too slow"
    wanted = [sdist for sdist in sdists if not version or sdist.version == Version(version)]
    stable = [s for s in wanted if version or not (s.file.is_yanked or s.version.is_prerelease)]
    if not stable:
        versions = ", ".join(str(known) for known in sorted({sdist.version for sdist in sdists})[-8:])
        raise SourceError(
            f"no package index has a source distribution of {name}{f' {version}' if version else ''}",
            details={**reasons, **({"versions with one": versions} if versions else {})},
            hint=_HINT,
        )
    return _download(max(stable, key=lambda sdist: sdist.version).file, folder, deadline)


def _download(chosen: IndexedFile, folder: Path, deadline: Deadline) -> Path:
    path = folder / chosen.filename
    try:
        _get(chosen.url, path, deadline)
    except (Unavailable, DeadlineExceeded, OSError) as error:
        details = {"url": chosen.url, "reason": str(error).lower()}
        raise SourceError(f"{chosen.filename} cannot be downloaded", details=details, hint=_HINT) from None
    if chosen.sha256 and (actual := hash_file(path)) != chosen.sha256:
        raise SourceError(
            f"{chosen.filename} differs from the file that its index describes",
            details={"url": chosen.url, "sha256": actual, "expected": chosen.sha256},
            hint="run the command again; if it fails again, a proxy or mirror has another file",
        )
    return path


def find_wheel_hashes(name: str, version: str, indexes: Sequence[str], folder: Path) -> frozenset[str]:
    """Return the sha256 of each wheel of a version that the indexes name; `folder` is for temporary files.

    An index whose page cannot be read, as that of a project that it does not have, adds none.
    """
    deadline, hashes = Deadline(_PAGE_TIMEOUT), set[str]()
    for index in indexes:
        page = f"{index.rstrip('/')}/{canonicalize_name(name)}/"
        try:
            text = _read(page, folder / "page.html", deadline)
        except (Unavailable, DeadlineExceeded, OSError):
            continue
        for file in _list_files(page, text):
            try:
                project, release, *_ = parse_wheel_filename(file.filename)
            except InvalidWheelFilename:
                continue
            if (project, release) == (canonicalize_name(name), Version(version)) and file.sha256:
                hashes.add(file.sha256)
    return frozenset(hashes)


def find_wheel(
    name: str, version: str, indexes: Sequence[str], folder: Path, choose: Callable[[Sequence[str]], str | None]
) -> IndexedFile:
    """Return a wheel of a version; `choose` selects it from the names of all wheels, `folder` is for temporary files.

    Raises SourceError when no index has one.
    """
    deadline, reasons, wheels = Deadline(_PAGE_TIMEOUT), dict[str, str](), dict[str, IndexedFile]()
    for index in indexes:
        page = f"{index.rstrip('/')}/{canonicalize_name(name)}/"
        try:
            text = _read(page, folder / "page.html", deadline)
        except (Unavailable, DeadlineExceeded, OSError) as error:
            reasons[page] = str(error).lower() or "too slow"
            continue
        for file in _list_files(page, text):
            try:
                project, release, *_ = parse_wheel_filename(file.filename)
            except InvalidWheelFilename:
                continue
            if (project, release) == (canonicalize_name(name), Version(version)):
                wheels.setdefault(file.filename, file)
    chosen = choose(sorted(wheels))
    if chosen is None:
        known = {"wheels": ", ".join(sorted(wheels)[:8])} if wheels else {}
        raise SourceError(
            f"no package index has such a wheel of {name} {version}", details={**reasons, **known}, hint=_HINT
        )
    return wheels[chosen]


def download_indexed(file: IndexedFile, folder: Path, *, timeout: float = 600.0) -> Path:
    """Download a file of an index into a folder, and return its path.

    Raises SourceError when it cannot be downloaded, or does not have the hash that the index names.
    """
    return _download(file, folder, Deadline(timeout))


def download_file(url: str, path: Path, size: int, *, timeout: float = 60.0, hint: str = _HINT) -> None:
    """Download a URL of at most `size` bytes to a file; raise SourceError when that fails."""
    try:
        _get(url, path, Deadline(timeout), size)
    except (Unavailable, DeadlineExceeded, OSError) as error:
        details = {"url": hide_password(url), "reason": str(error).lower() or "too slow"}
        raise SourceError(f"{path.name} cannot be downloaded", details=details, hint=hint) from None


def _list_sdists(name: str, page: str, text: str) -> Iterator[IndexedSdist]:
    for file in _list_files(page, text):
        try:
            project, version = parse_sdist_filename(file.filename)
        except InvalidSdistFilename:
            continue
        if project == canonicalize_name(name) and file.filename.endswith(".tar.gz"):
            yield IndexedSdist(file=file, version=version)


def _list_files(page: str, text: str) -> Iterator[IndexedFile]:
    """Yield the files of a page in HTML (PEP 503) or JSON (PEP 691)."""
    if text.lstrip().startswith("{"):
        yield from _list_json_files(page, text)
        return
    parser = _Links()
    parser.feed(text)
    for link in parser.links:
        url, fragment = urldefrag(urljoin(page, link.get("href") or ""))
        kind, _, digest = fragment.partition("=")
        yield IndexedFile(
            filename=_find_name(url),
            url=url,
            sha256=digest if kind == "sha256" and _SHA256.fullmatch(digest) else "",
            is_yanked="data-yanked" in link,
            provenance=_find_provenance(page, link.get("data-provenance")),
        )


def _list_json_files(page: str, text: str) -> Iterator[IndexedFile]:
    try:
        files = json.loads(text)["files"]
        for file in files if isinstance(files, list) else []:
            url = urldefrag(urljoin(page, file["url"])).url
            digest = file.get("hashes", {}).get("sha256")
            yield IndexedFile(
                filename=_find_name(url),
                url=url,
                sha256=digest if isinstance(digest, str) and _SHA256.fullmatch(digest) else "",
                is_yanked=bool(file.get("yanked")),
                provenance=_find_provenance(page, file.get("provenance")),
            )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return


def _find_name(url: str) -> str:
    return unquote(urlsplit(url).path).rpartition("/")[2]


def _find_provenance(page: str, value: object) -> str:
    """Return the URL of a file's provenance; an index may state its hash instead, as the first text of PEP 740."""
    return urljoin(page, value) if isinstance(value, str) and value and not _SHA256.fullmatch(value) else ""


def _read(page: str, path: Path, deadline: Deadline) -> str:
    _get(f"{page}index.html" if page.startswith("file:") else page, path, deadline, _LARGEST_PAGE)
    return path.read_text(encoding="utf-8", errors="replace")


def _get(url: str, path: Path, deadline: Deadline, size: int | None = None) -> None:
    parts = urlsplit(url)
    if parts.scheme == "file":
        path.write_bytes(Path(url2pathname(parts.path)).read_bytes())
        return
    from everywheel.sources.http import download  # slow to import

    limits = Limits(deadline=deadline) if size is None else Limits(deadline=deadline, size=size)
    path.unlink(missing_ok=True)
    download(url, path, limits=limits, retry_policy=RetryPolicy(), on_bytes=lambda size, total: None)
