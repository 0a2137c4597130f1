"""Toolboxes: what a build in a container takes along, since it has no network: this toolkit, its tools, and wheels for pip."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path

from filelock import FileLock
from packaging.requirements import Requirement

from everywheel.errors import MachineError
from everywheel.platforms.target import Target
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import PINS
from everywheel.toolchains.pip_download import download_wheels, install_wheels, platform_tags

# cibuildwheel makes the environment for the wheel's tests with it.
_FOR_CIBUILDWHEEL = ("virtualenv",)
# What only the machine outside uses.
_OUTSIDE = frozenset({"cibuildwheel"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A folder of the store: `site` has what the toolkit imports, `tools` the build tools, `wheels` what pip may install."""

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
    """Return the payload for containers of one kind; fetched once, kept in the store.

    `requirements` are those of the extension's build and tests. Raises MachineError when it is not there and `offline`
    forbids fetching it, BuildError when the package index does not have it for that machine.
    """
    own = list_dependencies(python)
    tags = platform_tags(target, libc_version)
    pins = _pins_without_zig()
    identity = hashlib.sha256(repr((own, tags, pins, sorted(requirements), python)).encode()).hexdigest()[:12]
    box = Payload(folder=store.root / "tools" / f"box-{target.libc}-{target.arch.name}-{identity}")
    log = store.root / "logs" / "payload.log"
    with FileLock(f"{box.folder}.lock"):
        if (box.folder / "complete").exists():
            return box
        if offline:
            raise MachineError(
                "what a container takes along is not in the store, and --offline forbids fetching it",
                hint="run the same command once without --offline",
            )
        shutil.rmtree(box.folder, ignore_errors=True)
        box.wheels.mkdir(parents=True)
        (box.folder / "tools.txt").write_text(pins)
        install_wheels(own, box.site, platforms=tags, python=python, log=log)
        hashed = ["--require-hashes", "--no-deps", "-r", str(box.folder / "tools.txt")]
        install_wheels(hashed, box.tools, platforms=tags, python=python, log=log)
        wanted = [*_FOR_CIBUILDWHEEL, *requirements]
        download_wheels(wanted, box.wheels, platforms=tags, python=python, log=log)
        (box.folder / "complete").write_text("")
    return box


def list_dependencies(python: str) -> list[str]:
    """Return what this toolkit imports in a container, for one version of Python."""
    found = [Requirement(word) for word in requires("everywheel") or []]
    wanted = [
        one for one in found if one.marker is None or one.marker.evaluate({"python_version": python, "extra": ""})
    ]
    return sorted(f"{one.name}{one.specifier}" for one in wanted if one.name not in _OUTSIDE)


def _pins_without_zig() -> str:
    """Return the pins of the build tools, all but the compiler's: a container has its own."""
    entries = re.findall(r"^\S.*?(?=^\S|\Z)", PINS.read_text(), flags=re.M | re.S)
    return "".join(entry for entry in entries if not entry.startswith("ziglang=="))
