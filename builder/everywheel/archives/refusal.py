"""Why an archive is refused: the two exceptions of the readers, and the rules for the names of members."""

from __future__ import annotations

from everywheel.errors import printable

MAX_PART = 255  # bytes, the longest file name of Linux, macOS and Windows
MAX_PATH = 1024  # bytes, the longest path of macOS
MAX_DEPTH = 100  # directories


class ArchiveError(Exception):
    """An archive, or one member of it, cannot be used; the text is a short reason."""


class BrokenArchive(ArchiveError):
    """The file is truncated, damaged, or not an archive of this kind."""


class UnsafeArchive(ArchiveError):
    """The archive is beyond a limit, or tools would disagree about what is in it."""


def find_name_fault(name: str, *, windows: bool = False) -> str | None:
    """Return why a member's name is refused, as the predicate of a sentence ("is absolute"), or None.

    `windows` also refuses names that Windows reads as another path: with a backslash, or with a drive.
    """
    parts = name.removesuffix("/").split("/")
    first = parts[0]
    encoded = [part.encode(errors="surrogateescape") for part in parts]
    faults = {
        "is absolute": name.startswith("/"),
        "leads out of the directory": ".." in parts or (windows and ("\\" in name or ":" in first)),
        "has an empty part": not all(parts) or "." in parts,
        "contains control characters": _has_control_characters(name),
        f"has a part of over {MAX_PART} bytes": max(map(len, encoded)) > MAX_PART,
        f"is over {MAX_PATH:,} bytes long": sum(len(part) + 1 for part in encoded) > MAX_PATH,
        f"is over {MAX_DEPTH} directories deep": len(parts) > MAX_DEPTH,
    }
    return next((fault for fault, applies in faults.items() if applies), None)


def _has_control_characters(name: str) -> bool:
    # Bytes that are not UTF-8 are surrogates here; on Linux they are valid in a file name.
    text = name.encode(errors="surrogateescape").decode(errors="replace")
    return printable(text) != text
