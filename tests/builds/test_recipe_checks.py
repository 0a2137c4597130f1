"""Check programs of recipes use libraries for targets that the build machine does not run by itself."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import check_elsewhere
import pytest
from build_recipes import build_library
from check_elsewhere import find_runner, run_check
from everywheel.config.project import load_project
from everywheel.config.recipe import Linkage
from everywheel.config.recipe_loader import load_recipes
from everywheel.platforms.target import parse_target
from everywheel.store.local import Store

ROOT = Path(__file__).parents[2]


def test_a_static_program_for_musl_names_what_a_library_does_not_provide(shared_store: Path) -> None:
    recipe, store = load_recipes([ROOT / "recipes"])["xxhash"], Store(shared_store)
    target = parse_target("musllinux_1_2_x86_64")

    plan, step, outcome = build_library(recipe, load_project(ROOT), target, Linkage.STATIC, store)

    assert not isinstance(outcome, str)
    assert run_check(step, plan, store) is None
    products = dataclasses.replace(step.recipe.products, provides=("xxh64", "xxh999"))
    wrong = dataclasses.replace(step, recipe=dataclasses.replace(step.recipe, products=products))
    assert run_check(wrong, plan, store) == "xxh999\n"


def test_a_program_for_musl_is_run_by_the_loader_of_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    target, loader = parse_target("musllinux_1_2_x86_64"), tmp_path / "ld-musl-x86_64.so.1"
    monkeypatch.setattr(check_elsewhere, "_LOADERS", tmp_path)

    assert find_runner(target, Linkage.SHARED) is None
    loader.touch()
    assert find_runner(target, Linkage.SHARED) == (str(loader),)


def test_programs_without_a_runner_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)

    assert find_runner(parse_target("win_amd64"), Linkage.STATIC) is None
    assert find_runner(parse_target("musllinux_1_2_s390x"), Linkage.STATIC) is None
    assert find_runner(parse_target("musllinux_1_2_s390x"), Linkage.SHARED) is None
    assert find_runner(parse_target("musllinux_1_2_x86_64"), Linkage.STATIC) == ()
    assert find_runner(parse_target("macosx_11_0_arm64"), Linkage.STATIC) is None
