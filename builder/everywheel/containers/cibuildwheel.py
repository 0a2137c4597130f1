"""The container engine: the native engine in a build image, run by cibuildwheel.

cibuildwheel starts the container, builds the extension in it as its `[tool.cibuildwheel]` sets, which calls `everywheel deps`
before and `everywheel repair` after the build, and tests the wheel. The container has no network: the store, this package,
its tools and the wheels for pip are mounted.

The command `everywheel` in the container is a wrapper script. It adds the options that `deps` and `repair` need in the
container (the finished wheel is audited outside of it), and requests a report from each of them (`command_report`).
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shlex
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tomlkit

from everywheel.config.collection import find_built_in
from everywheel.config.extension_tree import extension_files
from everywheel.config.project import Project
from everywheel.config.toml_reader import read_toml
from everywheel.containers.catalog import BuildImage
from everywheel.containers.command_report import CommandReport, CommandState
from everywheel.containers.payload import Payload, pip_variables
from everywheel.containers.run_id import RUN_LABEL
from everywheel.containers.runtime import Runtime
from everywheel.errors import BuildError, MachineError, UsageError, find_page
from everywheel.execution.files import remove_path
from everywheel.execution.process import run_logged
from everywheel.execution.python_program import drop_python_settings, python_program
from everywheel.platforms.target import Target
from everywheel.store.local import FIXED_TIME, Store
from everywheel.toolchains.native import POLICY

_INSIDE = "/opt/everywheel"
_STORE = f"{_INSIDE}/store"
_REPORTS = f"{_INSIDE}/reports"
# The store and the tools are set with environment variables, since the commands have no options for them.
_SCRIPT = """#!/bin/sh
export PATH="{python}:$PATH" PYTHONPATH={inside}/toolkit:{inside}/site PYTHONDONTWRITEBYTECODE=1
export EVERYWHEEL_STORE={store} EVERYWHEEL_TOOLS={inside}/tools
case " $* " in
  *" deps "*) set -- "$@" --no-remote --jobs {jobs} --image-identity {identity} ;; *" repair "*) set -- "$@" --no-audit ;;
esac
exec {python}/python -m everywheel --report-dir {reports} "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerBuild:
    """One wheel to be built in a container; `reference` is the name of the image in the runtime."""

    project: Project
    target: Target
    image: BuildImage
    reference: str
    payload: Payload
    store: Store
    runtime: Runtime
    jobs: int
    log: Path

    @property
    def label(self) -> str:
        return f"{self.project.name} {self.project.version} for {self.target.tag} in {self.image.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MountedFolders:
    """Folders of one build that are mounted into its container: the wrapper scripts, and the reports of commands."""

    programs: Path
    reports: Path


def image_identity(reference: str) -> str:
    """Return the part of cache keys for a build image; its reference has the digest, or a hash of its origin."""
    return hashlib.sha256(reference.encode()).hexdigest()[:16]


def build_in_container(build: ContainerBuild, output_dir: Path, set_stage: Callable[[str], None]) -> Path:
    """Build, repair and test one wheel in a container, copy it to a folder, and return its path.

    Raises UsageError for an extension whose `[tool.cibuildwheel]` does not call this package, MachineError when the
    runtime's command line is not installed, BuildError when cibuildwheel fails.
    """
    check_cibuildwheel_config(build.project)
    program = build.runtime.name.lower()
    if shutil.which(program) is None:
        raise MachineError(
            f"cibuildwheel needs the program '{program}', which is not on PATH",
            hint="install the runtime's command line (Debian: `apt-get install docker.io docker-cli`)",
        )
    remove_path(build.log)
    with TemporaryDirectory(dir=build.store.root / "tmp") as name:
        folder = Path(name)
        package = copy_project(build.project, folder / "project")
        mounted = MountedFolders(programs=folder / "bin", reports=folder / "reports")
        mounted.reports.mkdir()
        write_programs(build, mounted.programs)
        command: list[str | Path] = [
            *python_program("cibuildwheel"),
            "--only",
            build_identifier(build),
            "--output-dir",
            folder / "out",
            package,
        ]
        with _follow_stage(mounted.reports, set_stage):
            _run_cibuildwheel(build, command, folder / "project", mounted)
        wheels = sorted((folder / "out").glob("*.whl"))
        if len(wheels) != 1:
            raise BuildError(f"{build.label}: cibuildwheel built {len(wheels)} wheels instead of one", log=build.log)
        output_dir.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy2(wheels[0], output_dir))


