"""The wheels that `nox -s build-all` builds in a minimal Debian, and the order and the groups in which workers run tests."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest
from everywheel.store.local import default_store
from filelock import FileLock
from root_filesystems import bootstrap_debian, build_libz, call_in_root, copy_repository

MAIN_COMMAND = "python3 -m venv .venv && .venv/bin/pip install nox && .venv/bin/nox -s build-all"
# The longest files first. The first two start on two workers: one builds the wheels, the other does not require them.
ORDER = (
    "test_bare_debian",
    "test_containers",
    "test_workflows",
    "test_windows",
    "test_static_linkage",
    "test_smoke",
    "test_build_machines",
)


# Tests that share an expensive fixture of their file, by file and fixture, run on one worker.
GROUPS = {
    ("test_smoke", "matrix"): "smoke-matrix",
    ("test_smoke", "project"): "smoke-faults",
    ("test_run_wheels", "python"): "glibc",
}


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests by ORDER, so that no long group starts last, and add the groups of GROUPS."""
    items.sort(key=lambda item: ORDER.index(item.path.stem) if item.path.stem in ORDER else len(ORDER))
    for item in items:
        for (stem, fixture), group in GROUPS.items():
            if item.path.stem == stem and fixture in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session", autouse=True)
def root() -> None:
    if os.geteuid() != 0:
        pytest.skip("requires root: these tests mount file systems and use chroot", allow_module_level=True)


@pytest.fixture(scope="session")
def bare_debian(shared_folder: Path, root: None) -> Path:
    """A Debian 12 with python3, python3-venv and git, where the repository is in /project and MAIN_COMMAND has run."""
    folder, stamp = shared_folder / "bare" / "debian", shared_folder / "bare.done"
    with FileLock(shared_folder / "bare.lock"):
        if not stamp.exists():
            folder.parent.mkdir()
            _run_main_command(folder)
            stamp.touch()
    return folder


def _run_main_command(folder: Path) -> None:
    bootstrap_debian(folder, "bookworm", ["python3", "python3-venv", "git", "ca-certificates"])
    copy_repository(folder / "project")
    # With this machine's store, libraries that other tests or an earlier run have built are not built again.
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
    """The wheels for the limited API by their platform tags, such as `manylinux2014_x86_64`."""
    paths = (bare_debian / "project" / "wheelhouse").glob("*-abi3-*.whl")
    return {path.stem.split("-")[-1]: path for path in paths}


@pytest.fixture(scope="session")
def all_wheels(bare_debian: Path) -> list[Path]:
    return sorted((bare_debian / "project" / "wheelhouse").glob("*.whl"))


@pytest.fixture(scope="session")
def machine() -> str:
    return platform.machine()


@pytest.fixture(scope="session")
def libz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shared zlib for musl, which the portable CPython requires."""
    return build_libz(tmp_path_factory.mktemp("zlib") / "project")
