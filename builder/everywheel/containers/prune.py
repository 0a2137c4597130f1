"""Pruning: images and containers that were made here and that nothing uses any more."""

from __future__ import annotations

from dataclasses import dataclass

from everywheel.containers.bootstrap import bootstrapped_reference
from everywheel.containers.catalog import Catalog
from everywheel.containers.local_build_image import local_build_image_reference
from everywheel.containers.runtime import Runtime
from everywheel.platforms.architectures import ARCHES


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneCandidate:
    """One thing that can go; `size` in bytes, nothing for a container."""

    kind: str
    name: str
    size: int = 0


def find_prune_candidates(catalog: Catalog, runtime: Runtime, *, everything: bool) -> tuple[PruneCandidate, ...]:
    """Return the images that the catalog would not make so today, and the containers of runs that were killed.

    `everything` adds the images that would be made just so again.
    """
    smoke = {
        bootstrapped_reference(image, ARCHES[arch])
        for image in catalog.images.values()
        for arch in image.arches
        if image.bootstrap is not None
    }
    build = {
        local_build_image_reference(image, ARCHES[arch])
        for image in catalog.builds.values()
        for arch in image.arches
        if image.bootstrap is not None
    }
    wanted = smoke | build
    containers = [PruneCandidate(kind="container", name=name) for name in runtime.leftover_containers()]
    images = [
        PruneCandidate(kind="image", name=made.reference, size=made.size)
        for made in runtime.images()
        if everything or made.reference not in wanted
    ]
    return (*containers, *images)


def remove_prune_candidates(candidates: tuple[PruneCandidate, ...], runtime: Runtime) -> None:
    """Remove them; what is gone already is no error."""
    for one in candidates:
        if one.kind == "container":
            runtime.remove_container(one.name)
        else:
            runtime.remove_image(one.name)
