"""Sources: the pinned archives and patches, fetched, checked, carried from machine to machine, and unpacked.

A `Wanted` is one pinned file. `fetch_sources` brings each into the store as `sources/<sha256>`: from the store itself,
a mirror, the distribution's package client or upstream, in that order; nothing gets there under another hash.
`bundle_sources` and `import_bundle` carry them to a machine without a network; `unpack_archive` and `apply_patch` turn
them into a source tree. Every failure is a SourceError (the bytes cannot be had, or are not what was pinned) or a
MachineError (the disk is full, a tool is missing).
"""

from __future__ import annotations

from everywheel.sources.bundle import BundledFile, bundle_sources, import_bundle
from everywheel.sources.fetch import SourceLocations, fetch_sources, find_locations
from everywheel.sources.patch import apply_patch
from everywheel.sources.progress import Event, FetchEventKind, Progress, ignore_progress
from everywheel.sources.request import PinnedFile, list_source_files
from everywheel.sources.unpack import unpack_archive

__all__ = [
    "BundledFile",
    "Event",
    "FetchEventKind",
    "PinnedFile",
    "Progress",
    "SourceLocations",
    "apply_patch",
    "bundle_sources",
    "fetch_sources",
    "find_locations",
    "ignore_progress",
    "import_bundle",
    "list_source_files",
    "unpack_archive",
]
