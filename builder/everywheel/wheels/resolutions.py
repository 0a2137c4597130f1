"""The resolutions of build requirements in a store: for projects without a lock, and those that wheels were built with.

`requirements-<hash>.txt` has the pins for the requirements of a project, and their hash in a comment: a file with other pins
than were resolved is not used. `added-<hash>.json` has the requirements that a backend adds to the static ones for a project
with certain files (PEP 517). `<hash>.txt` lists the pins of wheels whose records name this hash.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from everywheel.config.pins import Pin, PinError, digest_pins, parse_pins, render_pins
from everywheel.config.project import Project
from everywheel.execution.files import hash_file, remove_path, translate_os_errors
from everywheel.execution.input_files import UnusableFile, read_file
from everywheel.execution.notices import report_notice
from everywheel.store.layout import Damage, list_folder
from everywheel.store.local import Store

LOCK = "everywheel.lock"
"""The name of the lock in a project's root."""
_MAX_SIZE = 1 << 22  # bytes
_FORMAT = 2  # changes with what a resolution contains: hashes from all indexes
_DIGEST = "# sha256 of the lines below: "


class _DamagedResolution(Exception):
    """A recorded resolution cannot be used; the text is the reason."""


def resolution_path(project: Project, store: Store, added: Sequence[str] = ()) -> Path:
    """Return the file in the store with the resolution for the requirements of a project and those its backend adds."""
    from everywheel.toolchains.build_tools import pinned_versions
    from everywheel.wheels.resolve import find_oldest_python

    requires = sorted({*project.backend.requires, *added})
    oldest = find_oldest_python(project.backend_versions)
    facts = (_FORMAT, requires, project.backend.name, sorted(pinned_versions().items()), oldest)
    return store.root / "resolutions" / f"requirements-{_digest(facts)}.txt"


def read_added(project: Project, store: Store) -> tuple[str, ...] | None:
    """Return the requirements that the backend is recorded to add for the files of a project, None without a record."""
    try:
        added = json.loads(read_file(_added_path(project, store), _MAX_SIZE))
    except (FileNotFoundError, UnusableFile, ValueError):  # a damaged record is replaced
        return None
    is_valid = isinstance(added, list) and all(isinstance(text, str) for text in added)
    return tuple(added) if is_valid else None


def write_added(project: Project, store: Store, added: Sequence[str]) -> None:
    """Record the requirements that the backend adds for the files of a project."""
    path = _added_path(project, store)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with translate_os_errors(path):
        remove_path(path)
        unfinished.write_text(json.dumps([*added]), encoding="utf-8")
        unfinished.replace(path)


def _added_path(project: Project, store: Store) -> Path:
    static = resolution_path(project, store)
    return static.with_name(f"added-{_digest((static.name, project.digest))}.json")


def _digest(facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def read_resolution(path: Path) -> tuple[Pin, ...] | None:
    """Return the pins of a recorded resolution, or None without one; a damaged record is reported and removed."""
    try:
        return _read(path)
    except FileNotFoundError:
        return None
    except _DamagedResolution as reason:
        report_notice(f"the recorded build requirements were damaged ({reason}); resolving them again")
        remove_path(path)
        return None


def write_resolution(path: Path, pins: Sequence[Pin]) -> None:
    """Record a resolution with its hash."""
    from everywheel.toolchains.pip import write_requirements

    write_requirements(path, f"{_DIGEST}{digest_pins(pins)}\n{render_pins(pins)}")


def list_resolution(pins: Sequence[Pin], store: Store) -> None:
    """Write the pins to the file in the store that the records of wheels name."""
    digest, text = digest_pins(pins), render_pins(pins)
    file = store.root / "resolutions" / f"{digest}.txt"
    with store.lock(f"resolution-{digest[:32]}"):
        if not file.is_file() or file.read_bytes() != text.encode():
            from everywheel.toolchains.pip import write_requirements

            remove_path(file)
            write_requirements(file, text)


def find_damaged_resolutions(store: Store) -> Iterator[Damage]:
    """Yield each resolution whose content does not have its hash."""
    for path in list_folder(store.root / "resolutions"):
        if path.suffix != ".txt" or path.name.startswith("."):
            continue
        try:
            if path.name.startswith("requirements-"):
                _read(path)
            elif not path.is_file() or hash_file(path) != path.stem:
                raise _DamagedResolution("it has another sha256")
        except (_DamagedResolution, OSError) as error:
            reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else error
            yield Damage(label=f"resolution {path.stem[:25]}", reason=f"is damaged: {reason}", path=path)


def _read(path: Path) -> tuple[Pin, ...]:
    """Return the pins of a recorded resolution; raise FileNotFoundError, and _DamagedResolution for other content."""
    try:
        data = read_file(path, _MAX_SIZE)
        digest, _, text = data.decode().partition("\n")
        pins = parse_pins(text)
    except (UnusableFile, PinError, UnicodeDecodeError) as error:
        raise _DamagedResolution("it is not a list of pinned packages") from error
    if digest != _DIGEST + digest_pins(pins):
        raise _DamagedResolution("it has another sha256")
    return pins
