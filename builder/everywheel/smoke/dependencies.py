"""Test dependencies: the packages that are installed next to a wheel in a smoke image."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from everywheel.audit.wheel_contents import read_wheel_contents
from everywheel.execution.files import remove_path
from everywheel.platforms.target import Target
from everywheel.store.local import Store
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.toolchains.pip import download_wheels, install_wheels, platform_tags
from everywheel.wheels.wheel import open_wheel


@dataclass(frozen=True, slots=True, kw_only=True)
class TestDependencies:
    """Packages that are installed next to a wheel in a smoke image, in one `folder` of the store.

    `pip` is an unpacked pip, `site` has the installed requirements of the smoke command, `wheels` those of the wheel itself,
    and `cache` keeps the bytecode of all of these between runs.
    """

    folder: Path

    @property
    def mounted_folders(self) -> dict[str, Path]:
        return {name: self.folder / name for name in ("pip", "site", "wheels")}

    @property
    def cache(self) -> Path:
        return self.folder / "cache"


def ensure_test_dependencies(
    wheel: Path,
    requires: Sequence[str],
    target: Target,
    libc_version: Sequence[int],
    python: str,
    store: Store,
    *,
    offline: bool,
) -> TestDependencies:
    """Return the test dependencies of a wheel for one libc and one version of Python; fetched once, kept in the store.

    `requires` are the requirements of the smoke command. Raises MachineError when they are not in the store and `offline`
    forbids fetching them, BuildError when the package index does not have them.
    """
    wheel_requirements = list_requirements(wheel)
    tags = platform_tags(target, libc_version)
    identity = hashlib.sha256(f"{sorted(requires)} {wheel_requirements} {tags} {python}".encode()).hexdigest()[:12]
    title, log = "packages for the smoke test", store.root / "logs" / f"test-dependencies-{identity}.log"

    def fill(folder: Path) -> None:
        remove_path(log)
        dependencies = TestDependencies(folder=folder)
        folders = dependencies.mounted_folders
        for directory in (*folders.values(), dependencies.cache):
            directory.mkdir()
        download_wheels(["pip"], folder, platforms=["any"], python=python, label=title, log=log, dependencies=False)
        with open_wheel(next(folder.glob("pip-*.whl"))) as archive:
            archive.extract_all(folders["pip"])
        if wheel_requirements:
            download_wheels(wheel_requirements, folders["wheels"], platforms=tags, python=python, label=title, log=log)
        if requires:
            install_wheels(requires, folders["site"], platforms=tags, python=python, label=title, log=log)

    path = store.root / "tools" / f"test-dependencies-{identity}"
    return TestDependencies(folder=ensure_stamped_dir(path, fill, title=title, offline=offline, ignored=("cache",)))


def list_requirements(wheel: Path) -> list[str]:
    """Return the requirements in a wheel's metadata, except those of extras."""
    content, _ = read_wheel_contents(wheel)
    fields = content.metadata.get_all("Requires-Dist", []) if content is not None else []
    requirements = [Requirement(field) for field in fields]
    return sorted(
        str(requirement)
        for requirement in requirements
        if requirement.marker is None or "extra" not in str(requirement.marker)
    )
