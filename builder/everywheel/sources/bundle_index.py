"""The index of a bundle: `index.json`, which describes each source, and `SHA256SUMS`, which has the hash of every file.

`sha256sum --check SHA256SUMS` verifies an unpacked bundle, and a signature of SHA256SUMS covers all of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from everywheel.sources.cache import hash_bytes

SUMS, SIGNATURE, INDEX = "SHA256SUMS", "SHA256SUMS.sig", "index.json"
SOURCES, RECIPES = "sources", "recipes"
NAMES = frozenset({SUMS, SIGNATURE, INDEX, SOURCES, RECIPES})
"""Everything at the top of a bundle."""
LARGEST_INDEX = 4 << 20  # bytes

_FORMAT = 2
_SUM = re.compile(
    r"([0-9a-f]{64})  ([!-~](?:[ -~]*[!-~])?)"
)  # without control characters, and so without a second line


class InvalidIndex(Exception):
    """An index that does not describe a bundle; the text is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledFile:
    """One source of a bundle; `size` in bytes."""

    label: str
    filename: str
    sha256: str
    size: int

    @property
    def path(self) -> str:
        """The name in the bundle."""
        return f"{SOURCES}/{self.sha256}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleIndex:
    """The sources of a bundle, and the sizes in bytes of the recipes' files by their names in it."""

    files: tuple[BundledFile, ...]
    recipes: Mapping[str, int]

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes in bytes of all files that follow the index, by their names."""
        return {**{file.path: file.size for file in self.files}, **self.recipes}


def write_index(index: BundleIndex) -> bytes:
    """Return the content of index.json."""
    document = {
        "format": _FORMAT,
        "files": [
            {"filename": file.filename, "label": file.label, "sha256": file.sha256, "size": file.size}
            for file in index.files
        ],
        "recipes": dict(index.recipes),
    }
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def read_index(text: bytes) -> BundleIndex:
    """Return the index in index.json; raise InvalidIndex for another file."""
    try:
        document = json.loads(text)
        if document["format"] != _FORMAT:
            raise InvalidIndex(f"format {document['format']!r} in the index, but this version reads format {_FORMAT}")
        files = tuple(
            BundledFile(label=row["label"], filename=row["filename"], sha256=row["sha256"], size=row["size"])
            for row in document["files"]
        )
        index = BundleIndex(files=files, recipes=dict(document["recipes"]))
        is_valid = all(map(_is_valid, files)) and all(
            _is_path_of_recipe(name) and isinstance(size, int) for name, size in index.recipes.items()
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        is_valid = False
    if not is_valid:
        raise InvalidIndex(f"{INDEX} is not an index of sources")
    return index


def _is_valid(file: BundledFile) -> bool:
    texts = isinstance(file.label, str) and isinstance(file.filename, str)
    return texts and isinstance(file.size, int) and re.fullmatch(r"[0-9a-f]{64}", file.sha256) is not None


def _is_path_of_recipe(name: str) -> bool:
    return name.startswith(f"{RECIPES}/") and not {"", ".", ".."} & set(name.split("/"))


def write_sums(index: bytes, files: Sequence[BundledFile], recipes: Mapping[str, bytes]) -> bytes:
    """Return the content of SHA256SUMS for an index.json, the sources and the contents of the recipes' files."""
    sums = {INDEX: hash_bytes(index)}
    sums |= {file.path: file.sha256 for file in files}
    sums |= {name: hash_bytes(content) for name, content in recipes.items()}
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()


def read_sums(text: bytes) -> dict[str, str]:
    """Return the hashes of files by their names; raise InvalidIndex for a file that is not as `sha256sum` writes it."""
    sums: dict[str, str] = {}
    for line in text.decode("ascii", errors="replace").split("\n")[:-1]:
        match = _SUM.fullmatch(line)
        if match is None or match[2] in sums:
            raise InvalidIndex(f"{SUMS} is not a list of hashes")
        sums[match[2]] = match[1]
    if not text.endswith(b"\n"):
        raise InvalidIndex(f"{SUMS} is not a list of hashes")
    return sums


def check_sums(sums: Mapping[str, str], index: BundleIndex) -> None:
    """Raise InvalidIndex when SHA256SUMS does not list exactly the files of a bundle, each source with its own hash."""
    expected = {INDEX, *index.sizes}
    for name in sorted(expected ^ sums.keys()):
        other, present = (INDEX, SUMS) if name in sums else (SUMS, INDEX)
        raise InvalidIndex(f"'{name}' is in {present}, but not in {other}")
    for file in index.files:
        if sums[file.path] != file.sha256:
            raise InvalidIndex(f"'{file.path}' has another hash in {SUMS}")
