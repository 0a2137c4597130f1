"""Plans: the steps whose keys a change affects, their order and their requirements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from everywheel.config.pins import Pin
from everywheel.config.project import Project, load_project
from everywheel.config.python_spec import PythonSpec
from everywheel.config.recipe import (
    Build,
    BuildSystem,
    Feature,
    License,
    Linkage,
    Optimize,
    Override,
    Products,
    Recipe,
)
from everywheel.config.source import Patch, Source
from everywheel.config.target_settings import TargetOverride, TargetSettings
from everywheel.planning.plan import make_plan
from everywheel.planning.step_keys import Identities
from everywheel.planning.steps import LibraryStep, Plan, StepKind, WheelStep, step_id

PROJECT = load_project(Path(__file__).parents[2])
WHEELS = {"webpencode", "webpencode-cp314t"}
IDENTITIES = Identities(artifacts="a", toolchain="t", packaging="p")


def plan(project: Project = PROJECT, **identities: str) -> Plan:
    return make_plan(project, project.targets, replace(IDENTITIES, **identities))


def list_changed_steps(other: Plan) -> set[str]:
    """Return the names of the steps that have another key than in the project as it is."""
    keys = {id: step.key for id, step in plan().steps.items()}
    assert set(keys) == set(other.steps)
    return {step.name for id, step in other.steps.items() if keys[id] != step.key}


def with_recipe(name: str, **changes: object) -> Project:
    recipe: Recipe = replace(PROJECT.recipes[name], **changes)  # type: ignore[arg-type]
    return replace(PROJECT, recipes={**PROJECT.recipes, name: recipe})


def test_a_new_build_of_libwebp_affects_only_libvips_and_the_wheels() -> None:
    build = replace(PROJECT.recipes["libwebp"].build, defines=("X",))

    assert list_changed_steps(plan(with_recipe("libwebp", build=build))) == {"libwebp", "libvips", *WHEELS}


def test_a_new_file_next_to_a_recipe_affects_what_requires_it() -> None:
    assert list_changed_steps(plan(with_recipe("zlib", files={"overlay/x": "0"}))) == {
        "zlib",
        "libpng",
        "glib",
        "libvips",
        *WHEELS,
    }


# Values that are in no key, by class, each with the reason.
LOCATION = "is the place of a file with a pinned hash"
SIZE = "bounds the download of a file with a pinned hash"
NOT_IN_KEYS: dict[type, dict[str, str]] = {
    Recipe: {
        "name": "identifies the recipe",
        "summary": "is shown only",
        "directory": "contains the files, whose hashes are in the key",
        "features": "change other values when they are chosen",
        "profiles": "name features",
        "overrides": "change other values of the targets that they match",
    },
    License: {},
    Source: {
        **dict.fromkeys(("filename", "debian", "sha1"), LOCATION),
        "size": SIZE,
        "omit_patches": "is a reason for patches that are not applied",
    },
    Patch: {
        **dict.fromkeys(("urls", "debian", "sha1", "archive", "file"), LOCATION),
        "size": SIZE,
    },
    Build: {},
    Products: {},
    Feature: {"name": "is in the key as the chosen feature"},
    PythonSpec: {"systems": "select targets"},
}
CHOSEN = {
    "requires": ("expat",),
    "build_requires": ("nasm",),
    "system": BuildSystem.CMAKE,
    "fixes": ("CVE-1999-0001",),  # the label has every CVE
}


def change_value(name: str, value: object) -> object:
    """Return another value of the same type."""
    if name in CHOSEN:
        return CHOSEN[name]
    match value:
        case bool():
            return not value
        case Optimize():
            return Optimize.SIZE if value is not Optimize.SIZE else Optimize.SPEED
        case str():
            return f"{value}x"
        case tuple():
            return ("x", *value)
        case Mapping():
            return {**value, "x": "y"}
    raise AssertionError(f"no other value for {name}")


def list_changes(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name of each field of a data class that keys must cover, and the value with another one in that field."""
    for name in {field.name for field in fields(value)} - NOT_IN_KEYS[type(value)].keys():
        old = getattr(value, name)
        if type(old) in NOT_IN_KEYS:
            for inner, changed in list_changes(old):
                yield f"{name}.{inner}", replace(value, **{name: changed})
        elif isinstance(old, tuple) and old and type(old[0]) in NOT_IN_KEYS:
            for inner, changed in list_changes(old[0]):
                yield f"{name}.{inner}", replace(value, **{name: (changed, *old[1:])})
        else:
            yield name, replace(value, **{name: change_value(name, old)})


