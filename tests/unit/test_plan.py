"""Plans: which keys a change reaches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.config.project import Project, load_project
from everywheel.config.recipe import Linkage, Recipe
from everywheel.planning.plan import Plan, StepKind, make_plan

PROJECT = load_project(Path(__file__).parents[2])
WHEELS = {"wheel", "wheel-cp314t"}


def plan(project: Project = PROJECT, toolchain: str = "t", packaging: str = "p") -> Plan:
    return make_plan(project, project.targets, toolchain=toolchain, packaging=packaging)


def changed(other: Plan) -> set[str]:
    """Return the names of the steps that have another key than in the project as it is."""
    keys = {id: step.key for id, step in plan().steps.items()}
    assert set(keys) == set(other.steps)
    return {id.partition(":")[0] for id, step in other.steps.items() if keys[id] != step.key}


def with_recipe(name: str, **changes: object) -> Project:
    recipe: Recipe = replace(PROJECT.recipes[name], **changes)  # type: ignore[arg-type]
    return replace(PROJECT, recipes={**PROJECT.recipes, name: recipe})


def test_a_new_build_of_libwebp_reaches_libvips_and_the_wheels_alone() -> None:
    build = replace(PROJECT.recipes["libwebp"].build, defines=("X",))

    assert changed(plan(with_recipe("libwebp", build=build))) == {"libwebp", "libvips", *WHEELS}


def test_a_new_file_beside_a_recipe_reaches_what_requires_it() -> None:
    assert changed(plan(with_recipe("zlib", files={"overlay/x": "0"}))) == {
        "zlib",
        "libpng",
        "glib",
        "libvips",
        *WHEELS,
    }


def test_a_new_summary_reaches_nothing() -> None:
    assert changed(plan(with_recipe("zlib", summary="other words"))) == set()


def test_a_new_patch_reaches_what_it_is_built_into() -> None:
    source = PROJECT.recipes["expat"].source

    assert changed(plan(with_recipe("expat", source=replace(source, sha256="0" * 64)))) == {"expat", "libvips", *WHEELS}


def test_a_program_of_the_build_machine_reaches_what_it_builds() -> None:
    assert changed(plan(with_recipe("nasm", version="9"))) == {"nasm", "libjpeg-turbo", "libvips", *WHEELS}


def test_a_changed_extension_reaches_the_wheels_alone() -> None:
    assert changed(plan(replace(PROJECT, digest="other"))) == WHEELS


def test_another_profile_reaches_the_library_and_the_wheels() -> None:
    features = {"libvips": tuple(f for f in PROJECT.recipes["libvips"].profiles["web"] if f != "gif")}

    assert changed(plan(replace(PROJECT, features=features))) == {"libvips", *WHEELS}


def test_other_tools_reach_everything_but_the_headers() -> None:
    names = {id.partition(":")[0] for id in plan().steps}

    assert changed(plan(toolchain="other")) == names - {"cpython", "cpython-freethreaded"}


def test_other_packaging_reaches_the_wheels_alone() -> None:
    assert changed(plan(packaging="other")) == WHEELS


def test_no_two_steps_share_a_key() -> None:
    steps = plan().steps

    assert len({step.key for step in steps.values()}) == len(steps)


def test_headers_are_one_step_for_all_targets() -> None:
    assert [id for id in plan().steps if id.startswith("cpython:")] == ["cpython:any"]


def test_each_python_has_a_wheel_that_is_linked_against_its_own_headers() -> None:
    steps = plan().steps.values()

    found = {(s.python.tag, s.python.abi): {i for i in s.link if i.startswith("cpython")} for s in steps if s.python}

    assert found == {("cp311", "abi3"): {"cpython:any"}, ("cp314", "cp314t"): {"cpython-freethreaded:any"}}
    assert len({(step.name, step.place) for step in steps}) == len(steps)  # each log has a name of its own


def test_a_second_python_leaves_the_first_ones_wheel_as_it_was() -> None:
    alone = plan(replace(PROJECT, pythons=PROJECT.pythons[:1])).steps

    assert {id: step.key for id, step in plan().steps.items() if id in alone} == {id: s.key for id, s in alone.items()}


def test_every_step_comes_after_what_it_requires() -> None:
    place = {id: number for number, id in enumerate(plan().steps)}

    assert all(place[need] < place[id] for id, step in plan().steps.items() for need in step.requires)


def test_a_selection_holds_what_it_needs_and_nothing_else() -> None:
    target = PROJECT.targets[0].tag

    names = [id.partition(":")[0] for id in plan().select([f"libpng:{target}"]).steps]

    assert names == ["zlib", "libpng"]


@pytest.mark.parametrize("kind", [StepKind.LIBRARY, StepKind.WHEEL])
def test_what_much_depends_on_goes_first(kind: StepKind) -> None:
    made = plan()

    for step in made.steps.values():
        assert all(made.priority[need] > made.priority[step.id] for need in step.requires)


def test_system_linkage_reaches_the_wheels_alone() -> None:
    system = load_project(Path(__file__).parents[2], linkage=Linkage.SYSTEM)

    assert changed(plan(system)) == {"wheel", "wheel-cp314t"}
    assert changed(plan(replace(system, linkage=Linkage.SHARED))) == {
        "wheel",
        "wheel-cp314t",
    }  # what the backend is told
    assert changed(plan(replace(system, linkage=Linkage.SHARED, settings={}))) == set()
