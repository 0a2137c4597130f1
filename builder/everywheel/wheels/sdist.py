"""Source distributions: built by any PEP 517 backend and repacked, so that the same sources result in the same bytes."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import deflate

from everywheel.archives.refusal import ArchiveError, UnsafeArchive, find_name_fault
from everywheel.archives.tar_reader import TarKind, TarMember, open_tar
from everywheel.config.file_names import sdist_name
from everywheel.config.project import Project
from everywheel.errors import BuildError
from everywheel.execution.process import run_logged
from everywheel.libraries.context import BuildContext
from everywheel.planning.steps import Plan, WheelStep
from everywheel.store.local import FIXED_TIME
from everywheel.wheels.backend_settings import BackendFamily, find_family
from everywheel.wheels.build_env import prepare_call
from everywheel.wheels.build_lock import check_requirements
from everywheel.wheels.git_checkout import link_git
from everywheel.wheels.pep517 import BackendCall, find_result, make_hooks, settings_for
from everywheel.wheels.wheelhouse import open_unfinished

_LEVEL = 12  # the highest level of libdeflate


def build_sdist(context: BuildContext, step: WheelStep, plan: Plan, project: Project, wheelhouse: Path) -> Path:
    """Build the source distribution into the wheelhouse and return its path.

    `step` is the wheel step of any target whose libraries are in the store: some backends configure a build, with the
    compilers and libraries of a wheel, before they list the files of the sdist.
    Raises BuildError when the backend fails or when the file name does not match the project's metadata.
    """
    step = replace(step, name=f"{step.name}-sdist")
    with context.store.lock(f"sdist-{step.key}"):
        call = replace(prepare_call(context, step, plan, project), settings={})
        built = _call_backend(call, project)
        if built.name != sdist_name(project):
            raise BuildError(
                f"the backend built {built.name}, but the release has {sdist_name(project)}",
                hint="name and version in the extension's pyproject.toml must be those that its backend uses",
            )
        with open_unfinished(wheelhouse / built.name) as unfinished:
            unfinished.write_bytes(pack_sdist(built))
        context.close_workspace(call.workspace)
    return wheelhouse / built.name


def _call_backend(call: BackendCall, project: Project) -> Path:
    path = f"{link_git(call.workspace)}:{call.environment['PATH']}"
    call = replace(call, environment={**call.environment, "PATH": path})
    if find_family(call.backend) is BackendFamily.MESON and not project.revision:
        _commit(call)
    settings = settings_for(call)
    check_requirements(project, make_hooks(call).get_requires_for_build_sdist(settings))
    results = call.workspace / "dist"
    results.mkdir(exist_ok=True)
    return find_result(call, results, make_hooks(call).build_sdist(str(results), settings))


def _commit(call: BackendCall) -> None:
    """Commit the copy of the extension to a new git repository, since `meson dist` packs the files of a commit."""
    author = ["-c", "user.name=everywheel", "-c", "user.email=everywheel@localhost", "-c", "commit.gpgsign=false"]
    for args in (
        ["init", "--quiet"],
        ["add", "--all", "--force"],
        [*author, "commit", "--quiet", "-m", "sources"],
    ):
        run_logged(["git", *args], cwd=call.source, env=call.environment, log=call.log, label=f"{call.label}: git")


def pack_sdist(path: Path) -> bytes:
    """Return a .tar.gz (PEP 517) with an archive's files sorted, with one time and owner, and without directories.

    Raises BuildError for an archive that cannot be read, or that has a path which leads out of a directory.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member, content in _read_members(path):
            info = tarfile.TarInfo(member.name)
            info.size, info.mtime = len(content), FIXED_TIME
            info.mode = 0o755 if member.is_executable else 0o644
            new.addfile(info, io.BytesIO(content))
    return bytes(deflate.gzip_compress(packed.getvalue(), _LEVEL))


def _read_members(path: Path) -> list[tuple[TarMember, bytes]]:
    """Return the regular files of an archive with their contents, sorted by name."""
    try:
        with open_tar(path) as archive:
            members = [(m, archive.read(m.size)) for m in archive if m.kind is not TarKind.DIRECTORY]
        for member, _ in members:
            if member.kind is not TarKind.FILE:
                raise UnsafeArchive(f"'{member.name}' is a link")
            if fault := find_name_fault(member.name):
                raise UnsafeArchive(f"path '{member.name}' {fault}")
    except ArchiveError as error:
        details = {"reason": str(error)}
        raise BuildError(f"the backend built {path.name}, which cannot be read", details=details) from None
    return sorted(members, key=lambda item: item[0].name)