def _run_cibuildwheel(build: ContainerBuild, command: list[str | Path], cwd: Path, mounted: MountedFolders) -> None:
    """Run cibuildwheel; if an `everywheel` command failed in the container, its error becomes the excerpt."""
    hint = "finished libraries are in the store: the next run continues from there"
    try:
        run_logged(command, cwd=cwd, env=_make_environment(build, mounted), log=build.log, label=build.label, hint=hint)
    except BuildError as error:
        for name in ("repair", "deps"):
            report = CommandReport.read(mounted.reports, name)
            if report is not None and report.state is CommandState.FAILED:
                lines = report.make_error(_STORE, build.store.root.resolve()).render().splitlines()
                error.excerpt = tuple(lines[:14])
                break
        raise


def check_cibuildwheel_config(project: Project) -> None:
    """Raise UsageError unless the extension's `[tool.cibuildwheel]` calls `everywheel deps` and `everywheel repair`."""
    path = project.extension / "pyproject.toml"
    table = read_toml(path).table("tool", {}).table("cibuildwheel", {})
    for key, command in (("before-all", "deps"), ("repair-wheel-command", "repair")):
        value = next((part.value(key) for part in (table.table("linux", {}), table) if part.has(key)), "")
        if not re.search(rf"\beverywheel\b.*\b{command}\b", str(value)):
            raise UsageError(
                f"{path}: [tool.cibuildwheel] has no '{key}' that calls `everywheel {command}`",
                hint=f"{find_page('containers.md')} has the lines to copy",
            )


def build_identifier(build: ContainerBuild) -> str:
    """Return cibuildwheel's identifier of the build: `cp311-manylinux_x86_64`."""
    tag = build.target.platform_tag
    return f"{build.image.tag}-{tag.family}_{tag.arch}"


def copy_project(project: Project, into: Path) -> Path:
    """Copy the files of a project that a build needs, and no others; return the extension's folder in the copy.

    The selected features and shared libraries are written into the copied table.
    """
    shutil.rmtree(into, ignore_errors=True)
    package = into / project.extension.relative_to(project.root)
    for file in extension_files(project.extension):
        _copy(file.path, package / file.name)
    for recipe in project.recipes.values():
        folder = recipe.directory.parent.resolve()
        if folder.is_relative_to(project.root):
            for name in ("recipe.toml", *recipe.files):
                _copy(recipe.directory / name, into / folder.relative_to(project.root) / recipe.name / name)
    document = tomlkit.parse((project.root / "pyproject.toml").read_text(encoding="utf-8"))
    table: Any = document["tool"]["everywheel"]
    table["features"] = {name: list(features) for name, features in project.features.items()}
    table["shared"] = list(project.shared)
    table.pop("profiles", None)
    _write(into / "pyproject.toml", tomlkit.dumps(document))
    return package


def mount_recipes(project: Project, package: Path) -> dict[Path, str]:
    """Return the folders of recipes outside of a project and of this package, each with its path in the container.

    In a checkout the built-in recipes are not in the package: they are mounted where the mounted package looks for them.
    """
    built_in = find_built_in().resolve()
    folders = {recipe.directory.parent.resolve() for recipe in project.recipes.values()} - {built_in}
    outside = {folder: str(folder) for folder in sorted(folders) if not folder.is_relative_to(project.root)}
    return outside if built_in.is_relative_to(package.resolve()) else {**outside, built_in: f"{_INSIDE}/recipes"}


