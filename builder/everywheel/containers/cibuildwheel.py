"""The container engine: the native engine inside a build image, run by cibuildwheel.

cibuildwheel starts the container, builds the extension there by its `[tool.cibuildwheel]`, which calls `everywheel deps`
before and `everywheel repair` after, and tests the wheel. The container has no network: the store, this toolkit, its tools
and the wheels that pip needs are mounted.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tomlkit

from everywheel.config.project import Project, extension_files
from everywheel.containers.catalog import BuildImage
from everywheel.containers.payload import Payload
from everywheel.containers.runtime import RUN_LABEL, Runtime
from everywheel.errors import BuildError, MachineError, UsageError
from everywheel.execution.process import run_logged
from everywheel.platforms.target import Target
from everywheel.store.local import FIXED_TIME, Store
from everywheel.toolchains.native import IMAGE, POLICY

_INSIDE = "/opt/everywheel"
_SCRIPT = """#!/bin/sh
export PATH="{python}:$PATH" PYTHONPATH={inside}/toolkit:{inside}/site PYTHONDONTWRITEBYTECODE=1
exec {python}/python -m everywheel "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerBuild:
    """One wheel to be built in a container: `reference` names the image to the runtime, `facts` stand for it in keys."""

    project: Project
    target: Target
    image: BuildImage
    reference: str
    facts: str
    payload: Payload
    store: Store
    runtime: Runtime
    jobs: int
    log: Path

    @property
    def what(self) -> str:
        return f"{self.project.name} {self.project.version} for {self.target.tag} in {self.image.name}"


def image_identity(reference: str) -> str:
    """Return what stands in keys for a build image: its reference has the digest, or the hash of what made it."""
    return hashlib.sha256(reference.encode()).hexdigest()[:16]


def build_in_container(build: ContainerBuild, into: Path, set_stage: Callable[[str], None]) -> Path:
    """Build, repair and test one wheel in a container, put it into a folder, and return where it is.

    Raises UsageError for an extension that does not tell cibuildwheel how to build it, MachineError when the runtime's
    command line is not there, BuildError when cibuildwheel fails.
    """
    check_extension(build.project)
    program = build.runtime.name.lower()
    if shutil.which(program) is None:
        raise MachineError(
            f"cibuildwheel needs the program '{program}', which is not on PATH",
            hint="install the runtime's command line (Debian: `apt-get install docker.io docker-cli`)",
        )
    build.log.unlink(missing_ok=True)
    with TemporaryDirectory(dir=build.store.root / "tmp") as name:
        folder = Path(name)
        package = copy_project(build.project, folder / "project")
        programs = write_programs(build.image, folder / "bin")
        words: list[str | Path] = [
            sys.executable,
            "-m",
            "cibuildwheel",
            "--only",
            identifier(build),
            "--output-dir",
            folder / "out",
            package,
        ]
        with _follow(build.log, set_stage):
            _run_cibuildwheel(build, words, folder / "project", programs)
        wheels = sorted((folder / "out").glob("*.whl"))
        if len(wheels) != 1:
            raise BuildError(f"{build.what}: {len(wheels)} wheels came out where one was to be", log=build.log)
        into.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy2(wheels[0], into))


def _run_cibuildwheel(build: ContainerBuild, words: list[str | Path], cwd: Path, programs: Path) -> None:
    """Run cibuildwheel; where a step of ours failed inside, its words are the ones that say why."""
    hint = "what is finished is in the store: the next run goes on from there"
    try:
        run_logged(words, cwd=cwd, env=_environment(build, programs), log=build.log, what=build.what, hint=hint)
    except BuildError as error:
        told = build.log.read_text(encoding="utf-8", errors="replace").partition("\nerror: ")[2]
        if told:
            error.excerpt = tuple(f"error: {told}".splitlines()[:14])
        raise


def check_extension(project: Project) -> None:
    """Raise UsageError unless the extension's `[tool.cibuildwheel]` builds its libraries and repairs its wheel with us."""
    path = project.extension / "pyproject.toml"
    table = tomlkit.parse(path.read_text(encoding="utf-8")).unwrap().get("tool", {}).get("cibuildwheel", {})
    table = {**table, **table.get("linux", {})}
    for key, command in (("before-all", "deps"), ("repair-wheel-command", "repair")):
        if not re.search(rf"\beverywheel\b.*\b{command}\b", str(table.get(key, ""))):
            raise UsageError(
                f"{path}: [tool.cibuildwheel] has no '{key}' that calls `everywheel {command}`",
                hint="docs/containers.md has the lines to copy",
            )


def identifier(build: ContainerBuild) -> str:
    """Return cibuildwheel's name of the build: `cp311-manylinux_x86_64`."""
    tag = build.target.platform_tag
    return f"{build.image.tag}-{tag.family}_{tag.arch}"


