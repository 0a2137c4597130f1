"""Pinned files to fetch, and the reasons why a location could not provide one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from everywheel.config.recipe import Recipe, ResolvedRecipe
from everywheel.config.source import DebianFile, Patch


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFile:
    """One pinned file; `label` is the recipe and version that it belongs to, such as `libvips 8.16.1`.

    `size` is in bytes, 0 if it is not pinned, `sha1` is empty for a file that no snapshot service has.
    `patches` is the sha256 of the source that a patch changes, and empty for an archive itself. A patch may be the file
    `member` of `archive`.
    """

    label: str
    filename: str
    sha256: str
    size: int = 0
    sha1: str = ""
    urls: tuple[str, ...] = ()
    debian: DebianFile | None = None
    patches: str = ""
    archive: PinnedFile | None = None
    member: str = ""

    @property
    def is_patch(self) -> bool:
        """True for a patch, false for an archive."""
        return bool(self.patches)

    @property
    def title(self) -> str:
        """The name in messages: `libvips 8.16.1: vips_8.16.1.orig.tar.gz`."""
        return f"{self.label}: {self.filename}"


COMPARE_PIN = "compare the pin in the recipe with what upstream publishes"
"""The hint when bytes that match their pin cannot be used."""


CHECK_NETWORK = "check the network and the proxy (`https_proxy`)"
"""The hint when there is no connection to a host."""


class Unavailable(Exception):
    """A location cannot provide a file; the text is a short reason."""


class Missing(Unavailable):
    """A location answered that it does not have a file."""


class HashMismatch(Unavailable):
    """A location provided bytes with another hash than the pinned one: the sha256 `actual`."""

    def __init__(self, reason: str, *, actual: str) -> None:
        super().__init__(reason)
        self.actual = actual


class SnapshotMismatch(HashMismatch):
    """The snapshot service provided other bytes: it is wrong, or the recipe's sha1 is that of another file (`is_pinned`)."""

    def __init__(self, reason: str, *, actual: str, is_pinned: bool) -> None:
        super().__init__(reason, actual=actual)
        self.is_pinned = is_pinned


class WrongSize(Unavailable):
    """A location has more bytes than are accepted, and so another file than the pinned one."""


class Unreachable(Unavailable):
    """A location did not answer: no connection, an error of the server, or hardly any bytes in a long time."""


class NoConnection(Unreachable):
    """There is no connection to the host of a location, or to the proxy."""


class Superseded(Unavailable):
    """The distribution has newer revisions of a package, and none of them contains the pinned patch."""


class WrongPin(Unavailable):
    """A pinned archive does not contain what the recipe takes from it; no other location can have it."""


def list_source_files(recipes: Iterable[Recipe | ResolvedRecipe]) -> tuple[PinnedFile, ...]:
    """Return the archive and the patches of each recipe, each hash once, in the recipes' order.

    The archives that patches are taken from are not among them, since a build reads only the patches.
    """
    files: dict[str, PinnedFile] = {}
    for recipe in recipes:
        label, source = f"{recipe.name} {recipe.version}", recipe.source
        archive = PinnedFile(
            label=label,
            filename=source.filename,
            sha256=source.sha256,
            size=source.size,
            sha1=source.sha1,
            urls=source.urls,
            debian=source.debian,
        )
        for file in (archive, *(_pin_patch(label, patch, source.sha256) for patch in source.patches)):
            files.setdefault(file.sha256, file)
    return tuple(files.values())


def list_patch_archives(files: Iterable[PinnedFile]) -> tuple[PinnedFile, ...]:
    """Return the archives from which patches among the files are taken, each hash once."""
    archives = [file.archive for file in files if file.archive is not None]
    return tuple({archive.sha256: archive for archive in archives}.values())


def _pin_patch(label: str, patch: Patch, source: str) -> PinnedFile:
    archive = None
    if patch.archive is not None:
        archive = PinnedFile(
            label=label,
            filename=patch.archive.filename,
            sha256=patch.archive.sha256,
            size=patch.archive.size,
            sha1=patch.archive.sha1,
            urls=patch.archive.urls,
            debian=patch.archive.debian,
        )
    return PinnedFile(
        label=label,
        filename=patch.name,
        sha256=patch.sha256,
        size=patch.size,
        sha1=patch.sha1,
        urls=patch.urls,
        debian=patch.debian,
        patches=source,
        archive=archive,
        member=patch.file,
    )
