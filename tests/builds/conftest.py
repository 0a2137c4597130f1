"""Workshops: empty ones, one in which everything is built, and copies of that."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from everywheel.config.recipe_loader import load_recipe
from everywheel.sources import fetch_sources, find_locations, list_source_files
from everywheel.store.local import Store, default_store
from everywheel.toolchains.build_tools import ensure_tools
from workshop import ROOT, Workshop


@pytest.fixture(scope="session", autouse=True)
def shared_store() -> Path:
    """This machine's own store, with the tools and the one source that is fetched."""
    store = Store(default_store())
    ensure_tools(store.root)
    wanted = list_source_files([load_recipe(ROOT / "recipes" / "cpython" / "recipe.toml")])
    fetch_sources(wanted, store=store.root, locations=find_locations())
    return store.root


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, shared_store: Path) -> Workshop:
    """A workshop in which everything is built."""
    made = Workshop(tmp_path_factory.mktemp("finished"))
    made.build()
    return made


@pytest.fixture
def copy(finished: Workshop, tmp_path: Path) -> Workshop:
    """A workshop with the finished one's store and wheels, to change something in."""
    made = Workshop(tmp_path)
    for part in ("artifacts", "wheels"):
        shutil.rmtree(made.store / part, ignore_errors=True)
        shutil.copytree(finished.store / part, made.store / part)
    shutil.copytree(finished.project / "wheelhouse", made.project / "wheelhouse")
    return made
