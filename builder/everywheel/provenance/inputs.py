"""The inputs of a wheel's build as resource descriptors: sources, patches, recipes, build requirements and tools."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator

from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from packageurl import PackageURL

from everywheel.config.pins import Pin
from everywheel.config.recipe import ResolvedRecipe
from everywheel.config.source import Patch, PatchArchive, Source


def list_inputs(
    recipes: Iterable[ResolvedRecipe], requirements: Iterable[Pin], tools: Iterable[Pin]
) -> list[ResourceDescriptor]:
    """Return every input once, in a fixed order: of each recipe its files, archive and patches, then the packages."""
    inputs: list[ResourceDescriptor] = []
    for recipe in sorted(recipes, key=lambda recipe: recipe.name):
        inputs += [_describe_recipe(recipe), _describe_archive(recipe), *_list_patches(recipe)]
    inputs += [_describe_pin(pin, "build requirement") for pin in requirements]
    return [*inputs, *(_describe_pin(pin, "tool") for pin in tools)]


def _describe_recipe(recipe: ResolvedRecipe) -> ResourceDescriptor:
    """Return the recipe's own files, by a hash of their names and hashes."""
    listing = json.dumps(sorted(recipe.files.items())).encode()
    return ResourceDescriptor(
        name=f"recipe {recipe.name}",
        digest={"sha256": hashlib.sha256(listing).hexdigest()},
        annotations={"files": dict(sorted(recipe.files.items()))},
    )


def _describe_archive(recipe: ResolvedRecipe) -> ResourceDescriptor:
    source = recipe.source
    return ResourceDescriptor(
        name=f"{recipe.name} {recipe.version}: {source.filename}",
        uri=next(iter(source.urls), ""),
        digest=_list_digests(source),
        annotations={"package": source.packaging} if source.packaging else {},
    )


def _list_patches(recipe: ResolvedRecipe) -> Iterator[ResourceDescriptor]:
    source = recipe.source
    archives = {patch.archive.sha256: patch.archive for patch in source.patches if patch.archive is not None}
    for archive in archives.values():
        yield ResourceDescriptor(
            name=f"{recipe.name} {recipe.version}: {archive.filename}",
            uri=next(iter(archive.urls), ""),
            digest=_list_digests(archive),
        )
    for patch in source.patches:
        yield ResourceDescriptor(
            name=f"{recipe.name} {recipe.version}: {patch.file or patch.name}",
            uri=next(iter(patch.urls), ""),
            digest=_list_digests(patch),
            annotations={"fixes": list(patch.fixes)} if patch.fixes else {},
        )


def _list_digests(file: Source | PatchArchive | Patch) -> dict[str, str]:
    return {"sha256": file.sha256} | ({"sha1": file.sha1} if file.sha1 else {})


def _describe_pin(pin: Pin, kind: str) -> ResourceDescriptor:
    """Return a package; its files differ between build machines, so all of their hashes are annotations."""
    return ResourceDescriptor(
        name=f"{kind} {pin.name} {pin.version}",
        uri=PackageURL(type="pypi", name=pin.name, version=pin.version).to_string(),
        annotations={"sha256": list(pin.hashes), **({"marker": pin.marker} if pin.marker else {})},
    )
