"""Versions of Debian packages: their order, and the upstream version in one (Debian Policy 5.6.12)."""

from __future__ import annotations

import re
from functools import total_ordering

_PARTS = re.compile(r"(\D*)(\d*)", re.ASCII)
_VERSION = re.compile(r"(?:[0-9]+:)?[0-9A-Za-z][0-9A-Za-z.+~-]*", re.ASCII)
_LONGEST = 200  # characters
# Suffixes of archives that the maintainer repacked, and prefixes of those that go back to an earlier version.
_REPACKED = re.compile(r"[+.~](?:dfsg|ds|repack)[0-9.~+]*$", re.ASCII)
_EARLIER = re.compile(r"^.*\+really", re.ASCII)


@total_ordering
class DebianVersion:
    """A version `[epoch:]upstream[-revision]` that compares as `dpkg --compare-versions` does.

    Raises ValueError for a text that is not such a version.
    """

    __slots__ = ("_key", "text")

    def __init__(self, text: str) -> None:
        if len(text) > _LONGEST or not _VERSION.fullmatch(text):
            raise ValueError(f"not a version of a Debian package: {text[:_LONGEST]!r}")
        self.text = text
        epoch, _, rest = text.rpartition(":")
        upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
        self._key = (int(epoch or 0), _make_key(upstream), _make_key(revision))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DebianVersion) and self._key == other._key

    def __lt__(self, other: DebianVersion) -> bool:
        return self._key < other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        return self.text

    @property
    def archive_version(self) -> str:
        """The version in the name of the source archive: `1.3.dfsg+really1.3.1` of `1:1.3.dfsg+really1.3.1-1`."""
        rest = self.text.rpartition(":")[2]
        return rest.rpartition("-")[0] or rest

    @property
    def upstream(self) -> str:
        """Upstream's own version: `1.3.1` of `1:1.3.dfsg+really1.3.1-1`."""
        return _REPACKED.sub("", _EARLIER.sub("", self.archive_version))


def _make_key(text: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Return a key that orders as Policy defines: letters before other characters, and `~` before the end."""
    pairs = [(letters, int(digits or 0)) for letters, digits in _PARTS.findall(text)]
    while pairs and pairs[-1] == ("", 0):
        pairs.pop()
    return tuple(((*map(_rank, letters), 0), number) for letters, number in (*pairs, ("", 0)))


def _rank(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256
