"""Images of a container runtime: finding, pulling, loading, listing and removing them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from everywheel.containers.runtime_errors import describe_error, translate_errors
from everywheel.errors import MachineError
from everywheel.platforms.architectures import Arch

IMAGE_LABEL = "org.everywheel"
"""The label of images that everywheel built; its value describes their origin and is only for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalImage:
    """An image that everywheel built: its name and its size in bytes."""

    reference: str
    size: int


class RuntimeImages:
    """The images of one container runtime, which `runtime` names in errors."""

    def __init__(self, client: Any, runtime: str) -> None:
        self._client = client
        self._runtime = runtime

    def has(self, reference: str) -> bool:
        with translate_errors(self._runtime):
            try:
                self._client.images.get(reference)
            except ImageNotFound:
                return False
            return True

    def find(self, reference: str, arch: Arch) -> str:
        """Return the id of an image for an architecture; empty if it is missing or for another architecture."""
        with translate_errors(self._runtime):
            for name in (reference, _renamed(reference, image_platform(arch)[0])):
                with contextlib.suppress(ImageNotFound):
                    image = self._client.images.get(name)
                    if image.attrs.get("Architecture") == image_platform(arch)[0]:
                        return str(image.id)
        return ""

    def list_built(self) -> list[LocalImage]:
        """Return all images that everywheel built."""
        with translate_errors(self._runtime):
            labeled = self._client.images.list(filters={"label": IMAGE_LABEL})
        built = [LocalImage(reference=tag, size=image.attrs["Size"]) for image in labeled for tag in image.tags]
        return sorted(built, key=lambda image: image.reference)

    def find_digest(self, reference: str) -> str:
        """Return the digest that a registry has for a name; raise MachineError when it returns none."""
        with translate_errors(self._runtime):
            try:
                return str(self._client.images.get_registry_data(reference).id)
            except (APIError, NotFound) as error:
                raise MachineError(f"no digest for {reference}", details={"reason": describe_error(error)}) from None

    def load(self, archive: Path) -> None:
        """Load an image archive."""
        with translate_errors(self._runtime), archive.open("rb") as file:
            self._client.images.load(file)

    def pull(self, reference: str, arch: Arch) -> str:
        """Pull an image by name and digest and return its id; raise MachineError when the registry returns none.

        Reads the stream of the API: `images.pull` of the client library discards the registry's error message
        (https://github.com/docker/docker-py/issues/2688).
        """
        with translate_errors(self._runtime):
            self._rename_other_architecture(reference, image_platform(arch)[0])
            try:
                events = self._client.api.pull(reference, platform=_platform(arch), stream=True, decode=True)
                errors = [str(event["error"]) for event in events if "error" in event]
            except (APIError, NotFound) as error:
                errors = [describe_error(error)]
            if "no space left" in " ".join(errors):
                raise DockerException(errors[-1])
            image = "" if errors else self.find(reference, arch)
        if not image:
            raise MachineError(
                f"{reference} cannot be pulled",
                details={"reason": errors[-1] if errors else f"the pulled image is not for {_platform(arch)}"},
                hint="check that the registry is reachable; `everywheel images list` shows the images that do not require one",
            )
        return image

    def _rename_other_architecture(self, reference: str, architecture: str) -> None:
        """Give an image of another architecture another name, since Docker stores one image for each digest.

        https://github.com/moby/moby/issues/43188
        """
        with contextlib.suppress(ImageNotFound):
            other = self._client.images.get(reference)
            if (actual := str(other.attrs.get("Architecture"))) != architecture:
                other.tag(_renamed(reference, actual))
                self._client.images.remove(reference, noprune=True)

    def remove(self, reference: str) -> None:
        with translate_errors(self._runtime), contextlib.suppress(ImageNotFound):
            self._client.images.remove(reference, force=True)


def _renamed(reference: str, architecture: str) -> str:
    """Return the name of a pulled image after its digest was pulled for another architecture."""
    name, _, digest = reference.partition("@")
    return f"everywheel/pulled-{name.rpartition('/')[2].partition(':')[0]}:{architecture}-{digest[-12:]}"


def _platform(arch: Arch) -> str:
    return f"linux/{arch.oci}"


def image_platform(arch: Arch) -> tuple[str, str]:
    """Return architecture and variant as an image's configuration names them (OCI image specification)."""
    name, _, variant = arch.oci.partition("/")
    return name, variant
