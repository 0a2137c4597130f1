"""Supplying images: the one to run for a system and an architecture, pulled by digest or bootstrapped."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from builder.errors import MachineError
from builder.images.bootstrap import bootstrap_image
from builder.images.catalog import SmokeImage
from builder.runtime import Runtime
from builder.store import Store
from builder.target import Arch


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplied:
    """An image to run, with the version of its own Python, if it has a fit one; without a reference, `why` there is none."""

    reference: str
    python: str = ""
    why: str = ""


class Supply:
    """Gives images, each made or pulled once a run however many ask for it; a registry that failed is not asked again."""

    def __init__(self, runtime: Runtime, store: Store) -> None:
        self._runtime = runtime
        self._store = store
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._dead: dict[str, str] = {}

    def find(self, image: SmokeImage, arch: Arch) -> Supplied:
        """Return the pulled image where the catalogue has its digest, else the bootstrapped one, else why there is none.

        Raises MachineError and BuildError when bootstrapping fails.
        """
        why = "the image is not locked: `everywheel images lock` finds its digest where a registry answers"
        pinned = image.pinned(arch)
        if pinned:
            reason = self._pull(pinned, arch)
            if reason == "":
                return Supplied(reference=pinned)
            why = reason
        if image.bootstrap is not None:
            return Supplied(
                reference=bootstrap_image(image, arch, self._runtime, self._store), python=image.bootstrap.python
            )
        return Supplied(reference="", why=why)

    def _pull(self, reference: str, arch: Arch) -> str:
        registry = reference.partition("/")[0]
        with self._lock:
            lock = self._locks.setdefault(registry, threading.Lock())
        with lock:
            if registry in self._dead:
                return self._dead[registry]
            if self._runtime.has_image(reference):
                return ""
            try:
                self._runtime.pull_image(reference, arch)
            except MachineError as error:
                self._dead[registry] = f"{error.fact}: {error.details.get('reason', '')}"
                return self._dead[registry]
        return ""