def _copy(path: Path, into: Path) -> None:
    into.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, into)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_programs(build: ContainerBuild, folder: Path) -> None:
    """Write the programs that a container has on PATH: this package, pkg-config and ninja."""
    tag = build.image.tag
    scripts = {
        "everywheel": _SCRIPT.format(
            python=f"/opt/python/{tag}-{tag}/bin",
            inside=_INSIDE,
            store=_STORE,
            reports=_REPORTS,
            jobs=build.jobs,
            identity=image_identity(build.reference),
        ),
        "pkg-config": f'#!/bin/sh\nexec {_INSIDE}/tools/pkgconf/.bin/pkgconf "$@"\n',
        "ninja": f'#!/bin/sh\nexec {_INSIDE}/tools/bin/ninja "$@"\n',
    }
    for name, script in scripts.items():
        _write(folder / name, script)
        (folder / name).chmod(0o755)


def _make_environment(build: ContainerBuild, mounted: MountedFolders) -> dict[str, str]:
    """Return cibuildwheel's environment: image, container, and the user's own settings (`CIBW_…`)."""
    family = build.target.platform_tag.family.upper()
    engine = f"{build.runtime.name.lower()}; create_args: {shlex.join(create_arguments(build, mounted))}; "
    defaults = {
        f"CIBW_{family}_{build.target.arch.name.upper()}_IMAGE": build.reference,
        "CIBW_CONTAINER_ENGINE": f"{engine}disable_host_mount: true",
        # cibuildwheel's own constraints name versions that the payload may not have; nothing is fetched anyway.
        "CIBW_DEPENDENCY_VERSIONS": "latest",
        "SOURCE_DATE_EPOCH": str(FIXED_TIME),
    }
    untested = {} if build.image.tests else {"CIBW_TEST_COMMAND": ""}
    # pip reads the constraints for the build requirements from a variable, which other frontends do not.
    return {**defaults, **drop_python_settings(), **untested, "CIBW_BUILD_FRONTEND": "pip"}


def create_arguments(build: ContainerBuild, mounted: MountedFolders) -> list[str]:
    """Return the arguments that create the container: no network, everything mounted, only store and reports writable.

    Environment variables configure pip, which cibuildwheel starts, and the platform tag: AUDITWHEEL_PLAT is the variable
    of PyPA's images, which the extension's repair command and the native engine read.
    """
    package = Path(__file__).parents[1]
    payload, store = build.payload, build.store.root.resolve()
    read_only = {
        package: f"{_INSIDE}/toolkit/everywheel",
        payload.site: f"{_INSIDE}/site",
        payload.tools: f"{_INSIDE}/tools",
        payload.wheels: f"{_INSIDE}/wheels",
        mounted.programs: f"{_INSIDE}/bin",
        **mount_recipes(build.project, package),
    }
    # A symbolic link in the store points to a path that the container does not have.
    linked = {child.resolve(): f"{_STORE}/{child.name}" for child in store.iterdir() if child.is_symlink()}
    # The cache of zig, which images without gcc have, ends with the container: see toolchains/zig_cache.py.
    writable = {store: _STORE, **linked, mounted.reports: _REPORTS}
    old_pip = build.image.bootstrap is not None
    variables = {POLICY: build.target.tag, **pip_variables(f"{_INSIDE}/wheels", old_pip=old_pip)}
    return [
        "--network=none",
        f"--label={RUN_LABEL}={build.runtime.run_id}",
        *(f"--volume={outside}:{inside}:ro" for outside, inside in read_only.items()),
        *(f"--volume={outside}:{inside}" for outside, inside in writable.items()),
        *(f"--env={name}={value}" for name, value in variables.items()),
    ]


def find_stage(reports: Path) -> str:
    """Return the stage of a container build from the reports of its commands."""
    repair, deps = CommandReport.read(reports, "repair"), CommandReport.read(reports, "deps")
    if repair is not None:
        return "repair the wheel" if repair.state is CommandState.RUNNING else "test the wheel"
    if deps is not None:
        return (deps.stage or "plan the libraries") if deps.state is CommandState.RUNNING else "build the extension"
    return "start the container"


@contextlib.contextmanager
def _follow_stage(reports: Path, set_stage: Callable[[str], None]) -> Iterator[None]:
    """Report the stage of a container build every two seconds while the body runs."""
    ended = threading.Event()

    def watch() -> None:
        set_stage(find_stage(reports))
        while not ended.wait(2.0):
            set_stage(find_stage(reports))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
