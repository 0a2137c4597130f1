"""Source distributions: any PEP 517 backend's own, packed again so that the same sources always give the same bytes."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import deflate
from pyproject_hooks import BuildBackendHookCaller

from everywheel.config.project import Project, sdist_name
from everywheel.errors import BuildError, MachineError
from everywheel.execution.process import run_logged
from everywheel.libraries.build import BuildContext
from everywheel.planning.plan import Plan, Step
from everywheel.store.local import FIXED_TIME
from everywheel.wheels.build_env import compiler_environment, ensure_backend, prepare_wheel
from everywheel.wheels.pep517 import Settings, WheelBuild, choose_settings, copy_source, read_build_system

if sys.version_info >= (3, 12):
    import tarfile
else:
    from backports import tarfile

_LEVEL = 12  # libdeflate's highest


def build_sdist(site: BuildContext, step: Step, plan: Plan, project: Project, wheelhouse: Path) -> Path:
    """Build the source distribution into the wheelhouse and return where it is.

    `step` is the wheel of any target whose libraries are in the store: some backends configure a build before they say
    what belongs to the sources, and see the same compilers and libraries as for that wheel.
    Raises BuildError when the backend fails or gives it another name than the project says.
    """
    step = replace(step, name=f"{step.name}-sdist")
    log = site.log(step)
    log.unlink(missing_ok=True)
    with site.store.lock(f"sdist-{step.key}"):
        workspace, toolchain = prepare_wheel(site, step, plan)
        build = WheelBuild(
            target=step.target,
            source=project.extension,
            workspace=workspace,
            prefix=workspace / "prefix",
            python=ensure_backend(site, project),
            python_version=project.recipes[project.python.headers].version,
            cross_file=toolchain.cross_file,
            native_file=toolchain.native_file,
            cmake_file=toolchain.cmake_file,
            environment={**toolchain.environment, **compiler_environment(toolchain), **site.environment},
            log=log,
            label=f"{project.name} {project.version}",
        )
        made = _ask_backend(build, site, project)
        if made.name != sdist_name(project):
            raise BuildError(
                f"the backend made {made.name}, but the release has {sdist_name(project)}",
                hint="name and version of the extension's pyproject.toml must be what its backend reads",
            )
        packed = pack_sdist(made)
        wheelhouse.mkdir(parents=True, exist_ok=True)
        unfinished = wheelhouse / f".{made.name}.{os.getpid()}"
        unfinished.write_bytes(packed)
        unfinished.replace(wheelhouse / made.name)
        if not site.keep:
            shutil.rmtree(workspace, ignore_errors=True)
    return wheelhouse / made.name


def _ask_backend(build: WheelBuild, site: BuildContext, project: Project) -> Path:
    system = read_build_system(build.source)
    copy = copy_source(build)
    what = f"{build.label}: {system.backend}"
    environment = {**build.environment, "PATH": f"{_only_git(build)}:{build.environment['PATH']}"}

    def call(cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        place = Path(cwd) if cwd else copy
        run_logged(cmd, cwd=place, env={**environment, **(extra_environ or {})}, log=build.log, what=what)

    if system.backend == "mesonpy":
        # Meson packs what a commit has, so that the copy must be one.
        author = ["-c", "user.name=everywheel", "-c", "user.email=everywheel@localhost", "-c", "commit.gpgsign=false"]
        for words in (
            ["init", "--quiet"],
            ["add", "--all", "--force"],
            [*author, "commit", "--quiet", "-m", "sources"],
        ):
            call(["git", *words])
    settings = choose_settings(build)

    def hooks(python: Path) -> BuildBackendHookCaller:
        return BuildBackendHookCaller(str(copy), system.backend, system.path or None, call, str(python))

    asked = hooks(build.python).get_requires_for_build_sdist(settings)
    python = ensure_backend(site, project, asked) if asked else build.python
    return _call(hooks(python), build.workspace / "dist", settings)


def _call(hooks: BuildBackendHookCaller, results: Path, settings: Settings) -> Path:
    results.mkdir(exist_ok=True)
    return results / str(hooks.build_sdist(str(results), settings))


def _only_git(build: WheelBuild) -> Path:
    """Return a folder with git in it and nothing else of this machine."""
    git = shutil.which("git")
    if git is None:
        raise MachineError("git is not there", hint="install it (Debian: `apt-get install git`)")
    folder = build.workspace / "git"
    folder.mkdir(exist_ok=True)
    (folder / "git").symlink_to(git)
    return folder


def pack_sdist(path: Path) -> bytes:
    """Return an archive's files packed again: sorted, of one time and owner, without folders (PEP 517's .tar.gz)."""
    packed = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted((m for m in old.getmembers() if m.isfile()), key=lambda member: member.name):
            file = old.extractfile(member)
            assert file is not None
            info = tarfile.TarInfo(member.name)
            info.size, info.mtime = member.size, FIXED_TIME
            info.mode = 0o755 if member.mode & 0o100 else 0o644
            new.addfile(info, file)
    return bytes(deflate.gzip_compress(packed.getvalue(), _LEVEL))
