"""Pinned source archives and patches: fetch, verify, unpack.

`fetch_sources` stores each file as `sources/<sha256>` from the first location that has the pinned bytes; `bundle_sources` and
`import_bundle` serve machines without a network.
"""

from __future__ import annotations

from everywheel.sources.bundle import bundle_sources, check_output
from everywheel.sources.bundle_import import import_bundle
from everywheel.sources.bundle_index import BundledFile
from everywheel.sources.fetch import fetch_sources
from everywheel.sources.locations import SourceLocations, find_locations
from everywheel.sources.patch import apply_patch
from everywheel.sources.progress import FetchEvent, FetchEventKind, ProgressCallback, ignore_progress
from everywheel.sources.request import PinnedFile, list_source_files
from everywheel.sources.unpack import unpack_archive

__all__ = [
    "BundledFile",
    "FetchEvent",
    "FetchEventKind",
    "PinnedFile",
    "ProgressCallback",
    "SourceLocations",
    "apply_patch",
    "bundle_sources",
    "check_output",
    "fetch_sources",
    "find_locations",
    "ignore_progress",
    "import_bundle",
    "list_source_files",
    "unpack_archive",
]
