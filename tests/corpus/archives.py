"""The archives whose pictures are encoded: a list with hashes, fetched once into everywheel's store of sources."""

from __future__ import annotations

import fnmatch
import subprocess
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from everywheel.config.source import DebianFile
from everywheel.sources.cache import find_source, open_scratch, store_source
from everywheel.sources.fetch import fetch_sources
from everywheel.sources.locations import find_locations
from everywheel.sources.request import PinnedFile
from everywheel.store.local import default_store
from pypi_simple import PyPISimple

LIST = Path(__file__).with_name("archives.toml")


class Registry(StrEnum):
    """Where an archive is published."""

    DEBIAN = "debian"
    NPM = "npm"
    PYPI = "pypi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A pinned archive; `package` is its name in the registry, and `name` begins the names of its pictures."""

    name: str
    registry: Registry
    package: str
    version: str
    filename: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image file; `name` is that of the archive and its path there, such as `pillow/Tests/images/hopper.gif`."""

    name: str
    format: str
    data: bytes


def load_archives(path: Path = LIST) -> tuple[Archive, ...]:
    """Return the archives of the list."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["archives"]
    return tuple(
        Archive(**{**row, "name": row.get("name", row["package"]), "registry": Registry(row["registry"])})
        for row in rows
    )


def fetch_archive(archive: Archive) -> Path:
    """Return the archive in the store, after fetching it with its registry's client if it is missing there.

    Raises ValueError if the registry has other bytes than the pinned ones.
    """
    store = default_store()
    if path := find_source(store, archive.sha256):
        return path
    if archive.registry is Registry.DEBIAN:
        debian = DebianFile(package=archive.package, file=archive.filename)
        label = f"{archive.package} {archive.version}"
        pinned = PinnedFile(label=label, filename=archive.filename, sha256=archive.sha256, debian=debian)
        return fetch_sources([pinned], store=store, locations=find_locations())[archive.sha256]
    with open_scratch(store) as folder:
        if archive.registry is Registry.NPM:
            command = ["npm", "pack", "--silent", f"{archive.package}@{archive.version}"]
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        else:
            with PyPISimple() as client:
                packages = client.get_project_page(archive.package).packages
                (package,) = [item for item in packages if item.filename == archive.filename]
                client.download_package(package, folder / archive.filename)
        return store_source(store, folder / archive.filename, archive.sha256)


def detect_format(data: bytes) -> str:
    """Return the format of an image file that webpencode should read, or an empty string."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    starts = {"jpeg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n\x1a\n", "gif": b"GIF8"}
    return next((name for name, start in starts.items() if data.startswith(start)), "")


def read_pictures(archives: Sequence[Archive], patterns: Sequence[str]) -> Iterator[Picture]:
    """Yield the pictures of archives whose names match one of the patterns, each content once."""
    seen = set()
    for archive in archives:
        path = fetch_archive(archive)
        for member, data in _read_members(path, archive.filename):
            name = f"{archive.name}/{member}"
            if not (format := detect_format(data)) or not any(fnmatch.fnmatchcase(name, p) for p in patterns):
                continue
            if (digest := sha256(data).digest()) not in seen:
                seen.add(digest)
                yield Picture(name=name, format=format, data=data)


def _read_members(path: Path, filename: str) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of each file in an archive; the common first directory is removed."""
    if filename.endswith((".whl", ".zip")):
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                yield name, wheel.read(name)
    else:
        with tarfile.open(path) as tar:
            for member in tar:
                if member.isfile() and (file := tar.extractfile(member)) is not None:
                    yield member.name.removeprefix("./").partition("/")[2], file.read()
