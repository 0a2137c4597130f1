"""Supplying images: the one to run for a system and an architecture, pulled by digest or bootstrapped."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass

from everywheel.containers.bootstrap import bootstrap_image
from everywheel.containers.catalog import SmokeImage
from everywheel.containers.registry import REGISTRY_RETRIES, is_image_missing, query_registry
from everywheel.containers.runtime import Runtime
from everywheel.execution.retry import RetryPolicy
from everywheel.platforms.architectures import Arch
from everywheel.store.local import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedImage:
    """An image to run, with the version of its own Python, if it has a fit one; without a reference, `why` there is none."""

    reference: str
    python: str = ""
    reason: str = ""


class ImageProvider:
    """Gives images, each made or pulled once a run however many ask for it.

    The query to a busy registry is repeated as `retry_policy` sets; one that still gives nothing, or that
    does not answer at all, is not asked for any other image.
    """

    def __init__(
        self, runtime: Runtime, store: Store, *, offline: bool = False, retry_policy: RetryPolicy = REGISTRY_RETRIES
    ) -> None:
        self._runtime = runtime
        self._store = store
        self._offline = offline
        self._retry_policy = retry_policy
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._dead: dict[str, str] = {}

    def find(self, image: SmokeImage, arch: Arch) -> ResolvedImage:
        """Return the pulled image where the catalog has its digest, else the bootstrapped one, else why there is none.

        One that brings a Python of its own is rather bootstrapped, from the same packages: registries have it without, and
        the wheel would be tried on the portable one alone. Raises MachineError and BuildError when bootstrapping fails.
        """
        why = "the image is not locked: `everywheel images lock` finds its digest where a registry answers"
        pinned = image.pinned(arch)
        has_python = image.bootstrap is not None and image.bootstrap.python and shutil.which("mmdebstrap")
        if pinned and not has_python:
            found, why = self._pull(pinned, arch)
            if found:
                return ResolvedImage(reference=found)
        if image.bootstrap is not None:
            return ResolvedImage(
                reference=bootstrap_image(image, arch, self._runtime, self._store), python=image.bootstrap.python
            )
        return ResolvedImage(reference="", reason=why)

    def _pull(self, reference: str, arch: Arch) -> tuple[str, str]:
        """Return the id of a pulled image, or nothing and why it cannot be had."""
        registry = reference.partition("/")[0]
        with self._lock:
            lock = self._locks.setdefault(registry, threading.Lock())
        with lock:
            if found := self._runtime.find_image(reference, arch):
                return found, ""
            if self._offline:
                return "", f"{reference} is not here, and --offline keeps it from being pulled"
            if registry in self._dead:
                return "", self._dead[registry]
            answer = query_registry(lambda: self._runtime.pull_image(reference, arch), self._retry_policy)
            if answer.found:
                return answer.found, ""
            if is_image_missing(answer.reason):
                return "", f"{reference} cannot be pulled: {answer.reason}"
            again = f", asked {answer.tries} times" if answer.tries > 1 else ""
            self._dead[registry] = f"{registry} gives no image{again}: {answer.reason}"
            return "", self._dead[registry]
