"""Pinned files to fetch, and the reasons why a location could not provide one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from everywheel.config.recipe import DebianFile, Recipe, ResolvedRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFile:
    """One pinned file; `label` is the recipe and version that it belongs to, such as `libvips 8.16.1`.

    `size` is in bytes, 0 if it is not pinned.
    `patches` is the sha256 of the archive that a patch belongs to, and empty for an archive itself.
    """

    label: str
    filename: str
    sha256: str
    size: int = 0
    urls: tuple[str, ...] = ()
    debian: DebianFile | None = None
    patches: str = ""

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


class Unavailable(Exception):
    """A location cannot provide a file; the text is a short reason."""


class HashMismatch(Unavailable):
    """A location provided bytes with another hash than the pinned one."""


class Superseded(Unavailable):
    """The distribution has newer revisions of a package, and none of them contains the pinned patch."""


def list_source_files(recipes: Iterable[Recipe | ResolvedRecipe]) -> tuple[PinnedFile, ...]:
    """Return the archive and the patches of each recipe, each hash once, in the recipes' order."""
    files: dict[str, PinnedFile] = {}
    for recipe in recipes:
        label, source = f"{recipe.name} {recipe.version}", recipe.source
        archive = PinnedFile(
            label=label,
            filename=source.filename,
            sha256=source.sha256,
            size=source.size,
            urls=source.urls,
            debian=source.debian,
        )
        patches = [
            PinnedFile(
                label=label,
                filename=patch.name,
                sha256=patch.sha256,
                size=patch.size,
                urls=patch.urls,
                debian=patch.debian,
                patches=source.sha256,
            )
            for patch in source.patches
        ]
        for file in (archive, *patches):
            files.setdefault(file.sha256, file)
    return tuple(files.values())
