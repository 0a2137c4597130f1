"""Resolution of the build requirements of a project, those that its backend adds included (PEP 517)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.utils import canonicalize_name

from everywheel.config.pins import Pin, PinError, describe_machine, list_unmet, render_pins, select_pins
from everywheel.config.project import Project
from everywheel.errors import BuildError, MachineError, UsageError
from everywheel.execution.files import remove_path
from everywheel.libraries.context import project_logs
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import ensure_tools, pinned_versions
from everywheel.toolchains.interpreters import ensure_interpreter, identify_interpreter
from everywheel.toolchains.virtual_env import PinnedPackages, ensure_pinned_environment, environment_python
from everywheel.wheels.git_checkout import copy_checkout, link_git
from everywheel.wheels.pep517 import query_requirements
from everywheel.wheels.query_environment import query_environment
from everywheel.wheels.resolutions import LOCK
from everywheel.wheels.resolve import (
    KEEP_ALL,
    Constraints,
    Upgrade,
    find_oldest_python,
    resolve_requirements,
    select_constraints,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLock:
    """A resolution for a lock: its pins, and why the backend could not be queried for further requirements, if so."""

    pins: tuple[Pin, ...]
    not_queried: BuildError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementResolver:
    """Resolves the requirements of a project; `offline` forbids downloads.

    Each method raises UsageError for a requirement that cannot be pinned.
    """

    project: Project
    store: Store
    offline: bool = False

    @property
    def label(self) -> str:
        return f"build requirements of {self.project.name}"

    @property
    def _log(self) -> Path:
        return project_logs(self.store, self.project) / "lock.log"

    @property
    def _queried(self) -> Project:
        """The project for its first Python, whose interpreter answers queries."""
        return self.project.for_python(self.project.python)

    @property
    def _machine(self) -> dict[str, str]:
        return describe_machine(self._queried.backend_version)

    def resolve(
        self, added: Sequence[str] = (), *, kept: Sequence[Pin] = (), upgrade: Upgrade = KEEP_ALL
    ) -> tuple[Pin, ...]:
        """Return pins for the static requirements and `added`, with the versions in `kept` where they fit.

        Pinned build tools have their pinned versions unless the project excludes them. Raises BuildError when the resolution
        fails, and MachineError when downloads are forbidden.
        """
        if self.offline:
            raise MachineError(
                f"{self.label}: not resolved yet, and --offline forbids the download",
                hint="run the same command once without --offline, or `everywheel lock`",
            )
        requirements = (*self.project.backend.requires, *added)
        if not added:
            remove_path(self._log)
        try:
            return resolve_requirements(
                requirements,
                Constraints(
                    versions=select_constraints(requirements, pinned_versions()),
                    oldest=find_oldest_python(self.project.backend_versions),
                ),
                kept=kept,
                upgrade=upgrade,
                folder=self.store.root / "tmp",
                label=self.label,
                log=self._log,
            )
        except PinError as error:
            raise report_unpinnable(self.project, error) from None

    def install(self, pins: Sequence[Pin]) -> Path:
        """Return the Python of an environment with the pins; raise BuildError when they cannot be installed here."""
        try:
            locked = replace(self._queried, build_pins=select_pins(pins, self._machine))
        except PinError as error:
            raise report_unpinnable(self.project, error) from None
        return ensure_build_environment(locked, self.store, offline=self.offline)

    def query_unmet(self, pins: Sequence[Pin], python: Path) -> tuple[str, ...]:
        """Return the requirements that the backend adds, or nothing if `pins` fulfill all of them.

        The backend runs with `python`, with its own programs and the build tools on PATH, as in builds. Raises BuildError when
        it fails.
        """
        tools = ensure_tools(self.store.root, offline=self.offline)
        with TemporaryDirectory(dir=self.store.root / "tmp") as folder:
            source = copy_checkout(self.project, Path(folder) / "source", self.label)
            programs = [python.parent, tools.bin, *([link_git(Path(folder))] if self.project.revision else [])]
            environment = query_environment(Path(folder), programs)
            added = query_requirements(self.project.backend, source, python, environment, self._log, self.label)
        try:
            return tuple(dict.fromkeys(added)) if list_unmet(added, pins, self._machine) else ()
        except PinError as error:
            raise report_unpinnable(self.project, error) from None


def make_lock(project: Project, store: Store, *, kept: Sequence[Pin] = (), upgrade: Upgrade = KEEP_ALL) -> NewLock:
    """Resolve the build requirements of a project, those that its backend adds included; `kept` have their hashes there.

    Raises UsageError for a requirement that cannot be pinned, and for a pin in `kept` without a file on the index; BuildError
    when the resolution fails, or when the pins cannot be installed here; and MachineError when the build tools are not
    available.
    """
    resolver = RequirementResolver(project=find_interpreters(project), store=store)
    pins = _keep_hashes(resolver.resolve(kept=kept, upgrade=upgrade), kept, upgrade)
    python = resolver.install(pins)
    try:
        added = resolver.query_unmet(pins, python)
    except BuildError as error:
        return NewLock(pins=pins, not_queried=error)
    if added:
        names = {pin.name for pin in pins}
        others = [pin for pin in kept if pin.name not in names]
        pins = _keep_hashes(resolver.resolve(added, kept=(*pins, *others), upgrade=upgrade), kept, upgrade)
    return NewLock(pins=pins)


def _keep_hashes(pins: Sequence[Pin], kept: Sequence[Pin], upgrade: Upgrade) -> tuple[Pin, ...]:
    """Return pins with the earlier hashes of the versions that were kept; files that the index has added are not pinned.

    Raises UsageError when the index has none of the earlier files of a version, unless that package is upgraded.
    """
    upgraded = {canonicalize_name(name) for name in upgrade.names}
    earlier = {} if upgrade.everything else {(pin.name, pin.version): pin for pin in kept if pin.name not in upgraded}
    known = {pin: earlier[pin.name, pin.version].hashes for pin in pins if (pin.name, pin.version) in earlier}
    wrong = [f"{pin.name}=={pin.version}" for pin, hashes in known.items() if not {*hashes} & {*pin.hashes}]
    if wrong:
        raise UsageError(
            f"{LOCK} has hashes that no file on the package index has",
            details={"packages": ", ".join(wrong)},
            hint="was the lock edited, or were the files replaced? `everywheel lock --upgrade` pins the files that the index "
            "has now",
        )
    return tuple(replace(pin, hashes=known.get(pin, pin.hashes)) for pin in pins)


def find_interpreters(project: Project, *, offline: bool = False) -> Project:
    """Return the project with the interpreters that its backend requires; uv downloads those that the machine does not have.

    Raises MachineError when one is not available.
    """
    programs = dict(project.interpreters)
    for version in project.backend_versions:
        if version not in programs:
            programs[version] = ensure_interpreter(version, label=project.name, offline=offline)
    return replace(project, interpreters=programs)


def ensure_build_environment(project: Project, store: Store, *, offline: bool = False) -> Path:
    """Return the Python of an environment with exactly the pins of the project of one wheel (`for_python`).

    Raises BuildError when pip fails, and MachineError when the environment is incomplete and the run is offline, or when its
    interpreter does not run.
    """
    version = project.backend_version
    environment = ensure_pinned_environment(
        store.root,
        "backend",
        PinnedPackages(pins=render_pins(project.build_pins or ()), label=f"build requirements of {project.name}"),
        offline=offline,
        interpreter=identify_interpreter(version, project.interpreters[version]) if version else None,
    )
    return environment_python(environment)


def report_unpinnable(project: Project, reason: PinError) -> UsageError:
    return UsageError(
        f"the build requirements of {project.name} cannot be pinned",
        details={"file": project.extension / "pyproject.toml", "reason": reason},
        hint="name packages and versions in `requires` of [build-system]",
    )
