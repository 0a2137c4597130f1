"""The choice of a build image for a target: the candidates of a catalog, and which of them a container runtime can use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from everywheel.containers.catalog import BuildImage, Catalog
from everywheel.containers.local_build_image import build_image_target, local_build_image_reference
from everywheel.containers.lock import pinned_build_reference
from everywheel.containers.runtime_images import RuntimeImages
from everywheel.errors import MachineError
from everywheel.platforms.architectures import Arch
from everywheel.platforms.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedImage:
    """The build image for a target, and its name in the runtime, which may still have to pull or build it.

    The name is empty for an image of a registry without a digest.
    """

    target: Target
    image: BuildImage
    reference: str

    @property
    def is_local(self) -> bool:
        """True if the image is built from packages, not pulled from a registry."""
        return self.image.bootstrap is not None


def list_candidates(target: Target, catalog: Catalog) -> tuple[SelectedImage, ...]:
    """Return the build images of a catalog that can build for a target, the preferred one first; no runtime is required."""
    return tuple(
        SelectedImage(target=target, image=image, reference=_find_reference(image, target.arch))
        for image in catalog.build_images.values()
        if image.can_build(target)
    )


def _find_reference(image: BuildImage, arch: Arch) -> str:
    if image.bootstrap is not None:
        return local_build_image_reference(image, arch)
    return pinned_build_reference(image, arch)


def choose_image(target: Target, catalog: Catalog, images: RuntimeImages, *, pull: bool = True) -> SelectedImage:
    """Return the first build image of the catalog that can build for a target and is available.

    Images of a registry are pulled, or without `pull` must be on this machine; those from packages are built later. Raises
    MachineError with the reason of each image when none is available.
    """
    reasons: dict[str, str] = {}
    for candidate in list_candidates(target, catalog):
        reason = "" if candidate.is_local else find_obstacle(candidate.reference, target.arch, images, pull=pull)
        if not reason:
            return candidate
        reasons[candidate.image.name] = reason
    raise report_missing_image(target, catalog, reasons)


def find_obstacle(reference: str, arch: Arch, images: RuntimeImages, *, pull: bool) -> str:
    """Return why a runtime cannot use an image of a registry, which it pulls if `pull` is set; an empty text if it can."""
    if not reference:
        return "it has no digest: run `everywheel images lock`"
    try:
        if not images.find(reference, arch):
            if not pull:
                return "it is not pulled yet"
            images.pull(reference, arch)
    except MachineError as error:
        return str(error.details.get("reason", error.fact))
    return ""


def report_missing_image(target: Target, catalog: Catalog, reasons: Mapping[str, str]) -> MachineError:
    """Return the error for a target without an available image, with the reason of each candidate."""
    return MachineError(
        f"no build image for {target.tag} is available", details=reasons, hint=_suggest_floor(target, catalog)
    )


def _suggest_floor(target: Target, catalog: Catalog) -> str:
    """Return a hint that names an image that can be built on this machine, and the lowest target that it supports."""
    for image in catalog.build_images.values():
        if image.bootstrap is not None and image.libc == target.libc and target.arch.name in image.arches:
            lowest = build_image_target(image, target.arch).tag
            return f"image {image.name} can be built on this machine, for `--target {lowest}`"
    return "add an image under [build] of docker/images.toml"
