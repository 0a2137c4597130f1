"""The lock of build requirements: every package in the environment of an extension's build, pinned by version and hash.

The lock is the file `everywheel.lock` next to the project's settings. Without it, the requirements are resolved once, and the
result is recorded in the store (`resolutions/`), from where later builds take it. Both contain the requirements in
`[build-system]`, and those that the backend adds (`get_requires_for_build_wheel`, `get_requires_for_build_sdist`; PEP 517).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from packaging.utils import canonicalize_name

from everywheel.config.pins import (
    Pin,
    PinError,
    describe_machine,
    list_unmet,
    parse_pins,
    render_pins,
    select_pins,
)
from everywheel.config.project import Project
from everywheel.errors import BuildError, MachineError, UsageError
from everywheel.execution.files import remove_path
from everywheel.libraries.context import project_logs
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import Tools, ensure_tools, pinned_versions
from everywheel.toolchains.virtual_env import ensure_pinned_environment, environment_python
from everywheel.wheels.backend_metadata import find_metadata, query_metadata
from everywheel.wheels.git_checkout import copy_checkout
from everywheel.wheels.pep517 import query_requirements
from everywheel.wheels.resolutions import list_resolution, read_resolution, resolution_path, write_resolution
from everywheel.wheels.resolve import KEEP_ALL, Upgrade, resolve_requirements, select_constraints

Machine: TypeAlias = Mapping[str, str]
"""A machine that builds, as its environment of markers (PEP 508)."""
LOCK = "everywheel.lock"
"""The name of the lock in a project's root."""
_MAX_SIZE = 1 << 22  # bytes; a lock of a hundred packages with all their files has 200,000
_HEADER = """\
# Build requirements with everything that they require, pinned by hash. `everywheel lock` writes this file.
# pip install --require-hashes --no-deps --only-binary :all: -r everywheel.lock
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLock:
    """A resolution for a lock: its pins, and why the backend could not be queried for further requirements, if so."""

    pins: tuple[Pin, ...]
    not_queried: BuildError | None = None


def read_lock(path: Path) -> tuple[Pin, ...] | None:
    """Return the pins of a lock, or None if the file does not exist; raise UsageError for any other content."""
    try:
        if not path.exists() and not path.is_symlink():
            return None
        if not path.is_file():
            raise PinError("not a file")
        with path.open("rb") as file:
            data = file.read(_MAX_SIZE + 1)
        if len(data) > _MAX_SIZE:
            raise PinError(f"larger than {_MAX_SIZE >> 20} MB")
        return parse_pins(data.decode())
    except (OSError, UnicodeDecodeError, PinError) as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        if isinstance(error, OSError):
            reason = (error.strerror or reason).lower()
        raise UsageError(
            f"{path} is not a list of pinned packages",
            details={"reason": reason},
            hint="remove it, and run `everywheel lock`, which writes it again",
        ) from None


def write_lock(path: Path, pins: Iterable[Pin]) -> None:
    """Write a lock, or replace it at once."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        # A new file: a link that a foreign project has there would be written through.
        with unfinished.open("x", encoding="utf-8") as file:
            file.write(_HEADER + render_pins(pins))
        unfinished.replace(path)
    except OSError as error:
        raise UsageError(
            f"cannot write {path}",
            details={"reason": (error.strerror or str(error)).lower()},
            hint="check the owner and the mode of the project's folder",
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)


def find_build_lock(project: Project, store: Store, machine: Machine | None = None) -> Project:
    """Return the project with the pins of its lock, else with those in the store; without pins if there are none.

    The pins are those that apply to the machine that builds, by default this one. Raises UsageError for a lock that is
    damaged or does not fit the project's requirements.
    """
    pins = read_lock(project.settings_folder / LOCK)
    if pins is None:
        pins = read_resolution(resolution_path(project, store))
    if pins is None:
        return replace(project, build_pins=None)
    machine = machine or describe_machine()
    try:
        selected = select_pins(pins, machine)
    except PinError as error:
        details = {"lock": project.settings_folder / LOCK, "reason": error}
        raise UsageError(f"{LOCK} cannot be used", details=details, hint="run `everywheel lock --upgrade`") from None
    check_fit(project, selected, machine)
    return find_metadata(replace(project, build_pins=selected), store)


def ensure_build_lock(
    project: Project, store: Store, *, offline: bool = False, machine: Machine | None = None
) -> Project:
    """Return the project like `find_build_lock`; what neither the lock nor the store has is resolved once.

    This includes name and version, if only the backend knows them.

    Raises UsageError like `find_build_lock`, MachineError when nothing is recorded and `offline` forbids the network, and
    BuildError when the requirements cannot be resolved.
    """
    known = find_build_lock(project, store, machine)
    if known.build_pins is None:
        record = resolution_path(project, store)
        if offline:
            raise MachineError(
                f"build requirements of {project.name}: not resolved yet, and --offline forbids the download",
                hint="run the same command once without --offline, or `everywheel lock`",
            )
        with store.lock(record.stem):
            if read_resolution(record) is None:
                write_resolution(record, make_lock(project, store).pins)
        known = find_build_lock(project, store, machine)
    list_resolution(known.build_pins or (), store)
    if known.has_metadata:
        return known
    tools = ensure_tools(store.root, offline=offline)
    # The backend runs on this machine, even if another one builds.
    own = known if machine is None else find_build_lock(project, store)
    resolved = query_metadata(own, store, tools, ensure_build_environment(own, store, offline=offline))
    return replace(known, name=resolved.name, version=resolved.version, has_metadata=True)


