"""The release matrix: the jobs that build and test the wheels of a plan, and the files of each. Pure: no disk, no network.

The workflows name no target. They read this matrix, so that a target that is added to the project's table is built and
tested without any other change.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from everywheel.config.file_names import sdist_name, wheel_name, wheel_names
from everywheel.config.project import Project
from everywheel.config.suggestions import suggest
from everywheel.errors import UsageError
from everywheel.planning.steps import Plan, StepKind
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.target import Target
from everywheel.toolchains.compilers import EngineName

# The engine of the independent second build, which is compared with that of zig.
SECOND_BUILD_ENGINES: Mapping[str, EngineName] = MappingProxyType(
    {
        "linux": EngineName.CONTAINER,
        "darwin": EngineName.NATIVE,
        "windows": EngineName.NATIVE,
    }
)
# The engines whose files are released. Other engines build files of the same names, which are only compared.
RELEASED_ENGINES = (EngineName.ZIG, "sdist")
BUILD_RUNNER = ARCHES["x86_64"].github_runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job: the wheels that one engine builds for one target, or the source distribution.

    `name` is also the name of its artifact. `key` is its cache key, a hash of the keys of all its steps, and `key_prefix` the
    prefix of older cache keys. `runner` is the machine that builds, `native` the machine that runs the tests, and `qemu` is
    true if that machine needs an emulator. `free_threaded` is true if one wheel is for a free-threaded Python, which `native`
    can build.
    """

    name: str
    engine: str
    os: str
    target: str
    runner: str
    native: str
    qemu: bool
    free_threaded: bool
    key: str
    key_prefix: str
    files: tuple[str, ...]


def plan_jobs(project: Project, targets: Sequence[Target], plan: Plan) -> tuple[Job, ...]:
    """Return a job for each target and engine, and one for the source distribution.

    Zig builds every target on one kind of machine. The independent second build runs on the machine of each target: in
    containers for Linux, with native compilers for macOS and Windows. `plan` provides the cache keys for all engines.
    """
    jobs = [_make_job(project, EngineName.ZIG, target, plan) for target in targets]
    repeated = [target for target in targets if target.os != "windows" or target.windows_arch.runner_has_mingw]
    jobs += [_make_job(project, SECOND_BUILD_ENGINES[target.os], target, plan) for target in repeated]
    return (*jobs, _make_sdist_job(project, jobs[0]))


def _make_job(project: Project, engine: EngineName, target: Target, plan: Plan) -> Job:
    native = target.github_runner or BUILD_RUNNER
    key_prefix = f"{engine}-{target.tag}-"
    pythons, names = project.choose_pythons(target), wheel_names(project, target)
    if engine is EngineName.CONTAINER:
        names = (wheel_name(project, target, project.python),)  # containers build for the first Python only
    return Job(
        name=f"{engine}-{target.tag}",
        engine=engine,
        os=target.os,
        target=target.tag,
        runner=BUILD_RUNNER if engine is EngineName.ZIG else native,
        native=native,
        qemu=not target.github_runner,
        free_threaded=_can_build_python(target) and any(python.free_threaded for python in pythons),
        key=key_prefix + digest_keys(plan, target),
        key_prefix=key_prefix,
        files=names,
    )


def _can_build_python(target: Target) -> bool:
    """Return whether GitHub has a machine with the architecture and libc of a target."""
    return bool(target.github_runner) and target.libc == "glibc" and target.arch.bits == 64


def _make_sdist_job(project: Project, first: Job) -> Job:
    # A build backend may need the libraries to collect the files; the libraries of any target are suitable.
    return dataclasses.replace(first, name="sdist", engine="sdist", files=(sdist_name(project),))


def digest_keys(plan: Plan, target: Target) -> str:
    """Return one hash of the keys of a target's wheels and of every step that they require."""
    wheels = [id for id, step in plan.steps.items() if step.kind is StepKind.WHEEL and step.target == target]
    keys = sorted(step.key for step in plan.select(wheels).steps.values())
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]


def find_job(jobs: Iterable[Job], name: str) -> Job:
    """Return the job with this name; raise UsageError if there is none."""
    by_name = {job.name: job for job in jobs}
    if name not in by_name:
        raise UsageError(f"there is no job '{name}'", hint=suggest(name, by_name))
    return by_name[name]


def list_released(project: Project) -> tuple[str, ...]:
    """Return the names of the files that a release consists of: every target's wheels, then the source distribution."""
    return (*(name for target in project.released for name in wheel_names(project, target)), sdist_name(project))


def group_jobs(jobs: Iterable[Job]) -> dict[str, list[Job]]:
    """Return the jobs by purpose; every group exists, even if it is empty.

    There is one group for each engine and for `sdist`. `smoke` are the jobs whose wheels run in containers, `test_wheel`
    those whose wheels need a machine of their own system, and `free_threaded` those with a wheel for a free-threaded Python,
    which no distribution provides: it is built on a machine of the target's architecture.
    """
    groups: dict[str, list[Job]] = {name: [] for name in (*EngineName, "sdist", "smoke", "test_wheel", "free_threaded")}
    for job in jobs:
        groups[job.engine].append(job)
        if job.engine == EngineName.ZIG:
            groups["smoke" if job.os == "linux" else "test_wheel"].append(job)
            if job.free_threaded:
                groups["free_threaded"].append(job)
    return groups
