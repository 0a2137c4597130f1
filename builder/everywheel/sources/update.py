"""Updates of pins: what the distribution offers that a recipe does not pin yet, and the recipe's text with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.config.recipe import Patch, Recipe
from everywheel.errors import SourceError, UsageError
from everywheel.sources.cache import hash_bytes
from everywheel.sources.deadline import Deadline
from everywheel.sources.distro.apt import Revision
from everywheel.sources.distro.debian_source import PackageClient
from everywheel.sources.request import PinnedFile, Unavailable, list_source_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One thing that has moved on: `old` and `new` stand in recipe.toml, where they are empty it cannot be rewritten."""

    recipe: str
    message: str
    old: str = ""
    new: str = ""


def find_updates(recipes: Sequence[Recipe], store: Path, *, timeout: float = 600.0) -> tuple[Update, ...]:
    """Compare the pins of recipes with the distribution's lists, freshly fetched.

    Raises SourceError on a machine without the distribution's package client.
    """
    files = list_source_files(recipes)
    client = PackageClient(store=store, archives=None, files=files, deadline=Deadline(timeout))
    if not client.exists:
        raise SourceError(
            "there is no package client on this machine", hint="run it on Debian, or edit the pins by hand"
        )
    found: list[Update] = []
    for recipe in recipes:
        if recipe.source.debian is not None:
            revisions = client.list_revisions(recipe.source.debian.package)
            found += _compare(recipe, revisions, client)
    return tuple(found)


def _compare(recipe: Recipe, revisions: Sequence[Revision], client: PackageClient) -> list[Update]:
    same = [revision for revision in revisions if any(f.sha256 == recipe.source.sha256 for f in revision.files)]
    found = []
    if not same:
        found.append(
            Update(recipe=recipe.name, message=f"{recipe.version}: the archive as pinned is no longer offered")
        )
    newer = [revision.version for revision in revisions if revision not in same]
    if newer:
        found.append(
            Update(recipe=recipe.name, message=f"{recipe.version} is pinned, also offered: {', '.join(newer)}")
        )
    for patch in recipe.source.patches:
        if patch.debian is not None and "/" in patch.debian.file:
            found += _compare_patch(recipe, patch, patch.debian.file, same, client)
    return found


def _compare_patch(
    recipe: Recipe, patch: Patch, name: str, revisions: Sequence[Revision], client: PackageClient
) -> list[Update]:
    hashes: dict[str, str] = {}
    for revision in revisions:
        try:
            content = client.read_packaging(revision, name)
        except Unavailable:
            continue
        if content is not None:
            hashes[hash_bytes(content)] = revision.version
    if patch.sha256 in hashes:
        return []
    if not hashes:
        return [Update(recipe=recipe.name, message=f"{patch.name}: no revision that can be read has it")]
    new, version = next(iter(hashes.items()))
    return [Update(recipe=recipe.name, message=f"{patch.name}: changed in {version}", old=patch.sha256, new=new)]


def rewrite_pins(recipe: Recipe, updates: Sequence[Update]) -> int:
    """Put new hashes in the place of old ones in a recipe's file; return how many."""
    path = recipe.directory / "recipe.toml"
    text = path.read_text(encoding="utf-8")
    changes = [update for update in updates if update.recipe == recipe.name and update.old in text and update.new]
    for update in changes:
        text = text.replace(update.old, update.new)
    if changes:
        path.write_text(text, encoding="utf-8")
    return len(changes)


def pin_version(recipe: Recipe, version: str, store: Path, *, timeout: float = 600.0) -> None:
    """Pin another upstream version of a recipe's source, with the hash that the signed lists give for its archive.

    Patches stay as they are: whether they still apply, and whether they are still needed, the next build and its
    maintainer say. Raises UsageError when the version is not offered.
    """
    debian = recipe.source.debian
    if debian is None:
        raise UsageError(f"{recipe.name} has no 'debian' place", hint="edit version and sha256 by hand")
    wanted = PinnedFile(label=recipe.name, filename=debian.file, sha256=recipe.source.sha256, debian=debian)
    client = PackageClient(store=store, archives=None, files=[wanted], deadline=Deadline(timeout))
    if not client.exists:
        raise SourceError(
            "there is no package client on this machine", hint="run it on Debian, or edit the pins by hand"
        )
    name = debian.file.replace(recipe.version, version)
    revisions = client.list_revisions(debian.package)
    hashes = [file.sha256 for revision in revisions for file in revision.files if file.name == name]
    if not hashes:
        offered = ", ".join(dict.fromkeys(revision.version for revision in revisions)) or "nothing"
        raise UsageError(f"{recipe.name}: no {name} is offered", details={"offered": offered})
    path = recipe.directory / "recipe.toml"
    text = path.read_text(encoding="utf-8").replace(recipe.source.sha256, hashes[0])
    text = re.sub(r'^version = ".*"$', f'version = "{version}"', text, count=1, flags=re.M)
    path.write_text(text, encoding="utf-8")
