"""docs/collection.md shows the recorded builds of the recipes in the collection."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from build_recipes import build_for_target, find_stem, list_jobs, rotate
from collection_page import (
    FURTHER,
    PAGE,
    TARGETS,
    RecipeResult,
    TargetResult,
    is_listed,
    merge_results,
    read_results,
    render_page,
    render_table,
    write_results,
)
from everywheel.config.project import load_project
from everywheel.config.recipe import Linkage
from everywheel.config.recipe_loader import load_recipe, load_recipes
from everywheel.platforms.target import parse_target
from everywheel.store.local import Store

BOTH = (Linkage.SHARED, Linkage.STATIC)
RECIPES = list(load_recipes([Path(__file__).parents[2] / "recipes"]).values())
INTEL, MAC = "manylinux2014_x86_64", "macosx_11_0_arm64"


def test_the_page_is_rendered_from_the_recorded_results() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_page(read_results(), RECIPES)


def test_the_recorded_results_are_those_of_libraries_in_the_collection() -> None:
    assert set(read_results()) <= {recipe.name for recipe in RECIPES if is_listed(recipe)}


def test_a_row_states_what_was_built_and_run_for_each_target() -> None:
    recipe = next(recipe for recipe in RECIPES if recipe.name == "libpng")
    targets = {
        INTEL: TargetResult(seconds=12.34, shared=234_000, static=400_000, run=BOTH),
        "manylinux2014_aarch64": TargetResult(shared=1, static=1, run=(Linkage.STATIC,)),
        "musllinux_1_2_x86_64": TargetResult(shared=1, static=1),
        MAC: TargetResult(static=1, error="libpng: compile failed"),
        "win_amd64": TargetResult(error="libpng: configure failed"),
        "manylinux2014_s390x": TargetResult(shared=1, run=(Linkage.SHARED,)),
        "manylinux2014_i686": TargetResult(static=1),
        "manylinux2014_armv7l": TargetResult(error="libpng: no compiler"),
    }
    results = {"libpng": RecipeResult(version="1.6.58", targets=targets, vulnerabilities=2)}

    *_, row = render_table(results, [recipe]).splitlines()
    page = render_page(results, [recipe])

    cells = "run | built, static run | built |  | built, static only | no, see below"
    assert row == f"| libpng | 1.6.58 | {cells} | 0.23 MB | 0.40 MB | 12 | 2 |"
    assert "\n| libpng | built, static only | no, see below |  | run, shared only |  |\n" in page
    assert "- libpng, win_amd64: libpng: configure failed\n" in page
    assert "- libpng, manylinux2014_armv7l: libpng: no compiler\n" in page


def test_a_row_names_a_linkage_that_the_recipe_excludes_without_only() -> None:
    recipe = next(recipe for recipe in RECIPES if recipe.name == "snappy")
    targets = {INTEL: TargetResult(static=1), MAC: TargetResult(static=1, run=(Linkage.STATIC,))}
    results = {"snappy": RecipeResult(version="1.2.2", targets=targets)}

    *_, row = render_table(results, [recipe]).splitlines()

    assert row == "| snappy | 1.2.2 | built, static only |  |  |  | run, static |  |  | 0.00 MB |  |"


def test_a_row_names_the_targets_that_a_library_does_not_support(tmp_path: Path) -> None:
    text = (RECIPES[0].directory.parent / "libpng" / "recipe.toml").read_text(encoding="utf-8")
    path = tmp_path / "libpng" / "recipe.toml"
    path.parent.mkdir()
    path.write_text(
        f'{text}\n[[overrides]]\nwhen = {{ os = "windows" }}\nunsupported = "it requires fork"\n', encoding="utf-8"
    )

    *_, row = render_table({"libpng": RecipeResult(version="1.6.58")}, [load_recipe(path)]).splitlines()

    assert row == "| libpng | 1.6.58 |  |  |  |  |  | unsupported |  |  |  |"


def test_results_of_a_version_are_merged_and_keep_the_seconds_of_what_was_not_built_again() -> None:
    old = RecipeResult(version="1", targets={INTEL: TargetResult(seconds=9.0, shared=1, static=1)}, vulnerabilities=3)
    again = RecipeResult(
        version="1", targets={MAC: TargetResult(seconds=1.0), INTEL: TargetResult(shared=2, static=2, run=BOTH)}
    )

    merged = merge_results(old, again)

    assert list(merged.targets) == [INTEL, MAC]
    assert merged.targets[INTEL] == TargetResult(seconds=9.0, shared=2, static=2, run=BOTH)
    assert merged.vulnerabilities == 3
    assert merge_results(old, RecipeResult(version="2")) == RecipeResult(version="2")


def test_the_weekly_workflow_has_a_job_for_each_target_of_the_table() -> None:
    workflow = yaml.safe_load((PAGE.parents[1] / ".github" / "workflows" / "collection.yml").read_text())
    jobs = {job["target"]: job for job in list_jobs()}

    assert list(jobs) == [*TARGETS, *FURTHER]
    assert {f"digests-{job['index']}" for job in jobs.values()} < set(workflow["jobs"]["build"]["outputs"])
    assert jobs[INTEL]["packages"] == jobs[MAC]["packages"] == ""
    assert jobs["win_amd64"]["packages"] == "wine wine64"
    assert jobs["manylinux2014_armv7l"]["packages"] == "qemu-user-static libc6-armhf-cross"
    assert (jobs["musllinux_1_2_aarch64"]["packages"], jobs["musllinux_1_2_aarch64"]["foreign"]) == (
        "qemu-user-static musl:arm64",
        "arm64",
    )


def test_a_linkage_that_a_recipe_does_not_support_is_not_built(tmp_path: Path) -> None:
    recipe = next(recipe for recipe in RECIPES if recipe.name == "abseil")
    project = load_project(Path(__file__).parents[2])

    result = build_for_target(recipe, project, parse_target(INTEL), [Linkage.SHARED], Store(tmp_path))

    assert result == TargetResult()


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ((), (Linkage.STATIC,), (Linkage.STATIC,)),
        ((Linkage.SHARED,), (Linkage.STATIC,), BOTH),
        (BOTH, (), (Linkage.SHARED,)),
    ],
)
def test_a_linkage_that_was_built_again_is_run_if_it_was_run_again(
    before: Sequence[Linkage], now: Sequence[Linkage], expected: Sequence[Linkage]
) -> None:
    old = RecipeResult(version="1", targets={INTEL: TargetResult(shared=1, static=1, run=tuple(before))})
    new = RecipeResult(version="1", targets={INTEL: TargetResult(static=2, run=tuple(now))})

    assert merge_results(old, new).targets[INTEL] == TargetResult(shared=1, static=2, run=tuple(expected))


def test_results_of_jobs_are_written_to_files_and_read_again(tmp_path: Path) -> None:
    result = RecipeResult(version="1.6.58", targets={MAC: TargetResult(seconds=1.5, static=1, run=(Linkage.STATIC,))})

    write_results({"libpng": result}, RECIPES, tmp_path / "mac.json")

    assert read_results(tmp_path / "mac.json") == {"libpng": result}
    assert PAGE.read_text(encoding="utf-8") == render_page(read_results(), RECIPES)


def test_each_quarter_of_the_collection_is_built_first_once_in_four_weeks() -> None:
    orders = [rotate(RECIPES, weeks=weeks) for weeks in range(2_900, 2_904)]
    quarter = len(RECIPES) // 4 + 1

    assert all(sorted(recipe.name for recipe in order) == [recipe.name for recipe in RECIPES] for order in orders)
    assert {recipe.name for order in orders for recipe in order[:quarter]} == {recipe.name for recipe in RECIPES}


def test_a_library_that_was_built_with_one_linkage_keeps_the_size_of_the_other() -> None:
    old = RecipeResult(version="1", targets={INTEL: TargetResult(seconds=9.0, shared=1, static=1, run=BOTH)})
    static = TargetResult(seconds=4.0, static=2, run=(Linkage.STATIC,))

    merged = merge_results(old, RecipeResult(version="1", targets={INTEL: static}))
    failed = merge_results(old, RecipeResult(version="1", targets={INTEL: TargetResult(error="no compiler")}))

    assert render_table(
        {"libpng": RecipeResult(version="1", targets={INTEL: static})},
        [recipe for recipe in RECIPES if recipe.name == "libpng"],
    ).endswith("| libpng | 1 | run, static only |  |  |  |  |  |  | 0.00 MB | 4 |")
    assert merged.targets[INTEL] == TargetResult(seconds=4.0, shared=1, static=2, run=BOTH)
    assert failed.targets[INTEL] == TargetResult(seconds=9.0, error="no compiler")
    assert merge_results(None, RecipeResult(version="1", targets={INTEL: static})).targets[INTEL] == static


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("libfoo.so.1.2.3", "libfoo"),
        ("libfoo.so", "libfoo"),
        ("libfoo.1.dylib", "libfoo"),
        ("libfoo_hl.a", "libfoo_hl"),
        ("foo-1.dll", "foo"),
        ("libfoo.dll.a", ""),
        ("foo.h", ""),
    ],
)
def test_the_stem_of_a_library_is_its_name(name: str, stem: str) -> None:
    assert find_stem(name) == stem


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_of_recipes_goes_to_no_further_target(number: signal.Signals) -> None:
    targets = ("-t", "manylinux2014_x86_64", "-t", "manylinux2014_aarch64")
    with subprocess.Popen(
        [sys.executable, PAGE.parents[1] / "tests/recipes/build_recipes.py", "--build", "lmdb", *targets],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.send_signal(number)
        rest, errors = process.stdout.read(), process.stderr.read()

    assert first == "lmdb 0.9.31: manylinux2014_x86_64\n"
    assert (process.returncode, rest) == (130, "")
    assert errors.endswith("interrupted: finished steps are in the store, and the next run resumes after them\n")
