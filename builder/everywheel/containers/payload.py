"""The payload of a build container, which has no network: this package's requirements, build tools, and wheels for pip."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.config.pins import Pin, describe_machine, parse_pins, render_pins, select_pins
from everywheel.execution.files import remove_path
from everywheel.platforms.target import Target
from everywheel.store.local import Store
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.toolchains.build_tools import PINS
from everywheel.toolchains.pip import download_wheels, install_wheels, platform_tags, write_requirements

SITE_PINS = Path(__file__).with_name("site.txt")
"""A requirements file with the packages that this package requires in a container, and with all that these require."""
VIRTUALENV_PINS = Path(__file__).with_name("virtualenv.txt")
"""A requirements file with virtualenv, by which cibuildwheel creates the environment for the wheel's tests."""
CONSTRAINTS = "build-constraints.txt"
"""The name of a file among the wheels with the pins of the build requirements."""
OLD_CONSTRAINTS = "constraints.txt"
"""The name of a file among the wheels with the versions of the build requirements."""
NOT_IN_CONTAINER = frozenset({"cibuildwheel", "uv"})
"""Requirements of this package that are only used outside of the container."""


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
    build_pins: Sequence[Pin],
    test_requirements: Sequence[str],
    store: Store,
    *,
    offline: bool,
) -> Payload:
    """Return the payload for one libc, architecture and Python; fetched once, kept in the store.

    `build_pins` are those of the extension's build. Raises MachineError when the payload is not in the store and `offline`
    forbids fetching it, BuildError when the package index has no wheels for the container.
    """
    machine = describe_machine(python, target.arch.name)

    def select(pins: Sequence[Pin]) -> str:
        return render_pins(select_pins(pins, machine))

    site, virtualenv = (select(parse_pins(file.read_text())) for file in (SITE_PINS, VIRTUALENV_PINS))
    # A build image has a compiler of its own.
    tools = select([pin for pin in parse_pins(PINS.read_text()) if pin.name != "ziglang"])
    build, tags = select(build_pins), platform_tags(target, libc_version)
    facts = repr((site, tools, virtualenv, build, sorted(test_requirements), tags, python))
    identity = hashlib.sha256(facts.encode()).hexdigest()[:12]
    title, log = "packages for containers", store.root / "logs" / f"payload-{identity}.log"

    def fill(folder: Path) -> None:
        remove_path(log)
        payload = Payload(folder=folder)
        payload.wheels.mkdir()
        for pins, directory in ((site, payload.site), (tools, payload.tools)):
            hashed = write_hashed(pins, folder / "pins.txt")
            install_wheels(hashed, directory, platforms=tags, python=python, label=title, log=log)
        if test_requirements:
            download_wheels(test_requirements, payload.wheels, platforms=tags, python=python, label=title, log=log)
        # After the wheels for tests, which have no hashes: pip replaces a file that does not have its pinned hash.
        for pins, file in ((virtualenv, folder / "pins.txt"), (build, payload.wheels / CONSTRAINTS)):
            hashed = write_hashed(pins, file)
            if pins:
                download_wheels(hashed, payload.wheels, platforms=tags, python=python, label=title, log=log)
        versions = "".join(f"{pin.name}=={pin.version}\n" for pin in select_pins(build_pins, machine))
        (payload.wheels / OLD_CONSTRAINTS).write_text(versions)

    path = store.root / "tools" / f"payload-{target.libc}-{target.arch.name}-{identity}"
    return Payload(folder=ensure_stamped_dir(path, fill, title=title, offline=offline))


def write_hashed(pins: str, file: Path) -> list[str]:
    """Write a requirements file, and return the arguments by which pip installs or downloads exactly its packages."""
    return ["--require-hashes", "--no-deps", "-r", str(write_requirements(file, pins))]


def pip_variables(wheels: str, *, old_pip: bool) -> dict[str, str]:
    """Return the variables by which pip finds its wheels in a container, and the pinned ones of them for builds.

    `wheels` is the folder of the wheels in the container. The constraints have hashes, so pip installs nothing else for a
    build. A distribution has a pip before 25.3, which has no constraints for builds only: with it, versions without hashes
    apply to the packages for tests too.
    """
    variables = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels, "PIP_BUILD_CONSTRAINT": f"{wheels}/{CONSTRAINTS}"}
    return {**variables, "PIP_CONSTRAINT": f"{wheels}/{OLD_CONSTRAINTS}"} if old_pip else variables
