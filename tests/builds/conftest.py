"""Copies of the fixture project: new ones, one whose wheels are built once per run, and copies of that one."""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.store.local import Store, default_store
from everywheel.toolchains.build_tools import ensure_tools
from filelock import FileLock
from fixture_project import FixtureProject, open_existing

TARGETS = (
    "manylinux2014_x86_64",
    "musllinux_1_2_aarch64",
    "macosx_11_0_arm64",
    "macosx_10_15_x86_64",
    "win_amd64",
    "win_arm64",
)
"""The targets of `built_project`: the fixture project's own two, both of macOS, and both of Windows."""


@pytest.fixture(scope="session", autouse=True)
def shared_store() -> Path:
    """The default store of this machine, with the build tools."""
    store = Store(default_store())
    ensure_tools(store.root)
    return store.root


@pytest.fixture
def project(tmp_path: Path, python_headers: Path) -> FixtureProject:
    return FixtureProject(tmp_path, python_headers)


@pytest.fixture(scope="session")
def built_project(shared_folder: Path, shared_store: Path, python_headers: Path) -> FixtureProject:
    """A project with the wheels of all TARGETS, which all workers share and do not change."""
    folder = shared_folder / "built"
    with FileLock(shared_folder / "built.lock"):
        if (shared_folder / "built.done").exists():
            return open_existing(folder, python_headers)
        built = FixtureProject(folder, python_headers)
        built.build(*(arg for target in TARGETS for arg in ("--target", target)))
        (shared_folder / "built.done").touch()
    return built


@pytest.fixture
def project_copy(built_project: FixtureProject, tmp_path: Path, python_headers: Path) -> FixtureProject:
    """A copy of `built_project` with its artifacts and wheels, which a test may change."""
    project = FixtureProject(tmp_path, python_headers)
    project.copy_results(built_project)
    return project
