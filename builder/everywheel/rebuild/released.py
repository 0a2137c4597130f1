"""A released wheel with its provenance: from the package index, or from a folder or URL with the files of a release."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from everywheel.errors import SourceError, UsageError
from everywheel.execution.files import translate_os_errors
from everywheel.provenance.index_object import find_build_statement
from everywheel.provenance.statement import InvalidStatement
from everywheel.provenance.verify import find_statement, read_sums
from everywheel.rebuild.request import LARGEST_STATEMENT
from everywheel.release.records import SUMS
from everywheel.sources.index_wheel import choose_wheel
from everywheel.sources.package_index import IndexedFile, download_file, download_indexed, find_wheel

_URL = re.compile(r"https?://|file://")
_ELSEWHERE = "`--provenance FILE|URL` names the statement, `--from DIR|URL` the files of the release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A version of a project whose wheel is requested; `pattern` matches the name of the wheel.

    `location` is a folder or a URL with the files of the release, and empty for the package index.
    """

    name: str
    version: str
    pattern: str
    location: str = ""


def is_url(text: str) -> bool:
    return _URL.match(text) is not None


def find_tag_version(text: str) -> str | None:
    """Return the version that the tag of a release names, such as `v1.2.0`; None for other texts."""
    try:
        return str(Version(text[1:])) if text.startswith("v") else None
    except InvalidVersion:
        return None


def fetch_release(
    release: Release, indexes: Callable[[], Sequence[str]], folder: Path, *, with_statement: bool
) -> Path:
    """Download a wheel into a folder, and its provenance next to it if that is requested; return the wheel.

    `indexes` returns the URLs of the package indexes. Raises SourceError when one of the files is not available or has
    another hash than the index or the release states, and UsageError when the provenance cannot be used.
    """
    if not release.location:
        return _fetch_indexed(release, indexes(), folder, with_statement=with_statement)
    if not is_url(release.location):
        return _copy_released(release, Path(release.location), folder, with_statement=with_statement)
    wheel = _download_released(release, folder)
    if with_statement:
        fetch_statement(_join(release.location, find_statement(wheel).name), wheel)
    return wheel


def fetch_statement(url: str, wheel: Path) -> Path:
    """Download the statement about a wheel to the file next to it."""
    path = find_statement(wheel)
    download_file(url, path, LARGEST_STATEMENT, hint=_ELSEWHERE)
    return path


def _fetch_indexed(release: Release, indexes: Sequence[str], folder: Path, *, with_statement: bool) -> Path:
    file = find_wheel(
        release.name, release.version, indexes, folder, lambda names: choose_wheel(names, release.pattern)
    )
    wheel = download_indexed(file, folder)
    if with_statement:
        _fetch_provenance_object(file, wheel)
    return wheel


def _fetch_provenance_object(file: IndexedFile, wheel: Path) -> None:
    if not file.provenance:
        raise SourceError(f"the index has no provenance of {wheel.name}", details={"url": file.url}, hint=_ELSEWHERE)
    path = wheel.with_name(f"{wheel.name}.provenance")
    download_file(file.provenance, path, LARGEST_STATEMENT, hint=_ELSEWHERE)
    try:
        find_statement(wheel).write_bytes(find_build_statement(path.read_bytes()))
    except InvalidStatement as reason:
        raise UsageError(
            f"the provenance of {wheel.name} on the index cannot be used",
            details={"url": file.provenance, "reason": reason},
            hint=_ELSEWHERE,
        ) from None


def _copy_released(release: Release, location: Path, folder: Path, *, with_statement: bool) -> Path:
    if not location.is_dir():
        raise UsageError(
            f"{location}: no such folder", hint="`--from` is a folder or a URL with the files of a release"
        )
    name = _choose(release, [path.name for path in location.glob("*.whl")])
    statement = find_statement(location / name)
    if with_statement and not statement.is_file():
        raise UsageError(f"the release has no provenance of {name}", details={"missing": statement}, hint=_ELSEWHERE)
    with translate_os_errors(location):
        for path in (location / name, *([statement] if with_statement else [])):
            shutil.copyfile(path, folder / path.name)
    return folder / name


def _download_released(release: Release, folder: Path) -> Path:
    """Download a wheel from a URL whose SHA256SUMS lists it, and compare the hash."""
    sums = folder / SUMS
    hint = f"`--from` is a folder or a URL with the files of a release and their {SUMS}"
    download_file(_join(release.location, SUMS), sums, LARGEST_STATEMENT, hint=hint)
    hashes: Mapping[str, str] = read_sums(sums)
    name = _choose(release, list(hashes))
    file = IndexedFile(filename=name, url=_join(release.location, name), sha256=hashes[name].lower(), is_yanked=False)
    return download_indexed(file, folder)


def _choose(release: Release, names: Sequence[str]) -> str:
    """Return the name of a wheel of the release; raise SourceError when there is none."""
    wheels = sorted(name for name in names if _is_wheel_of(release, name))
    chosen = choose_wheel(wheels, release.pattern)
    if chosen is None:
        details = {"from": release.location, **({"wheels": ", ".join(wheels[:8])} if wheels else {})}
        hint = "`--wheel GLOB` matches the name of one of the wheels"
        raise SourceError(
            f"the release has no such wheel of {release.name} {release.version}", details=details, hint=hint
        )
    return chosen


def _is_wheel_of(release: Release, name: str) -> bool:
    try:
        project, version, *_ = parse_wheel_filename(name)
    except InvalidWheelFilename:
        return False
    return (project, version) == (canonicalize_name(release.name), Version(release.version))


def _join(url: str, name: str) -> str:
    return f"{url.rstrip('/')}/{quote(name)}"
