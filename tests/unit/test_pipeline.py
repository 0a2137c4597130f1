"""The part of a plan that a store does not have."""

from __future__ import annotations

from pathlib import Path

from everywheel.config.project import load_project
from everywheel.planning.plan import make_plan, wheel_id
from everywheel.planning.step_keys import Identities
from everywheel.planning.steps import Plan, step_id
from everywheel.remote.lookup import find_missing
from everywheel.store.local import Store

PROJECT = load_project(Path(__file__).parents[2])
TARGET = PROJECT.targets[0]
PLAN = make_plan(PROJECT, [TARGET], Identities(artifacts="a", toolchain="t", packaging="p"))


def finish(store: Store, folder: Path, *ids: str) -> Plan:
    """Put results of these steps into the store; return the missing part of the plan."""
    folder.mkdir()
    for id in ids:
        step = PLAN.steps[id]
        store.put_tree(step.key, folder, name=step.name, version=step.version, target=step.platform)
    return find_missing(PLAN, store)


def test_everything_is_missing_in_an_empty_store(tmp_path: Path) -> None:
    missing = finish(Store(tmp_path / "store"), tmp_path / "tree")

    assert list(missing.steps) == list(PLAN.steps)


def test_steps_that_only_finished_steps_require_are_not_missing(tmp_path: Path) -> None:
    libvips = step_id("libvips", TARGET.tag)

    missing = finish(Store(tmp_path / "store"), tmp_path / "tree", libvips)

    assert libvips not in missing.steps
    # The wheels require the libraries below libvips as well: all steps that make up their prefix are unpacked.
    assert step_id("zlib", TARGET.tag) in missing.steps
    wheels = [wheel_id(PROJECT, TARGET, python) for python in PROJECT.pythons]
    assert not finish(Store(tmp_path / "other"), tmp_path / "tree2", *wheels).steps


def test_a_finished_wheel_does_not_finish_that_of_another_python(tmp_path: Path) -> None:
    first, second = (wheel_id(PROJECT, TARGET, python) for python in PROJECT.pythons)

    missing = finish(Store(tmp_path / "store"), tmp_path / "tree", first)

    assert first not in missing.steps
    assert second in missing.steps
    assert "cpython:any" not in missing.steps
    assert "cpython-freethreaded:any" in missing.steps