def glib_key(recipe: Recipe, *features: str) -> str:
    recipes = {**PROJECT.recipes, "glib": recipe}
    project = replace(
        PROJECT,
        recipes=recipes,
        target_settings=TargetSettings(requires=("glib",)),
        pythons=PROJECT.pythons[:1],
        features={"glib": features},
    )
    return make_plan(project, PROJECT.targets[:1], IDENTITIES).steps[f"glib:{PROJECT.targets[0].tag}"].key


def test_every_value_of_a_recipe_is_in_its_key() -> None:
    """The names of alternatives are for `recipes check`: a result does not depend on them."""
    glib = PROJECT.recipes["glib"]
    before = glib_key(glib)

    assert [name for name, changed in list_changes(glib) if glib_key(changed) == before] == ["alternatives"]


def test_every_value_of_a_chosen_feature_is_in_the_key_of_its_recipe() -> None:
    def key(feature: Feature) -> str:
        return glib_key(replace(PROJECT.recipes["glib"], features={"extra": feature}), "extra")

    before = key(Feature(name="extra"))
    assert [name for name, changed in list_changes(Feature(name="extra")) if key(changed) == before] == []


def test_every_value_of_a_python_is_in_the_key_of_its_wheel() -> None:
    target = PROJECT.targets[:1]

    def key(python: PythonSpec) -> str:
        return make_plan(replace(PROJECT, pythons=(python,)), target, IDENTITIES).steps[f"wheel:{target[0].tag}"].key

    python = replace(PROJECT.python, headers="zlib")
    changes = [(name, changed) for name, changed in list_changes(python) if name != "headers"]
    assert [name for name, changed in changes if key(changed) == key(python)] == []
    assert key(replace(python, headers="expat")) != key(python)


def test_every_value_of_a_project_is_in_the_key_of_its_wheel_or_cannot_change_it() -> None:
    in_no_key = {
        "root": "is a place",
        "settings_folder": "is a place",
        "has_metadata": "means that name and version are known, which are in the key",
        "extension": "is a place, whose files are in the digest",
        "wheelhouse": "is a place",
        "smoke": "tests finished wheels",
        "remote": "has results of the same keys",
        "sources": "are places of files with pinned hashes",
        "targets": "select targets",
        "released": "select targets",
        "more_targets": "select targets",
        "backend": "is part of the extension, whose files are in the digest",
        "interpreters": "are programs of a version that is in the key",
        "python_pins": "become the build_pins of a wheel",
        "backend_version": "is computed from backend_python for each wheel",
    }
    changes: dict[str, object] = {
        "name": "other",
        "version": "9",
        "revision": "v1.0-1-gabcdef0",
        "overrides": (TargetOverride(when={"os": "linux"}, settings=TargetSettings(environment={"A": "1"})),),
        "linkage": Linkage.SYSTEM,
        "features": {"libvips": ("jpeg",)},
        "exports": ("other_*",),
        "pythons": (replace(PROJECT.python, tag="cp399"),),
        "recipes": with_recipe("zlib", version="9").recipes,
        "build_pins": (Pin(name="meson", version="9", hashes=("0" * 64,)),),
        "digest": "0" * 64,
        "backend_python": "3.12",
    }
    target, id = PROJECT.targets[:1], f"wheel:{PROJECT.targets[0].tag}"
    before = make_plan(PROJECT, target, IDENTITIES).steps[id].key

    settings: dict[str, object] = {
        "requires": ("libvips", "zlib"),
        "shared": (),
        "config_settings": {"a": ("b",)},
        "data": {"demo/words": "share/words"},
        "environment": {"A": "{prefix}"},
    }

    assert in_no_key.keys() | changes.keys() | {"target_settings"} == {field.name for field in fields(PROJECT)}
    assert settings.keys() == {field.name for field in fields(PROJECT.target_settings)}
    for name, value in settings.items():
        other = replace(PROJECT.target_settings, **{name: value})  # type: ignore[arg-type]
        assert make_plan(replace(PROJECT, target_settings=other), target, IDENTITIES).steps[id].key != before, name
    for name, value in changes.items():
        assert make_plan(replace(PROJECT, **{name: value}), target, IDENTITIES).steps[id].key != before, name


def test_a_new_summary_affects_nothing() -> None:
    assert list_changed_steps(plan(with_recipe("zlib", summary="another text"))) == set()


