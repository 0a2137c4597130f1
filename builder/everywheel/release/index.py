"""Package indexes: compare release files with the files that an index lists, and upload the missing ones with twine.

An index's list is read as PEP 503 and PEP 691 describe. The comparison by hash happens before any upload, because twine
recognizes a file that is already present on PyPI and TestPyPI only (https://github.com/pypa/twine/issues/193).
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import io
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from everywheel.errors import MachineError, ReleaseError, find_page

_HASHES = ("sha256", "sha512", "sha384", "sha224", "sha1", "md5")  # algorithms that indexes publish, preferred first
_WAIT_HINT = "wait a while, then run the same command again"
_RERUN_HINT = "run the same command again: it compares with the index first and uploads no file twice"
_FIX_HINT = "fix the cause, then run the same command again"
_HTTP_REASONS = {
    401: ("authentication is required", "set TWINE_USERNAME=__token__ and TWINE_PASSWORD to a token"),
    403: (
        "permission denied",
        "check that the token belongs to this project, or that the trusted publisher names this workflow and environment",
    ),
    409: ("the index has a file of that name", "file names cannot be reused: release the next version"),
    413: ("the file is too large", f"request a higher limit: {find_page('release.md')} describes how"),
    429: ("too many requests", _WAIT_HINT),
}
_TIMEOUT = 600  # seconds without a byte from the index before an upload is abandoned
_PAUSE = 10  # seconds between two queries of an index's list


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index: the URL that accepts uploads, and the URL of its simple API (PEP 503)."""

    upload: str
    simple: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexStatus:
    """Release files by whether the index has them."""

    present: tuple[Path, ...]
    missing: tuple[Path, ...]


def find_index(upload: str = "", simple: str = "") -> Index:
    """Return an index; a URL that is empty is PyPI's, as twine and pypi-simple define it.

    Raises MachineError when one of these packages is not installed.
    """
    try:
        from pypi_simple import PYPI_SIMPLE_ENDPOINT
    except ImportError:
        raise _not_installed("pypi-simple") from None
    try:
        from twine.utils import DEFAULT_REPOSITORY
    except ImportError:
        raise _not_installed("twine") from None
    return Index(upload=upload or str(DEFAULT_REPOSITORY), simple=simple or str(PYPI_SIMPLE_ENDPOINT))


def list_files(index: Index, project: str) -> Mapping[str, Mapping[str, str]]:
    """Return the files that an index lists for a project: file name to algorithm to hexadecimal digest.

    Raises MachineError when the list cannot be read.
    """
    # Imported here: only releases need it.
    try:
        from pypi_simple import NoSuchProjectError, PyPISimple, UnsupportedContentTypeError, UnsupportedRepoVersionError
    except ImportError:
        raise _not_installed("pypi-simple") from None

    try:
        with PyPISimple(index.simple) as client:
            page = client.get_project_page(project, timeout=60)
    except NoSuchProjectError:
        return {}
    except (requests.RequestException, UnsupportedContentTypeError, UnsupportedRepoVersionError, ValueError) as error:
        status = error.response.status_code if isinstance(error, requests.HTTPError) else 0
        # Some exceptions have no text, only a type.
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise MachineError(
            f"cannot list the files of {project} on {index.simple}", details={"reason": reason}, hint=_list_hint(status)
        ) from None
    return {package.filename: package.digests for package in page.packages}


def _list_hint(status: int) -> str:
    if status in (401, 403):
        return "the index requires authentication: add its host, a user name and a password to ~/.netrc"
    if status == 429 or status >= 500:
        return _WAIT_HINT
    return "check the URL of its simple API, which usually ends in /simple/"


def compare(files: Sequence[Path], index: Index, project: str) -> IndexStatus:
    """Compare release files with those on an index; return the files that are present and those that are missing.

    Raises ReleaseError when the index has a file of the same name with another hash.
    """
    listed = list_files(index, project)
    present = tuple(file for file in files if file.name in listed)
    for file in present:
        algorithm = next((algorithm for algorithm in _HASHES if algorithm in listed[file.name]), None)
        if algorithm is None:
            continue  # the index publishes names only
        with file.open("rb") as opened:
            indexed_digest, local_digest = (
                listed[file.name][algorithm],
                hashlib.file_digest(opened, algorithm).hexdigest(),
            )
        if indexed_digest != local_digest:
            raise ReleaseError(
                f"the index has a different file named {file.name}",
                details={"index": f"{algorithm} {indexed_digest}", "local": f"{algorithm} {local_digest}"},
                hint="file names cannot be reused: release the next version, and yank the one on the index if it is bad",
            )
    return IndexStatus(present=present, missing=tuple(file for file in files if file not in present))


