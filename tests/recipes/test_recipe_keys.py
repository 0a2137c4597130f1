"""docs/recipe-keys.md: each example is in the recipe that the page names, and no key of the collection is missing."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| `([^`]+)` \| `([^`]+)` \| (\S+) \|",
    (ROOT / "docs" / "recipe-keys.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)
TABLES = ("build", "features", "overrides", "products", "source")
"""Tables whose keys have rows of their own; other tables and lists of tables have one row."""


def list_keys(recipe: dict[str, Any]) -> Iterator[str]:
    for name, value in recipe.items():
        if name not in TABLES:
            yield name
        elif name == "features":
            yield from (f"features.<name>.{key}" for feature in value.values() for key in feature)
        elif name == "overrides":
            yield from (f"overrides.{key}" for override in value for key in override)
        else:
            yield from (f"{name}.{key}" for key in value)


@pytest.mark.parametrize(("key", "example", "name"), ROWS, ids=lambda value: value[:40])
def test_an_example_is_in_its_recipe(key: str, example: str, name: str) -> None:
    text = (ROOT / "recipes" / name / "recipe.toml").read_text(encoding="utf-8")

    assert example in text
    assert key.partition(".patch")[0].partition(".omit")[0] in {*list_keys(tomllib.loads(text)), "source"}


def test_every_key_of_the_collection_has_an_example() -> None:
    used = {key for path in ROOT.glob("recipes/*/recipe.toml") for key in list_keys(tomllib.loads(path.read_text()))}
    shown = {key for key, example, name in ROWS}

    # Patches of archives have rows of their own; those that are files have the keys of an archive.
    missing = used - shown - {"source.patch-archives", "source.patches"}
    described = (ROOT / "docs" / "recipe-keys.md").read_text(encoding="utf-8").partition("| key")[0]
    assert [key for key in sorted(missing) if f"`{key.rpartition('.')[2]}`" not in described] == []
