"""The files of a project for other machines: packed as an artifact, which remote stores transfer like any other."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from everywheel.config.collection import list_recipe_folders
from everywheel.config.extension_tree import extension_files
from everywheel.config.pins import Pin, parse_pins, render_pins
from everywheel.config.project import Project
from everywheel.config.settings_file import SETTINGS_FILE, find_settings
from everywheel.errors import MachineError, UsageError
from everywheel.execution.files import hash_file, remove_path, translate_os_errors
from everywheel.execution.input_files import UnusableFile, list_files
from everywheel.remote.exchange import Exchange
from everywheel.remote.stores import RemoteStores
from everywheel.store.entry import EntryKind
from everywheel.store.local import Store
from everywheel.wheels.build_lock import read_lock
from everywheel.wheels.resolutions import (
    LOCK,
    read_added,
    read_resolution,
    resolution_path,
    write_added,
    write_resolution,
)

PLATFORM = "project"
"""The target in the entries of such artifacts."""
_TREE, _PINS, _ADDED = "tree", "pins.txt", "added.json"
_ROOT_FILES = ("pyproject.toml", "setup.py", "setup.cfg", SETTINGS_FILE, LOCK, "docker/images.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedProject:
    """A project in the store: its key, and the paths in it of the project's folder and of a file with settings, if any."""

    key: str
    root: str
    config: str


def pack_project(project: Project, store: Store, config: Path | None = None) -> PackedProject:
    """Pack what the plan and the build of a project read: extension, settings, recipes, and the pinned build requirements.

    Raises UsageError for a project whose version comes from a git checkout, which is not packed.
    """
    if project.revision:
        raise UsageError(
            f"the version of {project.name} comes from its git checkout, which machines of a cluster do not have",
            hint="build its source distribution: `everywheel sdist`, then `everywheel build FILE.tar.gz --executor …`",
        )
    files = dict(_list_files(project, config))
    base = Path(os.path.commonpath([project.root, *(Path(os.path.normpath(path)).parent for path in files)]))
    with tempfile.TemporaryDirectory(dir=store.root / "tmp", prefix="project-") as name:
        folder = Path(name)
        for path, source in sorted(files.items()):
            copy = folder / _TREE / Path(os.path.normpath(path)).relative_to(base)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
            copy.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
        (folder / _TREE / project.root.relative_to(base)).mkdir(parents=True, exist_ok=True)
        pins, added = _find_pins(project, store)
        (folder / _PINS).write_text(render_pins(pins), encoding="utf-8")
        (folder / _ADDED).write_text(json.dumps([*added]), encoding="utf-8")
        key = _digest(folder)
        if store.find(key) is None:
            store.put_tree(key, folder, name=project.name, version=project.version, target=PLATFORM)
    return PackedProject(
        key=key,
        root=project.root.relative_to(base).as_posix(),
        config="" if config is None else Path(os.path.normpath(config.absolute())).relative_to(base).as_posix(),
    )


def _list_files(project: Project, config: Path | None) -> Iterator[tuple[Path, Path]]:
    """Yield the path of each file in the project, and where its content is."""
    for folder in (project.root, project.settings_folder):
        yield from ((folder / name, folder / name) for name in _ROOT_FILES if (folder / name).is_file())
    if config is not None:
        yield config.absolute(), config
    yield from ((project.extension / file.name, file.path) for file in extension_files(project.extension))
    settings = find_settings(project.root, config)
    for folder in list_recipe_folders(settings.folder, settings.table):
        try:
            yield from ((folder / file.name, file.path) for file in list_files(folder))
        except UnusableFile as error:
            raise UsageError(str(error), hint="correct or remove it: all files of recipes are packed") from None


def _find_pins(project: Project, store: Store) -> tuple[tuple[Pin, ...], tuple[str, ...]]:
    """Return the pins for all machines, and the requirements that the backend adds."""
    added = read_added(project, store) or ()
    pins = read_lock(project.settings_folder / LOCK) or read_resolution(resolution_path(project, store, added))
    return pins or project.build_pins or (), added


def _digest(folder: Path) -> str:
    total = hashlib.sha256(b"project\0")
    for file in list_files(folder):
        total.update(f"{file.name}\0{'x' if file.executable else '-'} {hash_file(file.path)}\n".encode())
    return total.hexdigest()


def receive_project(key: str, store: Store, exchanges: Iterable[Exchange]) -> Path:
    """Return the folder with a packed project, which is received from a remote store if the store does not have it.

    Raises MachineError when no remote store has it.
    """
    folder = store.root / "work" / f"project-{key[:16]}"
    with translate_os_errors(store.root), store.lock(key):
        if store.find(key) is None:
            remotes = RemoteStores(tuple(exchanges), store)
            _receive(key, remotes)
        with tempfile.TemporaryDirectory(dir=store.root / "tmp", prefix="project-") as name:
            Path(name, "files").mkdir()
            store.unpack(key, Path(name, "files"))
            remove_path(folder)
            Path(name, "files").rename(folder)
    return folder


def _receive(key: str, remotes: RemoteStores) -> None:
    for exchange in remotes.exchanges:
        entry = exchange.look_up(key)
        is_project = entry is not None and entry.kind is EntryKind.ARTIFACT and entry.target == PLATFORM
        if entry is not None and is_project and remotes.receive(exchange, entry):
            return
    raise MachineError(
        f"the files of the project ({key[:12]}) are in no remote store of this worker",
        details={"remote stores": ", ".join(exchange.name for exchange in remotes.exchanges)},
        hint="start the worker with a remote store that the machine with the project uploads to, and with its public key",
    )


def locate_project(folder: Path, root: str, config: str) -> tuple[Path, Path | None]:
    """Return the paths of a received project's folder and of its file with settings, if any."""
    return folder / _TREE / root, folder / _TREE / config if config else None


def restore_pins(project: Project, folder: Path, store: Store) -> Project:
    """Record the pins of a received project without a lock as the resolution of this store; return the project."""
    if read_lock(project.settings_folder / LOCK) is None:
        added = tuple(json.loads((folder / _ADDED).read_text(encoding="utf-8")))
        pins = parse_pins((folder / _PINS).read_text(encoding="utf-8"))
        write_added(project, store, added)
        write_resolution(resolution_path(project, store, added), pins)
    return replace(project, has_metadata=True)
