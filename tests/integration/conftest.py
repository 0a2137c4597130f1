"""What the integration tests share: the wheels that the main command makes in a bare Debian."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest
from everywheel.store.local import default_store
from roots import bootstrap_debian, call_in_root, copy_repository

MAIN_COMMAND = "python3 -m venv .venv && .venv/bin/pip install nox && .venv/bin/nox -s build-all"


@pytest.fixture(scope="session", autouse=True)
def root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: it mounts and changes root", allow_module_level=True)


@pytest.fixture(scope="session")
def bare_debian(tmp_path_factory: pytest.TempPathFactory, root: None) -> Path:
    """A Debian 12 with python3, python3-venv and git, in which the main command has run; the repository is in /project."""
    place = tmp_path_factory.mktemp("bare") / "debian"
    bootstrap_debian(place, "bookworm", ["python3", "python3-venv", "git", "ca-certificates"])
    copy_repository(place / "project")
    # The store is this machine's own, so that what the other tests built, or an earlier run, is not built again.
    store = default_store()
    store.mkdir(parents=True, exist_ok=True)
    output = call_in_root(
        place,
        MAIN_COMMAND,
        binds={store: "/var/cache/everywheel"},
        environment={"EVERYWHEEL_STORE": "/var/cache/everywheel"},
        cwd="/project",
    )
    (place / "output").write_text(output)
    return place


@pytest.fixture(scope="session")
def wheels(bare_debian: Path) -> dict[str, Path]:
    """The finished wheels of the limited API by the last part of their tag: `manylinux2014_x86_64`."""
    found = (bare_debian / "project" / "wheelhouse").glob("*-abi3-*.whl")
    return {path.stem.split("-")[-1]: path for path in found}


@pytest.fixture(scope="session")
def all_wheels(bare_debian: Path) -> list[Path]:
    return sorted((bare_debian / "project" / "wheelhouse").glob("*.whl"))


@pytest.fixture(scope="session")
def machine() -> str:
    return platform.machine()
