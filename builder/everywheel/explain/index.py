"""Wheels of the package index as subjects."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.explain.subjects import Subject, read_wheel_subject
from everywheel.sources.index_wheel import choose_wheel
from everywheel.sources.package_index import download_indexed, find_wheel
from everywheel.toolchains.pip_settings import list_indexes


def read_index_wheel(name: str, version: str, pattern: str = "") -> Subject:
    """Return a wheel of the package index as a subject.

    It is the first whose name matches `pattern`, by default the one that pip would choose here, or else one for this
    processor. Raises SourceError when no index has one.
    """
    with TemporaryDirectory() as folder:
        indexes = list_indexes("download")
        file = find_wheel(name, version, indexes, Path(folder), lambda names: choose_wheel(names, pattern))
        return read_wheel_subject(download_indexed(file, Path(folder)))
