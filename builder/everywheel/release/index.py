"""Indexes: what an index has of a release, and uploading what it lacks, file by file, so that it can be gone on with.

twine uploads. What is there already is found by the index's own list (PEP 503, PEP 691) and its hashes, since what an
index answers to a file that it has is different everywhere.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from everywheel.errors import MachineError, ReleaseError

_HASHES = ("sha256", "sha512", "sha384", "sha224", "sha1", "md5")  # what indexes tell, the best known first
_LATER = "wait a while, then run the same command again"
_AGAIN = "run the same command again: it asks what is there, and nothing is uploaded twice"
_REASONS = {
    "401": ("it wants to know who you are", "set TWINE_USERNAME=__token__ and TWINE_PASSWORD to a token"),
    "403": ("it does not let you", "is the token of this project, and its publisher this workflow and environment?"),
    "409": ("it has a file of that name", "a name is given once: release the next version"),
    "413": ("the file is larger than it takes", "ask for a higher limit: docs/release.md says how"),
    "429": ("too many requests", _LATER),
}
_PATIENCE = 1800  # seconds for one file, which twine would wait for without end: 100 MB at half a megabit a second
_PAUSE = 10  # seconds between two questions what an index has
_GONE = re.compile(r"(Connection\w*Error|RemoteDisconnected|ConnectionReset\w*|Connection aborted|Read timed out)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index: where files are uploaded to, and where its list of projects is."""

    upload: str
    simple: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexStatus:
    """How files stand with an index: those that it has, and those that it lacks."""

    there: tuple[Path, ...]
    lacking: tuple[Path, ...]


def find_index(upload: str = "", simple: str = "") -> Index:
    """Return an index; what is not said is PyPI's, as twine and pypi-simple know it.

    Raises MachineError where these are not installed.
    """
    try:
        from pypi_simple import PYPI_SIMPLE_ENDPOINT
    except ImportError:
        raise _lacking("pypi-simple") from None
    try:
        from twine.utils import DEFAULT_REPOSITORY
    except ImportError:
        raise _lacking("twine") from None
    return Index(upload=upload or str(DEFAULT_REPOSITORY), simple=simple or str(PYPI_SIMPLE_ENDPOINT))


def list_files(index: Index, project: str) -> Mapping[str, Mapping[str, str]]:
    """Return the files that an index has of a project, each with the hashes that it tells, by their names.

    Raises MachineError when the index does not answer.
    """
    # Imported here, as they are for releases alone.
    try:
        from pypi_simple import NoSuchProjectError, PyPISimple, UnsupportedContentTypeError, UnsupportedRepoVersionError
    except ImportError:
        raise _lacking("pypi-simple") from None

    try:
        with PyPISimple(index.simple) as client:
            page = client.get_project_page(project, timeout=60)
    except NoSuchProjectError:
        return {}
    except (requests.RequestException, UnsupportedContentTypeError, UnsupportedRepoVersionError, ValueError) as error:
        status = error.response.status_code if isinstance(error, requests.HTTPError) else 0
        # Some say nothing but what they are.
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise MachineError(
            f"the index {index.simple} does not say what it has", details={"reason": reason}, hint=_hint(status)
        ) from None
    return {package.filename: package.digests for package in page.packages}


def _hint(status: int) -> str:
    if status in (401, 403):
        return "it lists nothing to strangers: put a name and a password for it into ~/.netrc"
    if status == 429 or status >= 500:
        return _LATER
    return "is it the address of its list, which ends in /simple/?"


def compare(files: Sequence[Path], index: Index, project: str) -> IndexStatus:
    """Return which of the files an index has, and which it lacks.

    Raises ReleaseError when it has other bytes under one of the names.
    """
    listed = list_files(index, project)
    there = tuple(file for file in files if file.name in listed)
    for file in there:
        kind = next((kind for kind in _HASHES if kind in listed[file.name]), None)
        if kind is None:
            continue  # its name is all that is known of it
        with file.open("rb") as opened:
            told, ours = listed[file.name][kind], hashlib.file_digest(opened, kind).hexdigest()
        if told != ours:
            raise ReleaseError(
                f"the index has another {file.name}",
                details={"there": f"{kind} {told}", "here": f"{kind} {ours}"},
                hint="a name is given once: release the next version, and yank the one that is there if it is bad",
            )
    return IndexStatus(there=there, lacking=tuple(file for file in files if file not in there))


def wait_for(files: Sequence[Path], index: Index, project: str, seconds: float) -> IndexStatus:
    """Compare, and while a file is lacking or the index does not answer, again, until the seconds are over."""
    until = time.monotonic() + seconds
    while True:
        last = time.monotonic() >= until
        try:
            standing = compare(files, index, project)
        except MachineError:
            if last:
                raise
        else:
            if last or not standing.lacking:
                return standing
        time.sleep(_PAUSE)


def upload(files: Sequence[Path], index: Index, project: str, set_stage: Callable[[str], None]) -> IndexStatus:
    """Upload the files that an index lacks, in their order, and return how things stood before.

    Raises ReleaseError for the first that it refuses, with how far the upload came; what went before it stays.
    """
    standing = compare(files, index, project)
    for file in standing.there:
        set_stage(f"there already: {file.name}")
    for number, file in enumerate(standing.lacking):
        _upload(file, index, len(standing.there) + number, len(files))
        set_stage(f"uploaded: {file.name}")
    return standing


def _upload(file: Path, index: Index, done: int, total: int) -> None:
    words = [
        sys.executable,
        "-m",
        "twine",
        "--no-color",
        "upload",
        "--non-interactive",
        "--disable-progress-bar",
        "--repository-url",
        index.upload,
        str(file),
    ]
    try:
        ended = subprocess.run(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_PATIENCE,
            env={**os.environ, "COLUMNS": "400"},
        )
    except subprocess.TimeoutExpired:
        fact = f"{index.upload} did not take {file.name} in {_PATIENCE} seconds"
        raise ReleaseError(fact, details={"uploaded": f"{done} of {total} files"}, hint=_AGAIN) from None
    if ended.returncode == 0:
        return
    if "No module named twine" in ended.stdout:
        raise _lacking("twine")
    lines = [line.strip() for line in ended.stdout.splitlines() if line.strip()]
    refused = re.search(r"HTTPError: (\d{3})\b", ended.stdout)
    if refused:
        other = (
            ("it could not", _LATER)
            if refused[1] >= "500"
            else ("it says why below", "mend it, then run the same command again")
        )
        reason, hint = _REASONS.get(refused[1], other)
        fact = f"{index.upload} refused {file.name} (HTTP {refused[1]}): {reason}"
    elif _GONE.search(ended.stdout):
        fact = f"{index.upload} went away while {file.name} was uploaded"
        hint = _AGAIN
    else:
        fact, hint = f"twine could not upload {file.name}", "mend what it says, then run the same command again"
    raise ReleaseError(fact, details={"uploaded": f"{done} of {total} files"}, excerpt=lines[-4:], hint=hint)


def _lacking(package: str) -> MachineError:
    return MachineError(f"{package} is not installed", hint="pip install 'everywheel[release]'")
