"""Workshops: empty ones, one in which everything is built, and copies of that."""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.store.local import Store, default_store
from everywheel.toolchains.build_tools import ensure_tools
from filelock import FileLock
from workshop import Workshop, reopen

TARGETS = (
    "manylinux2014_x86_64",
    "musllinux_1_2_aarch64",
    "macosx_11_0_arm64",
    "macosx_10_15_x86_64",
    "win_amd64",
    "win_arm64",
)
"""What the finished workshop has wheels for: the fixture project's own two targets, both Macs, and both Windows."""


@pytest.fixture(scope="session", autouse=True)
def shared_store() -> Path:
    """This machine's own store, with the build tools."""
    store = Store(default_store())
    ensure_tools(store.root)
    return store.root


@pytest.fixture
def workshop(tmp_path: Path, python_headers: Path) -> Workshop:
    return Workshop(tmp_path, python_headers)


@pytest.fixture(scope="session")
def finished(shared_folder: Path, shared_store: Path, python_headers: Path) -> Workshop:
    """A workshop in which the wheels of all TARGETS are built; one for all workers, which only read it."""
    folder = shared_folder / "finished"
    with FileLock(shared_folder / "finished.lock"):
        if (shared_folder / "finished.done").exists():
            return reopen(folder, python_headers)
        built = Workshop(folder, python_headers)
        built.build(*(arg for target in TARGETS for arg in ("--target", target)))
        (shared_folder / "finished.done").touch()
    return built


@pytest.fixture
def copy(finished: Workshop, tmp_path: Path, python_headers: Path) -> Workshop:
    """A workshop with the finished one's store and wheels, to change something in."""
    own = Workshop(tmp_path, python_headers)
    own.copy_finished(finished)
    return own
