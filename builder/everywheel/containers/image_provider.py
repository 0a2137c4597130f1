"""The image provider: pulls or bootstraps the image of a system for an architecture, once in a run."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass

from everywheel.containers.bootstrap import bootstrap_image
from everywheel.containers.catalog import SmokeImage
from everywheel.containers.registry import REGISTRY_RETRIES, is_image_missing, query_registry
from everywheel.containers.runtime_images import RuntimeImages
from everywheel.execution.retry import RetryPolicy
from everywheel.platforms.architectures import Arch
from everywheel.store.local import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedImage:
    """An image to run, and the version of its own Python if it has one; without a `reference`, the reason.

    `digest` is the id that the runtime has for it, and `pinned` the name and digest in a registry from which it was pulled;
    an image that was built here has none.
    """

    reference: str
    digest: str = ""
    pinned: str = ""
    python: str = ""
    reason: str = ""


class ImageProvider:
    """Provides images; each is built or pulled once in a run, also for concurrent callers.

    A query to a busy registry is repeated according to `retry_policy`. A registry that still returns no image, or does not
    respond at all, is not queried for any other image.
    """

    def __init__(
        self,
        images: RuntimeImages,
        store: Store,
        *,
        offline: bool = False,
        retry_policy: RetryPolicy = REGISTRY_RETRIES,
    ) -> None:
        self._images = images
        self._store = store
        self._offline = offline
        self._retry_policy = retry_policy
        self._lock = threading.Lock()
        self._registry_locks: dict[str, threading.Lock] = {}
        self._unavailable: dict[str, str] = {}

    def find(self, image: SmokeImage, arch: Arch) -> ResolvedImage:
        """Return the pulled image if the catalog has its digest, else the bootstrapped one, else the reason.

        An image with a Python of its own is bootstrapped if possible: images in registries have no Python, so that the wheel
        would only be tested with the portable one. Raises MachineError and BuildError when bootstrapping fails.
        """
        reason = "the image is not locked: `everywheel images lock` writes its digest if the registry is reachable"
        pinned = image.pinned_reference(arch)
        has_python = image.bootstrap is not None and image.bootstrap.python and shutil.which("mmdebstrap")
        if pinned and not has_python:
            reference, reason = self._pull(pinned, arch)
            if reference:
                return ResolvedImage(reference=reference, digest=reference, pinned=pinned)
        if image.bootstrap is not None:
            reference = bootstrap_image(image, arch, self._images, self._store)
            digest = self._images.find(reference, arch)
            return ResolvedImage(reference=reference, digest=digest, python=image.bootstrap.python)
        return ResolvedImage(reference="", reason=reason)

    def _pull(self, reference: str, arch: Arch) -> tuple[str, str]:
        """Return the id of a pulled image and no reason, or no id and the reason."""
        registry = reference.partition("/")[0]
        with self._lock:
            lock = self._registry_locks.setdefault(registry, threading.Lock())
        with lock:
            if image := self._images.find(reference, arch):
                return image, ""
            if self._offline:
                return "", f"{reference} is not on this machine, and --offline forbids pulling it"
            if registry in self._unavailable:
                return "", self._unavailable[registry]
            answer = query_registry(lambda: self._images.pull(reference, arch), self._retry_policy)
            if answer.value:
                return answer.value, ""
            if is_image_missing(answer.reason):
                return "", f"{reference} cannot be pulled: {answer.reason}"
            attempts = f" after {answer.attempts} attempts" if answer.attempts > 1 else ""
            self._unavailable[registry] = f"{registry} returned no image{attempts}: {answer.reason}"
            return "", self._unavailable[registry]
