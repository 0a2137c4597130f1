"""The lock of build requirements: every package in the environment of an extension's build, pinned by version and hash.

The lock is the file `everywheel.lock` next to the project's settings. Without it, the requirements are resolved once, and the
result is recorded in the store (`resolutions/`), from where later builds take it. Both contain the requirements in
`[build-system]`, and those that the backend adds (`get_requires_for_build_wheel`, `get_requires_for_build_sdist`; PEP 517).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

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
from everywheel.errors import BuildError, UsageError
from everywheel.store.local import Store
from everywheel.wheels.backend_metadata import find_metadata, query_metadata
from everywheel.wheels.resolutions import (
    LOCK,
    list_resolution,
    read_added,
    read_resolution,
    resolution_path,
    write_added,
    write_resolution,
)

Machine: TypeAlias = Mapping[str, str]
"""A machine that builds, as its environment of markers (PEP 508)."""
_MAX_SIZE = 1 << 22  # bytes; a lock of a hundred packages with all their files has 200,000
_HEADER = """\
# Build requirements with everything that they require, pinned by hash. `everywheel lock` writes this file.
# pip install --require-hashes --no-deps --only-binary :all: -r everywheel.lock
"""


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
        pins = read_resolution(resolution_path(project, store, read_added(project, store) or ()))
    if pins is None:
        return replace(project, build_pins=None)
    # In a container, the backend runs with the image's Python.
    versions = () if machine is not None else project.backend_versions
    machine = machine or describe_machine()
    try:
        selected = select_pins(pins, machine)
        others = {version: select_pins(pins, describe_machine(version)) for version in versions}
    except PinError as error:
        details = {"lock": project.settings_folder / LOCK, "reason": error}
        raise UsageError(f"{LOCK} cannot be used", details=details, hint="run `everywheel lock --upgrade`") from None
    check_fit(project, selected, machine)
    return find_metadata(replace(project, build_pins=selected, python_pins=others), store)


def ensure_build_lock(
    project: Project, store: Store, *, offline: bool = False, machine: Machine | None = None
) -> Project:
    """Return the project like `find_build_lock`; what neither the lock nor the store has is resolved once.

    This includes name and version, if only the backend knows them.

    Raises UsageError like `find_build_lock`, MachineError when nothing is recorded and `offline` forbids the network, and
    BuildError when the requirements cannot be resolved.
    """
    if machine is None and project.backend_versions:
        from everywheel.wheels.requirement_resolver import find_interpreters

        project = find_interpreters(project, offline=offline)
    if read_lock(project.settings_folder / LOCK) is None:
        _record_resolution(project, store, offline=offline)
    known = find_build_lock(project, store, machine)
    for pins in {known.build_pins or (), *known.python_pins.values()}:
        list_resolution(pins, store)
    if known.has_metadata:
        return known
    from everywheel.toolchains.build_tools import ensure_tools
    from everywheel.wheels.requirement_resolver import ensure_build_environment, find_interpreters

    tools = ensure_tools(store.root, offline=offline)
    # The backend runs on this machine, even if another one builds.
    own = known if machine is None else find_build_lock(find_interpreters(project, offline=offline), store)
    own = own.for_python(own.python)
    resolved = query_metadata(own, store, tools, ensure_build_environment(own, store, offline=offline))
    return replace(known, name=resolved.name, version=resolved.version, has_metadata=True)


def _record_resolution(project: Project, store: Store, *, offline: bool) -> None:
    """Record the resolution for the static requirements of a project, and the one with those that its backend adds.

    The backend is called once for each state of the project's files: two projects with the same static requirements may
    differ in the others. Raises errors like `ensure_build_lock`.
    """
    added = read_added(project, store)
    if added is not None and read_resolution(resolution_path(project, store, added)) is not None:
        return
    from everywheel.wheels.requirement_resolver import RequirementResolver

    static = resolution_path(project, store)
    with store.lock(static.stem):
        resolver = RequirementResolver(project=project, store=store, offline=offline)
        pins = read_resolution(static)
        if pins is None:
            pins = resolver.resolve()
            write_resolution(static, pins)
        python = resolver.install(pins)
        try:
            added = resolver.query_unmet(pins, python)
        except BuildError:  # the build, which calls the backend with the values of the target, reports it
            added = ()
        record = resolution_path(project, store, added)
        if read_resolution(record) is None:
            write_resolution(record, resolver.resolve(added, kept=pins))
        write_added(project, store, added)


def check_fit(project: Project, pins: Sequence[Pin], machine: Machine) -> None:
    """Raise UsageError when the pins of a lock do not fulfill the requirements in the project's [build-system]."""
    try:
        unmet = list_unmet(project.backend.requires, pins, machine)
    except PinError as error:
        from everywheel.wheels.requirement_resolver import report_unpinnable

        raise report_unpinnable(project, error) from None
    if unmet:
        raise UsageError(
            f"{LOCK} does not fit the build requirements of {project.name}",
            details={"lock": project.settings_folder / LOCK, "not fulfilled": ", ".join(unmet)},
            hint="run `everywheel lock`",
        )


def check_requirements(project: Project, requirements: Sequence[str]) -> None:
    """Raise BuildError when the pins of a build do not fulfill the requirements that its backend has added."""
    try:
        unmet = list_unmet(requirements, project.build_pins or (), describe_machine(project.backend_version))
    except PinError as error:
        unmet = (str(error),)
    if unmet:
        raise BuildError(
            f"{project.name}: its backend {project.backend.name} requires packages that are not pinned",
            details={"not pinned": ", ".join(unmet)},
            hint="run `everywheel lock`; if that does not add them, add them to `requires` of [build-system]",
        )
