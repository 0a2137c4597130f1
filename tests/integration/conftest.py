"""The wheels that the main command builds in a bare Debian, and the order in which workers take the tests."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest
from everywheel.store.local import default_store
from filelock import FileLock
from root_filesystems import bootstrap_debian, call_in_root, copy_repository

MAIN_COMMAND = "python3 -m venv .venv && .venv/bin/pip install nox && .venv/bin/nox -s build-all"
# The longest first, and first for each of two workers: the bare Debian's wheels, and what needs none of them.
ORDER = ("test_bare_debian", "test_containers", "test_workflows", "test_windows", "test_static_linkage", "test_smoke")


# Tests that share a fixture of their file run in one worker; the others of these files run anywhere.
GROUPS = {
    ("test_smoke", "matrix"): "smoke-matrix",
    ("test_smoke", "project"): "smoke-faults",
    ("test_run_wheels", "python"): "glibc",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in ORDER, since a worker without work at the end waits for the longest group, and into GROUPS."""
    items.sort(key=lambda item: ORDER.index(item.path.stem) if item.path.stem in ORDER else len(ORDER))
    for item in items:
        for (stem, fixture), group in GROUPS.items():
            if item.path.stem == stem and fixture in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session", autouse=True)
def root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: it mounts and changes root", allow_module_level=True)


@pytest.fixture(scope="session")
def bare_debian(shared_folder: Path, root: None) -> Path:
    """A Debian 12 with python3, python3-venv and git, in which the main command has run; the repository is in /project."""
    folder, done = shared_folder / "bare" / "debian", shared_folder / "bare.done"
    with FileLock(shared_folder / "bare.lock"):
        if not done.exists():
            folder.parent.mkdir()
            _run_main_command(folder)
            done.touch()
    return folder


def _run_main_command(folder: Path) -> None:
    bootstrap_debian(folder, "bookworm", ["python3", "python3-venv", "git", "ca-certificates"])
    copy_repository(folder / "project")
    # The store is this machine's own, so that libraries of other tests or an earlier run are not built again.
    store = default_store()
    store.mkdir(parents=True, exist_ok=True)
    output = call_in_root(
        folder,
        MAIN_COMMAND,
        binds={store: "/var/cache/everywheel"},
        environment={"EVERYWHEEL_STORE": "/var/cache/everywheel"},
        cwd="/project",
    )
    (folder / "output").write_text(output)


@pytest.fixture(scope="session")
def wheels(bare_debian: Path) -> dict[str, Path]:
    """The finished wheels of the limited API by the last part of their tag: `manylinux2014_x86_64`."""
    paths = (bare_debian / "project" / "wheelhouse").glob("*-abi3-*.whl")
    return {path.stem.split("-")[-1]: path for path in paths}


@pytest.fixture(scope="session")
def all_wheels(bare_debian: Path) -> list[Path]:
    return sorted((bare_debian / "project" / "wheelhouse").glob("*.whl"))


@pytest.fixture(scope="session")
def machine() -> str:
    return platform.machine()