def test_a_new_patch_affects_what_it_is_built_into() -> None:
    source = PROJECT.recipes["expat"].source

    assert list_changed_steps(plan(with_recipe("expat", source=replace(source, sha256="0" * 64)))) == {
        "expat",
        "libvips",
        *WHEELS,
    }


def test_a_new_url_affects_the_wheels_whose_sbom_has_it() -> None:
    source = PROJECT.recipes["expat"].source

    moved = replace(source, urls=("https://example.org/expat.tar.gz", *source.urls))

    assert list_changed_steps(plan(with_recipe("expat", source=moved))) == {"expat", "libvips", *WHEELS}


def test_a_new_direct_requirement_affects_the_library_even_if_another_one_brings_it_already() -> None:
    requires = (*PROJECT.recipes["libvips"].requires, "libffi")

    assert list_changed_steps(plan(with_recipe("libvips", requires=requires))) == {"libvips", *WHEELS}


def test_a_new_override_of_a_program_affects_what_it_builds() -> None:
    override = replace(PROJECT.recipes["libpng"].overrides[0], when={"os": "windows"})

    assert list_changed_steps(plan(with_recipe("nasm", overrides=(override,)))) == {"libjpeg-turbo", "libvips", *WHEELS}


def test_a_program_of_the_build_machine_affects_what_it_builds() -> None:
    assert list_changed_steps(plan(with_recipe("nasm", version="9"))) == {"nasm", "libjpeg-turbo", "libvips", *WHEELS}


def test_a_changed_extension_affects_only_the_wheels() -> None:
    assert list_changed_steps(plan(replace(PROJECT, digest="other"))) == WHEELS


def test_another_profile_affects_the_library_and_the_wheels() -> None:
    features = {
        **PROJECT.features,
        "libvips": tuple(f for f in PROJECT.recipes["libvips"].profiles["web"] if f != "gif"),
    }

    assert list_changed_steps(plan(replace(PROJECT, features=features))) == {"libvips", *WHEELS}


def test_other_tools_affect_everything_except_the_headers() -> None:
    names = {step.name for step in plan().steps.values()}

    assert list_changed_steps(plan(toolchain="other")) == names - {"cpython", "cpython-freethreaded"}


def test_other_code_for_artifacts_affects_everything() -> None:
    assert list_changed_steps(plan(artifacts="other")) == {step.name for step in plan().steps.values()}


def test_other_packaging_affects_only_the_wheels() -> None:
    assert list_changed_steps(plan(packaging="other")) == WHEELS


def test_no_two_steps_share_a_key() -> None:
    steps = plan().steps

    assert len({step.key for step in steps.values()}) == len(steps)


def test_headers_are_one_step_for_all_targets() -> None:
    steps = [step for step in plan().steps.values() if step.name == "cpython"]

    assert [(step.id, step.platform) for step in steps] == [("cpython:any", "any")]


def test_each_python_has_a_wheel_that_is_linked_against_its_own_headers() -> None:
    steps = plan().steps

    headers = {
        (step.python.tag, step.python.abi): {
            steps[id].name for id in step.link if steps[id].name in ("cpython", "cpython-freethreaded")
        }
        for step in plan().wheels.values()
    }

    assert headers == {("cp311", "abi3"): {"cpython"}, ("cp314", "cp314t"): {"cpython-freethreaded"}}
    assert len({(step.name, step.platform) for step in steps.values()}) == len(steps)  # no two steps share a log


def test_a_wheel_of_the_stable_abi_with_and_without_the_gil_is_one_more_wheel_with_headers_of_its_own() -> None:
    both = PythonSpec(
        headers="cpython-abi3t",
        tag="cp315",
        abi="abi3.abi3t",
        limited_api=True,
        free_threaded=False,
        systems=("linux",),
    )
    planned = make_plan(replace(PROJECT, pythons=(*PROJECT.pythons, both)), PROJECT.targets[:1], IDENTITIES)

    (wheel,) = (step for step in planned.wheels.values() if step.python == both)
    assert wheel.name == "webpencode-cp315-abi3.abi3t"
    assert {step.name for step in planned.select([wheel.id]).steps.values()} & {"cpython", "cpython-abi3t"} == {
        "cpython-abi3t"
    }