def copy_project(project: Project, into: Path) -> Path:
    """Copy what a build needs of a project, and nothing of what lies about; return the extension's folder there.

    The profiles and the linkage that were chosen are written into the copied table.
    """
    shutil.rmtree(into, ignore_errors=True)
    package = into / project.extension.relative_to(project.root)
    for path in extension_files(project.extension):
        _copy(path, package / path.relative_to(project.extension))
    for folder in recipe_folders(project):
        if folder.is_relative_to(project.root):
            shutil.copytree(folder, into / folder.relative_to(project.root), dirs_exist_ok=True)
    document = tomlkit.parse((project.root / "pyproject.toml").read_text(encoding="utf-8"))
    table: Any = document["tool"]["everywheel"]
    table["features"] = {name: list(features) for name, features in project.features.items()}
    table["shared"] = list(project.shared)
    table.pop("profiles", None)
    _write(into / "pyproject.toml", tomlkit.dumps(document))
    return package


def recipe_folders(project: Project) -> list[Path]:
    """Return the folders that a project's recipes lie in, in the order in which they are read."""
    return list(dict.fromkeys(recipe.directory.parent.resolve() for recipe in project.recipes.values()))


def _copy(path: Path, into: Path) -> None:
    into.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, into)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_programs(image: BuildImage, folder: Path) -> Path:
    """Write the programs that a container of the image finds on PATH: this toolkit, pkg-config and ninja."""
    python = f"/opt/python/{image.tag}-{image.tag}/bin"
    scripts = {
        "everywheel": _SCRIPT.format(python=python, inside=_INSIDE),
        "pkg-config": f'#!/bin/sh\nexec {_INSIDE}/tools/pkgconf/.bin/pkgconf "$@"\n',
        "ninja": f'#!/bin/sh\nexec {_INSIDE}/tools/bin/ninja "$@"\n',
    }
    for name, script in scripts.items():
        _write(folder / name, script)
        (folder / name).chmod(0o755)
    return folder


def _environment(build: ContainerBuild, programs: Path) -> dict[str, str]:
    """Return cibuildwheel's environment: the image, how its container is made, and the user's own settings (CIBW_…)."""
    family = build.target.platform_tag.family.upper()
    engine = f"{build.runtime.name.lower()}; create_args: {shlex.join(create_arguments(build, programs))}; "
    ours = {
        f"CIBW_{family}_{build.target.arch.name.upper()}_IMAGE": build.reference,
        "CIBW_CONTAINER_ENGINE": f"{engine}disable_host_mount: true",
        # Nothing is fetched, so nothing is pinned here: the payload has what it has.
        "CIBW_DEPENDENCY_VERSIONS": "latest",
        "CIBW_BUILD_FRONTEND": "pip",
        "SOURCE_DATE_EPOCH": str(FIXED_TIME),
    }
    untested = {} if build.image.tests else {"CIBW_TEST_COMMAND": ""}
    return {**ours, **os.environ, **untested}


def create_arguments(build: ContainerBuild, programs: Path) -> list[str]:
    """Return how the container is made: without a network, with what it takes along mounted, only the store writable."""
    toolkit = Path(__file__).parents[1]
    box, store = build.payload, build.store.root.resolve()
    cache = store / "zig" / f"inside-{build.target.arch.name}-{build.target.libc}"
    cache.mkdir(parents=True, exist_ok=True)
    read_only = {
        toolkit: f"{_INSIDE}/toolkit/everywheel",
        box.site: f"{_INSIDE}/site",
        box.tools: f"{_INSIDE}/tools",
        box.wheels: f"{_INSIDE}/wheels",
        programs: f"{_INSIDE}/bin",
        **{
            folder: str(folder)
            for folder in recipe_folders(build.project)
            if not folder.is_relative_to(build.project.root)
        },
    }
    elsewhere = {child.resolve(): f"{_INSIDE}/store/{child.name}" for child in store.iterdir() if child.is_symlink()}
    writable = {store: f"{_INSIDE}/store", **elsewhere, cache.resolve(): "/root/.cache/zig"}
    variables = {
        "EVERYWHEEL_STORE": f"{_INSIDE}/store",
        "EVERYWHEEL_TOOLS": f"{_INSIDE}/tools",
        IMAGE: build.facts,
        "EVERYWHEEL_JOBS": str(build.jobs),
        POLICY: build.target.tag,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": f"{_INSIDE}/wheels",
    }
    return [
        "--network=none",
        f"--label={RUN_LABEL}={build.runtime.run_id}",
        *(f"--volume={outside}:{inside}:ro" for outside, inside in read_only.items()),
        *(f"--volume={outside}:{inside}" for outside, inside in writable.items()),
        *(f"--env={name}={value}" for name, value in variables.items()),
    ]


@contextlib.contextmanager
def _follow(log: Path, set_stage: Callable[[str], None]) -> Iterator[None]:
    """Tell the last line of a log, every two seconds, while the body runs."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(2.0):
            with contextlib.suppress(OSError):
                lines = [line for line in log.read_text(errors="replace")[-4000:].splitlines() if line.strip()]
                set_stage(lines[-1].strip()[:70] if lines else "start")

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
