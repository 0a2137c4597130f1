"""Stores that are damaged, shared, cleaned or not writable while wheels are built, with the fixture project."""

from __future__ import annotations

import hashlib
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
    exported = project.find_wheel("manylinux2014_x86_64.manylinux_2_17_x86_64")
    flip_last_byte(exported)

    _, progress = project.run("build", "--target", TARGET)

    assert project.wheels() == good
    for label in ("libfoo 1.0", "libbar 1.0"):
        assert f"{label} for {GLIBC}: its file in the store was damaged; building it again" in progress
    assert progress.count("was damaged; building it again") == 3
    assert progress.count("its copy in the store was damaged; fetching it again") == 1
    assert "are intact" in project.run("store", "verify")[0]


def test_a_library_below_a_finished_one_is_built_again_for_a_prefix(project_copy: FixtureProject) -> None:
    project = project_copy
    record = Store(project.store).record(find_entry(project, "libbar").key)
    record.unlink()
    record.mkdir()

    project.run("deps", "--target", TARGET, "--prefix", "prefix")

    assert (project.root / "prefix" / "include" / "bar.h").is_file()


def test_projects_with_one_store_have_logs_of_their_own(project_copy: FixtureProject, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(project_copy.root, other)
    for number, root in enumerate((project_copy.root, other)):
        meson = root / "recipes" / "libbar" / "recipe.toml"
        meson.write_text(meson.read_text().replace("[build]", f'[build]\ndefines = ["PROJECT={number}"]'))
