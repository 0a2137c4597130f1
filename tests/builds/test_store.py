"""Stores that are damaged, shared, cleaned or not writable while wheels are built, with the fixture project."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from everywheel.store.entry import StoreEntry
from everywheel.store.local import Store
from fixture_project import FixtureProject

TARGET = "manylinux2014_x86_64"
GLIBC = "manylinux_2_17_x86_64"


def find_entry(project: FixtureProject, name: str) -> StoreEntry:
    (entry,) = [e for e in Store(project.store).entries() if (e.name, e.target) == (name, GLIBC)]
    return entry


def flip_last_byte(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_a_damaged_wheel_is_never_delivered_and_built_again_with_all_that_it_requires(
    project_copy: FixtureProject,
) -> None:
    """The wheel, a library that it requires and a source are damaged; the record of another library names a foreign file."""
    project, good = project_copy, project_copy.wheels()
    store = Store(project.store)
    wheel = next(entry for entry in store.entries() if entry.kind == "wheel" and entry.target == GLIBC)
    libfoo, libbar = find_entry(project, "libfoo"), find_entry(project, "libbar")
    flip_last_byte(store.path(wheel))
    flip_last_byte(store.path(libfoo))
    record = store.record(libbar.key)
    record.write_text(record.read_text().replace(libbar.file, "/etc/passwd"))
    archive = (project.folder / "libfoo.tar.gz").read_bytes()
    (project.store / "sources" / hashlib.sha256(archive).hexdigest()).write_bytes(archive[:-1])
    flip_last_byte(project.find_wheel(TARGET))

    _, progress = project.run("build", "--target", TARGET)

    assert project.wheels() == good
    for label in ("libfoo 1.0", "libbar 2.0"):
        assert f"{label} for {GLIBC}: its file in the store was damaged; building it again" in progress
    assert progress.count("was damaged; building it again") == 3
    assert progress.count("its copy in the store was damaged; fetching it again") == 1, progress
    assert "are intact" in project.run("store", "verify")[0]


def test_a_library_below_a_finished_one_is_built_again_for_a_prefix(project_copy: FixtureProject) -> None:
    project = project_copy
    record = Store(project.store).record(find_entry(project, "libbar").key)
    record.unlink()
    record.mkdir()

    project.run("deps", "--target", TARGET, "--prefix", "prefix")

    assert (project.root / "prefix" / "include" / "bar.h").is_file()


def test_a_store_of_another_owner_can_be_listed_and_verified(project_copy: FixtureProject) -> None:
    project, root = project_copy, os.geteuid() == 0
    # Without its capabilities, root may only write its own files.
    drop = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all") if root else ()
    for folder in (project.store, *project.store.rglob("*")):
        if root:
            os.chown(folder, 65534, 65534, follow_symlinks=False)
        elif folder.is_dir() and not folder.is_symlink():
            folder.chmod(0o555)

    assert "are intact" in project.run("store", "verify", wrapper=drop)[0]
    assert "libfoo" in project.run("store", "list", wrapper=drop)[0]
    for command in (["build", "--target", TARGET], ["store", "gc", "--all"]):
        _, errors = project.run(*command, wrapper=drop, exit_code=7)
        assert errors.splitlines()[0] == f"error: cannot write {project.store}"
        assert "set EVERYWHEEL_STORE to a directory of your own" in errors


def test_a_wheelhouse_that_is_a_file_is_an_error_with_a_next_step(project_copy: FixtureProject) -> None:
    project = project_copy
    shutil.rmtree(project.root / "wheelhouse")
    (project.root / "wheelhouse").touch()

    _, errors = project.run("build", "--target", TARGET, exit_code=7)

    assert errors.splitlines()[-3:] == [
        f"error: cannot write {project.root / 'wheelhouse'}",
        "  reason: file exists",
        "  hint: check its owner and mode, or set `wheelhouse` of [tool.everywheel] to another directory",
    ]
