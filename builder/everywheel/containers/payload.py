"""The payload of a build container, which has no network: this package's requirements, build tools, and wheels for pip."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

from everywheel.platforms.target import Target
from everywheel.store.local import Store
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.toolchains.build_tools import PINS
from everywheel.toolchains.pip import download_wheels, install_wheels, platform_tags, write_requirements

# cibuildwheel creates the environment for the wheel's tests with virtualenv.
_CIBUILDWHEEL_REQUIREMENTS = ("virtualenv",)
# Requirements that are only used outside of the container.
_NOT_IN_CONTAINER = frozenset({"cibuildwheel", "uv"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A folder of the store: `site` has this package's requirements, `tools` the build tools, `wheels` the wheels for pip."""

    folder: Path

    @property
    def site(self) -> Path:
        return self.folder / "site"

    @property
    def tools(self) -> Path:
        return self.folder / "tools"

    @property
    def wheels(self) -> Path:
        return self.folder / "wheels"


def ensure_payload(
    target: Target,
    libc_version: Sequence[int],
    python: str,
    requirements: Sequence[str],
    store: Store,
    *,
    offline: bool,
) -> Payload:
    """Return the payload for one libc, architecture and Python; fetched once, kept in the store.

    `requirements` are those of the extension's build and tests. Raises MachineError when the payload is not in the store and
    `offline` forbids fetching it, BuildError when the package index has no wheels for the container.
    """
    dependencies = list_dependencies(python)
    tags = platform_tags(target, libc_version)
    pins = _pins_without_zig()
    identity = hashlib.sha256(repr((dependencies, tags, pins, sorted(requirements), python)).encode()).hexdigest()[:12]
    title, log = "packages for containers", store.root / "logs" / "payload.log"

    def fill(folder: Path) -> None:
        log.unlink(missing_ok=True)
        payload = Payload(folder=folder)
        pinned = write_requirements(folder / "tools.txt", pins)
        hashed = ["--require-hashes", "--no-deps", "-r", str(pinned)]
        for packages, site in ((dependencies, payload.site), (hashed, payload.tools)):
            install_wheels(packages, site, platforms=tags, python=python, label=title, log=log)
        wheels = [*_CIBUILDWHEEL_REQUIREMENTS, *requirements]
        download_wheels(wheels, payload.wheels, platforms=tags, python=python, label=title, log=log)

    path = store.root / "tools" / f"payload-{target.libc}-{target.arch.name}-{identity}"
    return Payload(folder=ensure_stamped_dir(path, fill, title=title, offline=offline))


def list_dependencies(python: str) -> list[str]:
    """Return the requirements of this package in a container, for one version of Python."""
    requirements = [Requirement(text) for text in requires("everywheel") or []]
    environment = {"python_version": python, "extra": ""}
    return sorted(
        f"{requirement.name}{requirement.specifier}"
        for requirement in requirements
        if requirement.name not in _NOT_IN_CONTAINER
        and (requirement.marker is None or requirement.marker.evaluate(environment))
    )


def _pins_without_zig() -> str:
    """Return the pins of the build tools except for the compiler: a build image has its own."""
    entries = re.findall(r"^\S.*?(?=^\S|\Z)", PINS.read_text(), flags=re.M | re.S)
    return "".join(entry for entry in entries if not entry.startswith("ziglang=="))
