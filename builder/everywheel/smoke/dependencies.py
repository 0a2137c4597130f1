"""Test dependencies: the packages that are installed next to a wheel in a smoke image."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from everywheel.audit.wheel_contents import read_wheel_contents
from everywheel.errors import BuildError
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
    wheel_requirements = list_requirements(wheel, make_marker_environment(target, python))
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
            with translate_pip_errors(wheel, f"Python {python} on {target.libc} and {target.arch.name}"):
                download_wheels(
                    wheel_requirements, folders["wheels"], platforms=tags, python=python, label=title, log=log
                )
        if requires:
            install_wheels(requires, folders["site"], platforms=tags, python=python, label=title, log=log)

    path = store.root / "tools" / f"test-dependencies-{identity}"
    return TestDependencies(folder=ensure_stamped_dir(path, fill, title=title, offline=offline, ignored=("cache",)))


@contextlib.contextmanager
def translate_pip_errors(wheel: Path, system: str) -> Iterator[None]:
    """Raise BuildError, which names the system, when pip cannot get the requirements of a wheel for it."""
    try:
        yield
    except BuildError as error:
        raise BuildError(
            f"{wheel.name}: its requirements (Requires-Dist) are not available as wheels for {system}",
            excerpt=error.excerpt,
            log=error.log,
            hint="smoke tests run where a user can install the wheel with its requirements; pip's settings are used",
        ) from None


def list_requirements(wheel: Path, environment: Mapping[str, str]) -> list[str]:
    """Return the requirements in a wheel's metadata whose markers select an environment, without the markers."""
    content, _ = read_wheel_contents(wheel)
    fields = content.metadata.get_all("Requires-Dist", []) if content is not None else []
    requirements = []
    for field in fields:
        requirement = Requirement(field)
        if requirement.marker is None or requirement.marker.evaluate(dict(environment)):
            requirement.marker = None
            requirements.append(str(requirement))
    return sorted(requirements)


def make_marker_environment(target: Target, python: str) -> dict[str, str]:
    """Return the environment of markers (PEP 508) of a CPython of a version such as `3.13` on a target, without extras.

    pip evaluates markers for the Python that it runs with: https://github.com/pypa/pip/issues/11664
    """
    mac, windows = target.arch.macos, target.arch.windows
    names = {
        "linux": ("posix", "linux", "Linux", target.arch.name),
        "darwin": ("posix", "darwin", "Darwin", mac.name if mac else ""),
        "windows": ("nt", "win32", "Windows", windows.name.upper() if windows else ""),
    }
    os_name, platform, system, machine = names[target.os]
    return {
        "extra": "",
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": os_name,
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": system,
        "platform_version": "",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": platform,
    }