def check_fit(project: Project, pins: Sequence[Pin], machine: Machine) -> None:
    """Raise UsageError when the pins of a lock do not fulfill the requirements in the project's [build-system]."""
    try:
        unmet = list_unmet(project.backend.requires, pins, machine)
    except PinError as error:
        raise _report_unpinnable(project, error) from None
    if unmet:
        raise UsageError(
            f"{LOCK} does not fit the build requirements of {project.name}",
            details={"lock": project.settings_folder / LOCK, "not fulfilled": ", ".join(unmet)},
            hint="run `everywheel lock`",
        )


def _report_unpinnable(project: Project, reason: PinError) -> UsageError:
    return UsageError(
        f"the build requirements of {project.name} cannot be pinned",
        details={"file": project.extension / "pyproject.toml", "reason": reason},
        hint="name packages and versions in `requires` of [build-system]",
    )


def check_requirements(project: Project, requirements: Sequence[str]) -> None:
    """Raise BuildError when the pins of a build do not fulfill the requirements that its backend has added."""
    try:
        unmet = list_unmet(requirements, project.build_pins or (), describe_machine())
    except PinError as error:
        unmet = (str(error),)
    if unmet:
        raise BuildError(
            f"{project.name}: its backend {project.backend.name} requires packages that are not pinned",
            details={"not pinned": ", ".join(unmet)},
            hint="run `everywheel lock`; if that does not add them, add them to `requires` of [build-system]",
        )


def make_lock(project: Project, store: Store, *, kept: Sequence[Pin] = (), upgrade: Upgrade = KEEP_ALL) -> NewLock:
    """Resolve the build requirements of a project, those that its backend adds included.

    Pinned build tools have their pinned versions unless the project excludes them, and versions in `kept` their hashes
    there. Raises UsageError for a requirement that cannot be pinned, and for a pin in `kept` without a file on the index;
    BuildError when the resolution fails, or when the pins cannot be installed here; and MachineError when the build tools
    are not available.
    """
    label, log = f"build requirements of {project.name}", project_logs(store, project) / "lock.log"
    remove_path(log)

    def resolve(requirements: Sequence[str], kept: Sequence[Pin], upgrade: Upgrade) -> tuple[Pin, ...]:
        try:
            return resolve_requirements(
                requirements,
                select_constraints(requirements, pinned_versions()),
                kept=kept,
                upgrade=upgrade,
                folder=store.root / "tmp",
                label=label,
                log=log,
            )
        except PinError as error:
            raise _report_unpinnable(project, error) from None

    pins = _keep_hashes(resolve(project.backend.requires, kept, upgrade), kept, upgrade)
    tools = ensure_tools(store.root)
    try:
        locked = replace(project, build_pins=select_pins(pins, describe_machine()))
    except PinError as error:
        raise _report_unpinnable(project, error) from None
    python = ensure_build_environment(locked, store)
    try:
        added = _query_backend(project, store, tools, python, log)
        unmet = list_unmet(added, pins, describe_machine())
    except BuildError as error:
        return NewLock(pins=pins, not_queried=error)
    except PinError as error:
        raise _report_unpinnable(project, error) from None
    if unmet:
        names = {pin.name for pin in pins}
        others = [pin for pin in kept if pin.name not in names]
        pins = _keep_hashes(resolve((*project.backend.requires, *added), (*pins, *others), upgrade), kept, upgrade)
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


def _query_backend(project: Project, store: Store, tools: Tools, python: Path, log: Path) -> tuple[str, ...]:
    """Return the requirements that the backend adds, with its own programs and the build tools on PATH, as in builds."""
    with TemporaryDirectory(dir=store.root / "tmp") as folder:
        source = copy_checkout(project, Path(folder) / "source", f"build requirements of {project.name}")
        return query_requirements(
            project.backend,
            source,
            python,
            [python.parent, tools.bin],
            log,
            f"build requirements of {project.name}",
        )


def ensure_build_environment(project: Project, store: Store, *, offline: bool = False) -> Path:
    """Return the Python of an environment with exactly the pins of a project.

    Raises BuildError when pip fails, and MachineError when the environment is incomplete and the run is offline.
    """
    environment = ensure_pinned_environment(
        store.root,
        "backend",
        render_pins(project.build_pins or ()),
        label=f"build requirements of {project.name}",
        offline=offline,
    )
    return environment_python(environment)