def check_complete(status: IndexStatus) -> None:
    """Raise ReleaseError when a file is missing on the index."""
    if status.missing:
        raise ReleaseError(
            f"{len(status.missing)} of {len(status.present) + len(status.missing)} files are missing on the index",
            details={"missing": ", ".join(file.name for file in status.missing)},
            hint="upload again: files that are present are not uploaded twice",
        )


def wait_until_listed(files: Sequence[Path], index: Index, project: str, seconds: float) -> IndexStatus:
    """Compare repeatedly until no file is missing or the time is over; an index that fails is queried again."""
    until = time.monotonic() + seconds
    while True:
        last = time.monotonic() >= until
        try:
            status = compare(files, index, project)
        except MachineError:
            if last:
                raise
        else:
            if last or not status.missing:
                return status
        time.sleep(_PAUSE)


def upload(files: Sequence[Path], index: Index, project: str, report: Callable[[str], None]) -> IndexStatus:
    """Upload the files that are missing on an index, in their order; return the status before the upload.

    Raises ReleaseError for the first file that fails, with the number of files uploaded so far; these remain on the index.
    """
    status = compare(files, index, project)
    for file in status.present:
        report(f"already present: {file.name}")
    for number, file in enumerate(status.missing):
        _upload(file, index, f"{len(status.present) + number} of {len(files)} files")
        report(f"uploaded: {file.name}")
    return status


def _upload(file: Path, index: Index, progress: str) -> None:
    """Upload one file with twine."""
    try:
        from twine.commands.upload import upload as twine_upload
        from twine.exceptions import TwineException
    except ImportError:
        raise _not_installed("twine") from None
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            twine_upload(_twine_settings(index), [str(file)])
    except (requests.RequestException, TwineException) as error:
        fact, hint = _explain_upload(error, file, index)
        raise ReleaseError(
            fact, details={"uploaded": progress}, excerpt=str(error).splitlines()[-4:], hint=hint
        ) from None


def _explain_upload(error: Exception, file: Path, index: Index) -> tuple[str, str]:
    """Return the fact and the hint for a failed upload."""
    if isinstance(error, requests.HTTPError):
        code = error.response.status_code
        reason, hint = _HTTP_REASONS.get(
            code, ("server error", _WAIT_HINT) if code >= 500 else ("see below", _FIX_HINT)
        )
        return f"{index.upload} rejected {file.name} (HTTP {code}): {reason}", hint
    if isinstance(error, requests.Timeout):
        return f"the upload of {file.name} to {index.upload} timed out", _RERUN_HINT
    if isinstance(error, requests.ConnectionError):
        return f"lost the connection to {index.upload} during the upload of {file.name}", _RERUN_HINT
    return f"twine cannot upload {file.name}", _FIX_HINT


def _twine_settings(index: Index) -> Any:
    """Return twine's settings for an index, with the credentials from TWINE_* variables or ~/.pypirc."""
    from twine.exceptions import UnsupportedConfiguration
    from twine.settings import Settings

    # Without a handler, Python prints twine's warnings, which repeat the error or suggest options of twine.
    logging.getLogger("twine").addHandler(_SILENT)
    parser = argparse.ArgumentParser()
    Settings.register_argparse_arguments(parser)
    options = ["--repository-url", index.upload, "--skip-existing", "--non-interactive", "--disable-progress-bar"]
    settings: Any = Settings.from_argparse(parser.parse_args(options))
    try:
        settings.verify_feature_capability()
    except UnsupportedConfiguration:
        settings.skip_existing = False  # an index other than PyPI and TestPyPI
    create_repository = settings.create_repository

    def create_with_timeout() -> Any:
        repository = create_repository()
        repository.session.request = functools.partial(repository.session.request, timeout=_TIMEOUT)
        return repository

    # twine has no timeout: https://github.com/pypa/twine/pull/1261
    settings.create_repository = create_with_timeout
    return settings


_SILENT = logging.NullHandler()


def _not_installed(package: str) -> MachineError:
    return MachineError(f"{package} is not installed", hint="pip install 'everywheel[release]'")
