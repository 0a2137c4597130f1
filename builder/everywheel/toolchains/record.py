"""The files of installed packages, compared with the hashes in their RECORD (the packaging specification of PyPA).

https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def find_missing_packages(site: Path, requirements: Sequence[str]) -> list[str]:
    """Return the requirements, each with its version, that the packages in a directory do not satisfy.

    Requirements whose marker excludes this machine are satisfied. A requirement with a URL has no version to compare.
    """
    versions = {canonicalize_name(package.name): package.version for package in distributions(path=[str(site)])}
    missing = []
    for text in requirements:
        requirement = Requirement(text)
        version = versions.get(canonicalize_name(requirement.name))
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            missing.append(text)
    return missing


def find_record_damage(site: Path) -> list[str]:
    """Return one line for each file of a directory of packages that does not match a RECORD, or that no RECORD lists."""
    damage, listed = [], set()
    for package in distributions(path=[str(site)]):
        for path, digest in _read_record(package):
            file = os.path.normpath(site / path)
            listed.add(file)
            # pip compiles again what a wheel contains as bytecode, and keeps the hash of the wheel.
            expected = "" if path.endswith(".pyc") else digest
            actual = _hash(file, expected.partition("=")[0])
            if actual is None:
                damage.append(f"missing: {path} of {package.name}")
            elif expected not in ("", actual):
                damage.append(f"changed: {path} of {package.name}")
    for folder, _, names in os.walk(site):
        files = (f"{folder}{os.sep}{name}" for name in names if not name.endswith(".pyc"))
        damage += [f"in no RECORD: {os.path.relpath(file, site)}" for file in files if file not in listed]
    return sorted(damage)


def list_files(package: Distribution) -> list[str]:
    """Return the paths of a package's files, relative to the directory of packages."""
    return [path for path, _ in _read_record(package)]


def _read_record(package: Distribution) -> Iterator[tuple[str, str]]:
    """Yield the path of each file of a package, relative to its directory, and its hash, which may be empty."""
    rows = csv.reader((package.read_text("RECORD") or "").splitlines())
    yield from ((row[0], row[1]) for row in rows if len(row) == 3)


def _hash(file: str, algorithm: str) -> str | None:
    """Return the hash of a file as in a RECORD: `sha256=` and the digest in base64 for URLs, without padding.

    Returns an empty text without an algorithm, and None if there is no such file.
    """
    try:
        with Path(file).open("rb") as stream:
            digest = hashlib.file_digest(stream, algorithm).digest() if algorithm else b""
    except OSError:
        return None
    return f"{algorithm}={base64.urlsafe_b64encode(digest).decode().rstrip('=')}" if algorithm else ""
