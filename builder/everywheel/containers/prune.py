"""Pruning: images that everywheel built and no longer uses, and containers of runs that were killed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from everywheel.containers.bootstrap import bootstrapped_reference
from everywheel.containers.catalog import Catalog
from everywheel.containers.local_build_image import local_build_image_reference
from everywheel.containers.runtime import Runtime
from everywheel.platforms.architectures import ARCHES


class PruneKind(StrEnum):
    """Kinds of objects that can be removed."""

    CONTAINER = "container"
    IMAGE = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneCandidate:
    """An object that can be removed; `size` in bytes, 0 for a container."""

    kind: PruneKind
    name: str
    size: int = 0


def find_prune_candidates(catalog: Catalog, runtime: Runtime, *, everything: bool) -> tuple[PruneCandidate, ...]:
    """Return containers of killed runs, and images that the catalog would build differently today.

    `everything` adds the images that are up to date.
    """
    smoke = {
        bootstrapped_reference(image, ARCHES[arch])
        for image in catalog.smoke_images.values()
        for arch in image.arches
        if image.bootstrap is not None
    }
    build = {
        local_build_image_reference(image, ARCHES[arch])
        for image in catalog.build_images.values()
        for arch in image.arches
        if image.bootstrap is not None
    }
    current = smoke | build
    containers = [PruneCandidate(kind=PruneKind.CONTAINER, name=name) for name in runtime.list_orphaned_containers()]
    images = [
        PruneCandidate(kind=PruneKind.IMAGE, name=image.reference, size=image.size)
        for image in runtime.images.list_built()
        if everything or image.reference not in current
    ]
    return (*containers, *images)


def remove_prune_candidates(candidates: tuple[PruneCandidate, ...], runtime: Runtime) -> None:
    """Remove containers and images; one that no longer exists is ignored."""
    for candidate in candidates:
        if candidate.kind is PruneKind.CONTAINER:
            runtime.remove_container(candidate.name)
        else:
            runtime.images.remove(candidate.name)
