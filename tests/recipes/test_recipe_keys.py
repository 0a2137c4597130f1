"""docs/recipe-keys.md: each example has the value of the recipe that the page names, and every key has an example."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from everywheel.config.recipe_loader import load_recipe
from everywheel.errors import UsageError

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| `([^`]+)` \| `([^`]+)` \| (\S*) *\|",
    (ROOT / "docs" / "recipe-keys.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)
FEATURE = "features.<name>"
# A recipe without optional keys, by its tables; those with rows of their own in the page.
TABLES = {
    "": 'name = "foo"\nversion = "1"\nlicense = { spdx = "MIT", files = ["LICENSE"] }\n',
    "source": f'[source]\nurls = ["https://example.org/foo-1.tar.gz"]\nsha256 = "{"0" * 64}"\n',
    "build": '[build]\nsystem = "meson"\n',
    FEATURE: "[features.bar]\n",
    "products": '[products]\nlibraries = ["foo"]\n',
    "overrides": '[[overrides]]\nwhen = { os = "linux" }\n',
}


def write_recipe(folder: Path, table: str, line: str) -> Path:
    """Write a recipe with one more line in a table."""
    folder = folder / "foo"
    folder.mkdir()
    (folder / "recipe.toml").write_text(
        "".join(f"{text}{line if name == table else ''}\n" for name, text in TABLES.items())
    )
    return folder / "recipe.toml"


def list_values(recipe: Any, names: list[str]) -> Iterator[Any]:
    """Yield the values of a key: those of every feature, and of every table in a list of them."""
    if isinstance(recipe, list):
        for item in recipe:
            yield from list_values(item, names)
    elif not names:
        yield recipe
    elif names[0] == "<name>":
        yield from list_values(list(recipe.values()), names[1:])
    elif names[0] in recipe and (len(names) > 1 or not isinstance(recipe[names[0]], list)):
        yield from list_values(recipe[names[0]], names[1:])
    elif names[0] in recipe:
        yield recipe[names[0]]


def parse_example(key: str, example: str) -> Any:
    """Return the value of an example; raise an error unless it is a whole value of the key."""
    (name, value), *others = tomllib.loads(example).items()
    assert (name, others) == (key.rpartition(".")[2], [])
    return value


def has_value(value: Any, example: Any) -> bool:
    """Return whether a value is that of an example, or a list of tables with those of the example."""
    if isinstance(example, list) and all(isinstance(item, dict) for item in example):
        return all(item in value for item in example)
    return bool(value == example)


@pytest.mark.parametrize(("key", "example", "name"), [row for row in ROWS if row[2]], ids=lambda value: value[:40])
def test_an_example_is_the_value_in_its_recipe(key: str, example: str, name: str) -> None:
    recipe = tomllib.loads((ROOT / "recipes" / name / "recipe.toml").read_text(encoding="utf-8"))

    assert any(has_value(value, parse_example(key, example)) for value in list_values(recipe, key.split(".")))


@pytest.mark.parametrize(("key", "example", "name"), [row for row in ROWS if not row[2]], ids=lambda value: value[:40])
def test_an_example_of_no_recipe_can_be_loaded(key: str, example: str, name: str, tmp_path: Path) -> None:
    recipes = [tomllib.loads(path.read_text(encoding="utf-8")) for path in ROOT.glob("recipes/*/recipe.toml")]
    value = parse_example(key, example)

    load_recipe(write_recipe(tmp_path, key.rpartition(".")[0], f"{example}\n"))

    assert value
    assert [other for recipe in recipes for other in list_values(recipe, key.split("."))] == []


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table or "top")
def test_every_key_that_a_table_accepts_has_an_example(table: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe(write_recipe(tmp_path, table, "zzz = 1\n"))

    known = (caught.value.hint or "").removeprefix("known keys: ").split(", ")
    shown = "\n".join(f"{key}." for key, example, name in ROWS)
    assert len(known) > 1
    assert [key for key in known if f"\n{table}{'.' if table else ''}{key}." not in f"\n{shown}"] == []
