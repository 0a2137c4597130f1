"""The release matrix: which jobs build, check and try the wheels of a plan, and what each must leave; pure.

A continuous integration's own file names no target: it asks for this matrix, so that a target that joins the project's
table is built, tried and counted with no other file touched.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from everywheel.config.project import Project, sdist_name, wheel_name, wheel_names
from everywheel.config.recipe import suggest
from everywheel.errors import UsageError
from everywheel.planning.plan import Plan, StepKind
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.target import Target
from everywheel.toolchains.compilers import EngineName

# Which engine builds a second time, independently of zig, what is compared.
SECOND: Mapping[str, EngineName] = MappingProxyType(
    {
        "linux": EngineName.CONTAINER,
        "darwin": EngineName.NATIVE,
        "windows": EngineName.NATIVE,
    }
)
# What these make is released; what other engines make is compared with it, under the same names, and goes no further.
RELEASED = (EngineName.ZIG, "sdist")
BUILDER = ARCHES["x86_64"].github_runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job: what one engine makes for one target.

    `name` is the job's and its artifact's, `key` that of its cache: the hash of every step's key, so that a cache is taken
    exactly where nothing changed, and `near` is what the keys of older ones begin with. `runner` is the machine that
    builds, `native` the one that can run what was built, and `qemu` says that no machine can and an emulator must.
    `threaded` says that one of its wheels is for a Python without the GIL, and that `native` can build such a Python.
    """

    name: str
    engine: str
    os: str
    target: str
    runner: str
    native: str
    qemu: bool
    threaded: bool
    key: str
    near: str
    files: tuple[str, ...]


def plan_jobs(project: Project, targets: Sequence[Target], plan: Plan) -> tuple[Job, ...]:
    """Return a job for each target and engine, and one for the source distribution.

    Zig builds every target on one kind of machine. Containers build those of Linux and native compilers those of macOS and
    Windows, each where it runs, as the independent second build. `plan` gives the keys: other engines' change with the
    same recipes.
    """
    jobs = [_job(project, EngineName.ZIG, target, plan) for target in targets]
    twice = [target for target in targets if target.os != "windows" or target.windows_arch.runner_has_mingw]
    jobs += [_job(project, SECOND[target.os], target, plan) for target in twice]
    return (*jobs, _sdist_job(project, jobs[0]))


def _job(project: Project, engine: EngineName, target: Target, plan: Plan) -> Job:
    native = target.github_runner or BUILDER
    near = f"{engine}-{target.tag}-"
    pythons, names = project.choose_pythons(target), wheel_names(project, target)
    if engine is EngineName.CONTAINER:
        names = (wheel_name(project, target, project.python),)  # containers build the first Python's alone
    return Job(
        name=f"{engine}-{target.tag}",
        engine=engine,
        os=target.os,
        target=target.tag,
        runner=BUILDER if engine is EngineName.ZIG else native,
        native=native,
        qemu=not target.github_runner,
        threaded=_can_build_python(target) and any(python.is_free_threaded for python in pythons),
        key=near + digest_keys(plan, target),
        near=near,
        files=names,
    )


def _can_build_python(target: Target) -> bool:
    """Tell whether there is a machine of a target's own architecture and libc; 32 bits run on machines of 64."""
    return bool(target.github_runner) and target.libc == "glibc" and target.arch.bits == 64


def _sdist_job(project: Project, first: Job) -> Job:
    # A backend may want the libraries before it says what belongs to the sources: those of the first target will do.
    return dataclasses.replace(first, name="sdist", engine="sdist", files=(sdist_name(project),))


def digest_keys(plan: Plan, target: Target) -> str:
    """Return one hash over the keys of a target's wheel and all that it needs."""
    wheels = [id for id, step in plan.steps.items() if step.kind is StepKind.WHEEL and step.target == target]
    keys = sorted(step.key for step in plan.select(wheels).steps.values())
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]


def find_job(jobs: Iterable[Job], name: str) -> Job:
    """Return the job of a name; raise UsageError when there is none."""
    by_name = {job.name: job for job in jobs}
    if name not in by_name:
        raise UsageError(f"there is no job '{name}'", hint=suggest(name, by_name))
    return by_name[name]


def list_released(project: Project) -> tuple[str, ...]:
    """Return the names of the files that a release consists of: every target's wheels, then the source distribution."""
    return (*(name for target in project.released for name in wheel_names(project, target)), sdist_name(project))


def group_jobs(jobs: Iterable[Job]) -> dict[str, list[Job]]:
    """Return the jobs by what they are for.

    Beside one group for each engine there are `smoke`, the wheels that are tried on systems in containers, `tried`,
    those that need a machine of their own kind, and `threaded`, those with a wheel for a Python without the GIL, which no
    system has: it is built on a machine of the wheel's own architecture. A group may be empty, never absent.
    """
    groups: dict[str, list[Job]] = {name: [] for name in (*EngineName, "sdist", "smoke", "tried", "threaded")}
    for job in jobs:
        groups[job.engine].append(job)
        if job.engine == EngineName.ZIG:
            groups["smoke" if job.os == "linux" else "tried"].append(job)
            if job.threaded:
                groups["threaded"].append(job)
    return groups
