"""The keys of recipes and of settings: each one is read, and an error about another one names the table that has it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from everywheel.config.known_keys import PROJECT_KEYS, RECIPE_KEYS
from everywheel.config.placeholders import fill_arguments
from everywheel.config.project import load_project
from everywheel.config.recipe_loader import load_recipe
from everywheel.errors import UsageError
from example_recipe import FULL_RECIPE

PROJECT = '[project]\nname = "demo"\nversion = "1"\n'
PATCHES = {"name": "a.patch", "sha256": "2" * 64, "urls": ["https://example.org/a.patch"]}
ARCHIVES = {
    "urls": ["https://example.org/foo.tar"],
    "sha256": "3" * 64,
    "omit": [{"file": "b.patch", "reason": "documentation only"}],
    "patches": [{"file": "a.patch", "sha256": "4" * 64}],
}
DEBIAN = {"package": "foo", "file": "foo.orig.tar.gz"}


def find_table(recipe: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the table of a recipe, the first one of an array."""
    table = recipe
    for part in filter(None, path.replace("*", "png").split(".")):
        value = table[part]
        table = value[0] if isinstance(value, list) else value
    return table


def write_toml(value: object) -> str:
    match value:
        case dict():
            return f"{{ {', '.join(f'{key} = {write_toml(item)}' for key, item in value.items())} }}"
        case list():
            return f"[{', '.join(map(write_toml, value))}]"
        case str():
            return f'"{value}"'
    return "1979-05-27"


@pytest.mark.parametrize(("table", "key"), [(table, key) for table, keys in RECIPE_KEYS.items() for key in keys])
def test_a_key_of_a_recipe_is_read(table: str, key: str, tmp_path: Path) -> None:
    recipe = tomllib.loads(FULL_RECIPE)
    recipe["source"] |= {"patches": [PATCHES.copy()], "patch-archives": [ARCHIVES.copy()], "debian": DEBIAN.copy()}
    for part in ("omit", "patches"):
        recipe["source"]["patch-archives"][0][part] = [ARCHIVES[part][0].copy()]  # type: ignore[attr-defined]
    find_table(recipe, table)[key] = None  # a date, which no key accepts
    path = tmp_path / "libfoo" / "recipe.toml"
    path.parent.mkdir()
    path.write_text("".join(f"{name} = {write_toml(value)}\n" for name, value in recipe.items()), encoding="utf-8")

    with pytest.raises(UsageError, match=rf"'{key}' must be .*, not a date$"):
        load_recipe(path)


@pytest.mark.parametrize(
    "key",
    [
        *(key for key in PROJECT_KEYS[""]),
        *(f"{table}.{key}" for table in ("smoke", "python", "overrides") for key in PROJECT_KEYS[table]),
    ],
)
def test_a_key_of_the_settings_is_read(key: str, tmp_path: Path) -> None:
    table, _, name = key.rpartition(".")
    first = {"overrides": 'when = { os = "linux" }\n', "python": 'tag = "cp311-abi3"\n'}.get(table, "")
    header = {"": "", "overrides": "[[overrides]]\n"}.get(table, f"[{table}]\n")
    first = "" if first.startswith(f"{name} ") else first
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "everywheel.toml").write_text(f"{header}{first}{name} = 1979-05-27\n")

    with pytest.raises(UsageError, match=rf"'{name}' must be .*, not a date$"):
        load_project(tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (
            "everywheel.toml",
            '[smoke]\nrequires = ["numpy"]\ntargets = ["manylinux2014_x86_64"]\n',
            "[smoke]: unknown key 'targets'\n"
            "  hint: `targets` belongs to the top of the file: move it above the first table",
        ),
        (
            "pyproject.toml",
            '[[tool.everywheel.overrides]]\nwhen = { os = "linux" }\n\n'
            '[[tool.everywheel.overrides]]\nwhen = { os = "darwin" }\nwheelhouse = "dist"\n',
            "[[tool.everywheel.overrides]] 2: unknown key 'wheelhouse'\n"
            "  hint: `wheelhouse` belongs to `[tool.everywheel]`: move it above the first table below that line",
        ),
        (
            "pyproject.toml",
            '[tool.everywheel]\nwhen = { os = "linux" }\n',
            "[tool.everywheel]: unknown key 'when'\n  hint: `when` belongs to `[[tool.everywheel.overrides]]`",
        ),
        ("everywheel.toml", "target = []\n", "unknown key 'target'\n  hint: did you mean 'targets'?"),
        (
            "everywheel.toml",
            '[python]\ntag = "cp312"\nos = ["macOS"]\n',
            "[python]: there is no system 'macOS'\n  hint: did you mean 'darwin'?",
        ),
        (
            "everywheel.toml",
            'environment = "A=1"\n',
            "'environment' must be a table, not a string\n"
            '  value: "A=1"\n'
            '  hint: write `environment = { NAME = "…" }`',
        ),
    ],
)
def test_an_error_in_the_settings_leads_to_the_key_that_is_meant(
    file: str, text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    with (tmp_path / file).open("a", encoding="utf-8") as output:
        output.write(text)

    with pytest.raises(UsageError) as caught:
        load_project(tmp_path)

    assert caught.value.render() == f"error: {tmp_path / file}: {message}"


def test_placeholders_are_filled_and_variables_of_shells_are_not() -> None:
    values = {"prefix": "/everywheel", "host": "aarch64-linux-gnu"}

    assert fill_arguments("{prefix}/lib:{host}", values) == "/everywheel/lib:aarch64-linux-gnu"
    assert fill_arguments("${prefix}/lib {a,b} {other}", values) == "${prefix}/lib {a,b} {other}"


@pytest.mark.parametrize(
    "build",
    [
        'system = "make"\ncompile = ["LIST=$(shell awk \'{print}\' x)"]',
        'system = "make"\nconfigure = ["sh", "-c", "sed s/{name}/x/ a"]',
        'system = "autotools"\noptions = { "with-extra-ldflags" = "-L{prefix}/lib" }',
        'system = "cmake"\noptions = { FORMAT = "{level}", HOME = "$ENV{HOME}" }',
    ],
)
def test_text_in_braces_that_resembles_no_placeholder_is_passed_on(tmp_path: Path, build: str) -> None:
    text = (Path(__file__).parents[2] / "recipes" / "zlib" / "recipe.toml").read_text()
    path = tmp_path / "zlib" / "recipe.toml"
    path.parent.mkdir()
    path.write_text(text.replace('system = "meson"', build))

    assert load_recipe(path).build.system == build.split('"')[1]
