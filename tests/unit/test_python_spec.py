"""The key `python`: short and long entries, the headers that follow from them, and the default."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.config.python_spec import PythonSpec, default_pythons, load_pythons
from everywheel.config.recipe import Recipe
from everywheel.config.recipe_loader import load_recipe
from everywheel.config.toml_reader import Table
from everywheel.errors import UsageError

ROOT = Path(__file__).parents[2]
NAMES = (
    "cpython",
    "cpython-abi3t",
    "cpython-3.9",
    "cpython-3.11",
    "cpython-3.12",
    "cpython-3.14",
    "cpython-3.14t",
    "zlib",
)


@pytest.fixture(scope="module")
def recipes() -> dict[str, Recipe]:
    cpython = load_recipe(ROOT / "recipes/cpython/recipe.toml")
    assert cpython.version.startswith("3.13.")
    return {name: replace(cpython, name=name) for name in NAMES}


def _load(text: str, recipes: dict[str, Recipe], *defaults: str) -> tuple[PythonSpec, ...]:
    return load_pythons(Table(tomllib.loads(text), Path("p.toml")), recipes, defaults)


@pytest.mark.parametrize(
    ("entry", "tags", "headers", "limited_api", "free_threaded"),
    [
        ("cp312", "cp312-cp312", "cpython-3.12", False, False),
        ("cp312-cp312", "cp312-cp312", "cpython-3.12", False, False),
        ("3.12", "cp312-cp312", "cpython-3.12", False, False),
        ("3.14t", "cp314-cp314t", "cpython-3.14t", False, True),
        ("3.13-abi3", "cp313-abi3", "cpython", True, False),
        ("cp314t", "cp314-cp314t", "cpython-3.14t", False, True),
        ("cp314-cp314t", "cp314-cp314t", "cpython-3.14t", False, True),
        ("cp39-abi3", "cp39-abi3", "cpython", True, False),
        ("cp313-abi3", "cp313-abi3", "cpython", True, False),
        ("cp314-abi3", "cp314-abi3", "cpython-3.14", True, False),
        ("cp315-abi3.abi3t", "cp315-abi3.abi3t", "cpython-abi3t", True, False),
    ],
)
def test_a_short_entry_names_tags_headers_and_api(
    recipes: dict[str, Recipe], entry: str, tags: str, headers: str, limited_api: bool, free_threaded: bool
) -> None:
    tag, _, abi = tags.partition("-")
    spec = PythonSpec(headers=headers, tag=tag, abi=abi, limited_api=limited_api, free_threaded=free_threaded)
    assert _load(f'python = ["{entry}"]', recipes) == (spec,)
    assert _load(f'python = {{ tag = "{entry}" }}', recipes) == (spec,)


def test_texts_and_tables_mix_and_a_table_adds_systems_and_headers(recipes: dict[str, Recipe]) -> None:
    first, second, third = _load(
        'python = ["cp311-abi3", { tag = "cp314t", os = ["linux"] }, { headers = "mine", tag = "cp312", abi = "cp312" }]',
        recipes,
    )
    assert (first.headers, first.systems) == ("cpython", ("linux", "darwin", "windows"))
    assert (second.headers, second.systems, second.free_threaded) == ("cpython-3.14t", ("linux",), True)
    assert (third.headers, third.tag, third.abi) == ("mine", "cp312", "cp312")


def test_the_defaults_serve_only_a_project_without_the_key(recipes: dict[str, Recipe]) -> None:
    assert [spec.tag for spec in _load("", recipes, "cp311", "cp312")] == ["cp311", "cp312"]
    assert [spec.tag for spec in _load('python = ["cp314"]', recipes, "cp311", "cp312")] == ["cp314"]


@pytest.mark.parametrize(
    ("entries", "message", "hint"),
    [
        (
            '["cp310"]',
            "p.toml: 'python' names cp310-cp310, but there is no recipe 'cpython-3.10' with its headers",
            "there are headers of: cp39, cp311, cp312, cp314, cp314t; `headers` of a table names another recipe",
        ),
        (
            '["2.7"]',
            "p.toml: 'python' must be the tag of a CPython",
            "such as `cp312`, `cp314t`, `cp311-abi3` or `cp315-abi3.abi3t`",
        ),
        (
            '["pp311"]',
            "p.toml: 'python' names 'pp311', a PyPy",
            "wheels are built for CPython; such as `cp312`, `cp314t`, `cp311-abi3` or `cp315-abi3.abi3t`",
        ),
        (
            '["cp312-cp313"]',
            "p.toml: 'abi' is 'cp313' but 'tag' is 'cp312'",
            "name the same Python in both",
        ),
        (
            '["cp314-abi3.abi3t"]',
            "p.toml: cp314-abi3.abi3t does not exist",
            "the stable ABI without the GIL begins with cp315 (PEP 803)",
        ),
        (
            '["cp312", { tag = "cp312-cp312" }]',
            "p.toml: 'python' names cp312-cp312 more than once",
            "remove one of them: each entry builds a separate wheel",
        ),
        ("[312]", "p.toml: 'python' must be an array of strings and tables", "put it between quotes"),
        ('"cp312"', "p.toml: 'python' must be an array, not a string", 'write `python = ["cp312"]`'),
        (
            '[{ tag = "cp312", system = "linux" }]',
            "p.toml: [[python]] 1: unknown key 'system'",
            "known keys: abi, headers, os, tag",
        ),
    ],
)
def test_an_entry_that_names_no_python_is_an_error(
    recipes: dict[str, Recipe], entries: str, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as raised:
        _load(f"python = {entries}", recipes)
    assert (str(raised.value), raised.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("requires", "expected"),
    [
        ("", ("cp311", "cp312", "cp314")),
        (">=3.8", ("cp311", "cp312", "cp314")),
        (">=3.12.4", ("cp312", "cp314")),
        (">=3.9,<3.14", ("cp311", "cp312")),
        (">=3.15", ()),
    ],
)
def test_the_default_is_every_supported_cpython_that_the_project_accepts(
    requires: str, expected: tuple[str, ...]
) -> None:
    assert default_pythons(requires, NAMES) == expected


def test_an_invalid_requirement_on_python_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"Invalid specifier: '3\.9!'"):
        default_pythons("3.9!", NAMES)
