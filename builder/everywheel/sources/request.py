"""What is wanted: one value for each pinned file, and why a place could not give it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from everywheel.config.recipe import DebianFile, Recipe, ResolvedRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFile:
    """One pinned file; `label` names what it is for, such as `libvips 8.16.1`.

    `patches` is the sha256 of the archive that a patch belongs to, and empty for an archive itself.
    """

    label: str
    filename: str
    sha256: str
    urls: tuple[str, ...] = ()
    debian: DebianFile | None = None
    patches: str = ""

    @property
    def is_patch(self) -> bool:
        return bool(self.patches)

    @property
    def title(self) -> str:
        """How messages name it: `libvips 8.16.1: vips_8.16.1.orig.tar.gz`."""
        return f"{self.label}: {self.filename}"


# The next step when bytes that were pinned cannot be used.
COMPARE_PIN = "compare the pin in the recipe with what upstream publishes"


class Unavailable(Exception):
    """A place cannot give a file; the text says why in a few words."""


class HashMismatch(Unavailable):
    """A place gave something else than what was pinned."""


class Superseded(Unavailable):
    """The distribution has newer revisions of a package, and none holds the patch that was pinned."""


def list_source_files(recipes: Iterable[Recipe | ResolvedRecipe]) -> tuple[PinnedFile, ...]:
    """List the archive and the patches of each recipe, each hash once, in the recipes' order."""
    found: dict[str, PinnedFile] = {}
    for recipe in recipes:
        label, source = f"{recipe.name} {recipe.version}", recipe.source
        archive = PinnedFile(
            label=label, filename=source.filename, sha256=source.sha256, urls=source.urls, debian=source.debian
        )
        patches = [
            PinnedFile(
                label=label,
                filename=patch.name,
                sha256=patch.sha256,
                urls=patch.urls,
                debian=patch.debian,
                patches=source.sha256,
            )
            for patch in source.patches
        ]
        for wanted in (archive, *patches):
            found.setdefault(wanted.sha256, wanted)
    return tuple(found.values())