def test_a_second_python_does_not_change_the_first_ones_wheel() -> None:
    single = plan(replace(PROJECT, pythons=PROJECT.pythons[:1])).steps

    assert {id: step.key for id, step in plan().steps.items() if id in single} == {
        id: s.key for id, s in single.items()
    }


def test_every_step_comes_after_what_it_requires() -> None:
    position = {id: number for number, id in enumerate(plan().steps)}

    assert all(position[need] < position[id] for id, step in plan().steps.items() for need in step.requires)


def test_a_selection_has_the_selected_steps_and_their_requirements_only() -> None:
    selected = plan().select([step_id("libpng", PROJECT.targets[0].tag)])

    assert [step.name for step in selected.steps.values()] == ["zlib", "libpng"]


def test_a_step_has_a_lower_priority_than_those_it_requires() -> None:
    whole = plan()

    for step in whole.steps.values():
        assert all(whole.priority[need] > whole.priority[step.id] for need in step.requires)


def test_steps_are_of_two_types_and_three_kinds() -> None:
    kinds = {(type(step), step.kind) for step in plan().steps.values()}

    assert kinds == {
        (LibraryStep, StepKind.LIBRARY),
        (LibraryStep, StepKind.PROGRAM),
        (WheelStep, StepKind.WHEEL),
    }


def test_a_resolved_recipe_does_not_refer_to_the_unresolved_one() -> None:
    for step in plan().libraries.values():
        values = [getattr(step.recipe, field.name) for field in fields(step.recipe)]
        assert not any(isinstance(value, Recipe | Override | Feature) for value in values)


def test_system_linkage_affects_only_the_wheels() -> None:
    system = load_project(Path(__file__).parents[2], linkage=Linkage.SYSTEM)

    assert list_changed_steps(plan(system)) == WHEELS
    assert list_changed_steps(plan(replace(system, linkage=Linkage.SHARED))) == WHEELS  # by the settings of the backend
    plain = replace(system.target_settings, config_settings={})
    assert list_changed_steps(plan(replace(system, linkage=Linkage.SHARED, target_settings=plain))) == set()


def test_an_override_affects_only_the_wheels_of_its_targets() -> None:
    settings = TargetSettings(environment={"A": "1"})
    override = TargetOverride(when={"libc": "musl", "target": "*_aarch64"}, settings=settings)
    before, after = plan().steps, plan(replace(PROJECT, overrides=(override,))).steps

    assert {id for id, step in after.items() if step.key != before[id].key} == {
        "wheel:musllinux_1_2_aarch64",
        "wheel-cp314t:musllinux_1_2_aarch64",
    }


def test_the_wheels_of_two_floors_of_the_stable_abi_are_separate_steps() -> None:
    specs = [replace(PROJECT.python, tag=tag, abi="abi3") for tag in ("cp311", "cp312", "cp313")]
    target = PROJECT.targets[0]

    wheels = plan(replace(PROJECT, pythons=tuple(specs))).wheels.values()

    assert {step.id for step in wheels if step.target == target} == {
        f"wheel:{target.tag}",
        f"wheel-cp312-abi3:{target.tag}",
        f"wheel-cp313-abi3:{target.tag}",
    }
    names = {step.name for step in wheels}
    assert names == {PROJECT.name, f"{PROJECT.name}-cp312-abi3", f"{PROJECT.name}-cp313-abi3"}


def test_steps_that_are_planned_for_many_targets_are_those_of_each_target() -> None:
    together = make_plan(PROJECT, PROJECT.every_target, IDENTITIES)

    for target in PROJECT.every_target:
        single = make_plan(PROJECT, [target], IDENTITIES)
        for id, step in single.steps.items():
            assert (together.steps[id].key, together.steps[id].requires) == (step.key, step.requires), id
            if step.platform == target.tag and isinstance(step, LibraryStep):
                assert together.steps[id] == step, id


def test_a_change_behind_headers_affects_what_uses_them() -> None:
    headers = replace(PROJECT.recipes["cpython"], name="middle", requires=("zlib",), files={})
    expat = replace(PROJECT.recipes["expat"], requires=("middle",))
    project = replace(PROJECT, recipes={**PROJECT.recipes, "middle": headers, "expat": expat})
    zlib = replace(PROJECT.recipes["zlib"], version="9")
    changed = replace(project, recipes={**project.recipes, "zlib": zlib})

    before, after = (plan(project).steps[f"expat:{PROJECT.targets[0].tag}"] for project in (project, changed))

    assert "middle:any" in before.requires
    assert before.key != after.key
