"""Updates of pins: newer sources and changed patches in the distribution, and rewriting recipes to pin them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.config.recipe import Recipe
from everywheel.config.source import Patch
from everywheel.errors import SourceError, UsageError
from everywheel.sources.cache import hash_bytes
from everywheel.sources.deadline import Deadline
from everywheel.sources.distro.apt import Revision
from everywheel.sources.distro.debian_source import PackageClient
from everywheel.sources.request import PinnedFile, Unavailable, list_source_files

_NO_CLIENT = "this machine has no package client"
_NO_CLIENT_HINT = "run it on Debian, or edit the pins by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One difference between a recipe's pins and the distribution.

    `old` and `new` are hashes to replace in recipe.toml; they are empty for a difference that cannot be rewritten. `size` is
    that of the new file in bytes.
    """

    recipe: str
    message: str
    old: str = ""
    new: str = ""
    size: int = 0


def find_updates(recipes: Sequence[Recipe], store: Path, *, timeout: float = 600.0) -> tuple[Update, ...]:
    """Compare the pins of recipes with the distribution's package lists after updating these.

    Raises SourceError on a machine without the distribution's package client.
    """
    files = list_source_files(recipes)
    client = PackageClient(store=store, archives=None, files=files, deadline=Deadline(timeout))
    if not client.exists:
        raise SourceError(_NO_CLIENT, hint=_NO_CLIENT_HINT)
    updates: list[Update] = []
    for recipe in recipes:
        if recipe.source.debian is not None:
            revisions = client.list_revisions(recipe.source.debian.package)
            updates += _compare(recipe, revisions, client)
    return tuple(updates)


def _compare(recipe: Recipe, revisions: Sequence[Revision], client: PackageClient) -> Iterator[Update]:
    same = [revision for revision in revisions if any(f.sha256 == recipe.source.sha256 for f in revision.files)]
    if not same:
        yield Update(recipe=recipe.name, message=f"{recipe.version}: the pinned archive is no longer available")
    other = [revision.version for revision in revisions if revision not in same]
    if other:
        yield Update(recipe=recipe.name, message=f"{recipe.version} is pinned, also available: {', '.join(other)}")
    for patch in recipe.source.patches:
        if patch.archive is not None and patch.archive.debian is not None:
            yield from _compare_patch(recipe, patch, patch.file, same, client)


def _compare_patch(
    recipe: Recipe, patch: Patch, name: str, revisions: Sequence[Revision], client: PackageClient
) -> Iterator[Update]:
    hashes: dict[str, tuple[str, int]] = {}
    for revision in revisions:
        try:
            content = client.read_packaging(revision, name)
        except Unavailable:
            continue
        if content is not None:
            hashes[hash_bytes(content)] = (revision.version, len(content))
    if patch.sha256 in hashes:
        return
    if not hashes:
        yield Update(recipe=recipe.name, message=f"{patch.name}: not in any readable revision")
        return
    new, (version, size) = next(iter(hashes.items()))
    yield Update(
        recipe=recipe.name, message=f"{patch.name}: changed in {version}", old=patch.sha256, new=new, size=size
    )


def rewrite_pins(recipe: Recipe, updates: Sequence[Update]) -> int:
    """Replace old hashes by new ones in a recipe's file and return how many were replaced."""
    path = recipe.directory / "recipe.toml"
    text = path.read_text(encoding="utf-8")
    changes = [update for update in updates if update.recipe == recipe.name and update.old in text and update.new]
    for update in changes:
        text = _replace_pin(text, update.old, update.new, update.size)
    if changes:
        path.write_text(text, encoding="utf-8")
    return len(changes)


def _replace_pin(text: str, old: str, new: str, size: int) -> str:
    """Return the text of a recipe with another hash, and another size where one is pinned below the hash."""
    text = re.sub(rf'^(sha256 = "{old}"\n)size = \d+$', rf"\g<1>size = {size}", text, flags=re.M)
    return text.replace(old, new)


def pin_version(recipe: Recipe, version: str, store: Path, *, timeout: float = 600.0) -> None:
    """Pin another upstream version of a recipe's source, with the archive's hash from the signed package lists.

    Patches are not changed: the next build shows whether they still apply, and the maintainer decides whether they are
    still needed. Raises UsageError when the distribution does not have the version.
    """
    debian = recipe.source.debian
    if debian is None:
        raise UsageError(f"{recipe.name} has no 'debian' location", hint="edit version and sha256 by hand")
    source = PinnedFile(label=recipe.name, filename=debian.file, sha256=recipe.source.sha256, debian=debian)
    client = PackageClient(store=store, archives=None, files=[source], deadline=Deadline(timeout))
    if not client.exists:
        raise SourceError(_NO_CLIENT, hint=_NO_CLIENT_HINT)
    name = debian.file.replace(recipe.version, version)
    revisions = client.list_revisions(debian.package)
    listed = [file for revision in revisions for file in revision.files if file.name == name]
    if not listed:
        available = ", ".join(dict.fromkeys(revision.version for revision in revisions)) or "none"
        raise UsageError(f"{recipe.name}: the distribution has no {name}", details={"available versions": available})
    path = recipe.directory / "recipe.toml"
    text = _replace_pin(path.read_text(encoding="utf-8"), recipe.source.sha256, listed[0].sha256, listed[0].size)
    text = re.sub(r'^version = ".*"$', f'version = "{version}"', text, count=1, flags=re.M)
    path.write_text(text, encoding="utf-8")
