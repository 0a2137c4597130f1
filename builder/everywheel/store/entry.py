"""Entries of the store and their records, which are read as files that anyone may have written.

A store is shared between machines and restored from the caches of CI, so a record is believed only where it agrees with the
path that it was read from: the path of an entry follows from its key, its kind and a checked file name.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

_HASH_LENGTH = 64
_HASH = re.compile(rf"[0-9a-f]{{{_HASH_LENGTH}}}")
LARGEST_RECORD = 1 << 16  # bytes; a record has about 400
_LONGEST_TEXT = 255


class EntryKind(StrEnum):
    """The kinds of entries: the packed files of a recipe, and a finished wheel."""

    ARTIFACT = "artifact"
    WHEEL = "wheel"


_KINDS: Mapping[str, EntryKind] = {kind.value: kind for kind in EntryKind}


class InvalidRecord(Exception):
    """A record cannot be read, or contradicts its path; the text is a short reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEntry:
    """One artifact or wheel in the store.

    `file` is its path relative to the store, `size` is in bytes, `created` and `used` are in seconds since 1970. `resolution`
    is the hash of the packages that a wheel was built with, which `resolutions/<hash>.txt` lists; empty for an artifact.
    """

    key: str
    kind: EntryKind
    name: str
    version: str
    target: str
    file: str
    sha256: str
    size: int
    created: float
    resolution: str = ""
    used: float = field(default=0.0, compare=False)

    @property
    def label(self) -> str:
        """The entry in messages: `artifact libvips 8.16.1 for musllinux_1_2_aarch64`."""
        return f"{self.kind} {self.name} {self.version} for {self.target}"


def is_hash(text: str) -> bool:
    """Return whether a text is a sha256 in lower-case hex, as cache keys are too."""
    return _HASH.fullmatch(text) is not None


def entry_file(key: str, kind: EntryKind, filename: str = "") -> str:
    """Return the path of an entry relative to the store; `filename` is that of a wheel.

    Raises InvalidRecord for a key that is not a sha256, and for a file name that no wheel may have (PEP 427).
    """
    if not is_hash(key):
        raise InvalidRecord("the key is not a sha256")
    if kind is EntryKind.ARTIFACT:
        return f"artifacts/{key}.tar.gz"
    try:
        parse_wheel_filename(filename)
    except (InvalidWheelFilename, ValueError):
        raise InvalidRecord("the file name is not that of a wheel") from None
    if not re.fullmatch(r"[\w.+!-]+", filename, re.ASCII) or len(filename) > _LONGEST_TEXT:
        raise InvalidRecord("the file name has characters that are not allowed")
    return f"wheels/{key}/{filename}"


def read_record(record: str | Path) -> StoreEntry:
    """Return the entry that a record describes; its time of last use is that of the record.

    Raises FileNotFoundError when there is none, and InvalidRecord for one that is not a small regular file, cannot be read,
    has values of other types, or names another key or path than its own.
    """
    try:
        # A store has up to 100,000 records: a Path and a buffered file would double the time of a listing.
        path = os.fspath(record)
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidRecord("the record is not a regular file")
        if status.st_size > LARGEST_RECORD:
            raise InvalidRecord("the record is too large")
        with io.FileIO(path) as file:
            content = file.read(LARGEST_RECORD)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InvalidRecord(f"the record cannot be read: {(error.strerror or str(error)).lower()}") from None
    return parse_record(content, path.removesuffix(".json")[-_HASH_LENGTH:], status.st_mtime)


def parse_record(content: bytes, key: str, used: float) -> StoreEntry:
    """Return the entry that the content of the record of a key describes; raise InvalidRecord as `read_record` does."""
    try:
        facts = json.loads(content.decode())
    except (ValueError, RecursionError):  # a RecursionError for arrays that are nested thousands of levels deep
        raise InvalidRecord("the record is not JSON") from None
    return _parse_entry(facts, key, used)


def format_record(entry: StoreEntry) -> str:
    """Return the text of an entry's record."""
    return json.dumps(asdict(entry), indent=1)


def _parse_entry(facts: object, key: str, used: float) -> StoreEntry:
    if not isinstance(facts, dict):
        raise InvalidRecord("the record is not an object")
    texts = {name: _parse_text(facts, name) for name in ("name", "version", "target")}
    kind, sha256, size, created = (facts.get(name) for name in ("kind", "sha256", "size", "created"))
    if facts.get("key") != key:
        raise InvalidRecord("the record has another key")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InvalidRecord("the record has no valid kind")
    if not isinstance(sha256, str) or not is_hash(sha256):
        raise InvalidRecord("the record has no valid sha256")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 50:
        raise InvalidRecord("the record has no valid size")
    if not isinstance(created, int | float) or not math.isfinite(created) or not 0 <= created < 1e11:
        raise InvalidRecord("the record has no valid time")
    resolution = facts.get("resolution", "")
    if not isinstance(resolution, str) or not (is_hash(resolution) or not resolution):
        raise InvalidRecord("the record has no valid resolution")
    file = facts.get("file")
    filename = file.rpartition("/")[2] if isinstance(file, str) else ""
    if file != entry_file(key, _KINDS[kind], filename):
        raise InvalidRecord("the record names a file that is not its own")
    return StoreEntry(
        key=key,
        kind=_KINDS[kind],
        file=file,
        sha256=sha256,
        size=size,
        created=created,
        resolution=resolution,
        used=used,
        **texts,
    )


def _parse_text(facts: Mapping[str, Any], name: str) -> str:
    text = facts.get(name)
    if not isinstance(text, str) or not text.isprintable() or not 0 < len(text) <= _LONGEST_TEXT:
        raise InvalidRecord(f"the record has no valid {name}")
    return text
