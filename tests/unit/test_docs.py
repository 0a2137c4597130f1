"""The documents name everything that a user can type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from everywheel.cli.main import main

ROOT = Path(__file__).parents[2]


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            sub = command.get_command(context, name)
            assert sub is not None
            yield from walk(sub, (*path, name))
    else:
        yield path, command


COMMANDS = dict(walk(main))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_command_page_names_every_command(path: tuple[str, ...]) -> None:
    page = (ROOT / "docs" / "commands.md").read_text()

    rows = [line for line in page.splitlines() if line.startswith("| `everywheel") and path[0] in line]

    assert any(f"{path[-1]}" in row for row in rows)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_shows_an_example_of_itself(path: tuple[str, ...]) -> None:
    words = COMMANDS[path].help or ""

    assert f"Example: everywheel {' '.join(path)}" in words


def keys_read_by(module: str) -> set[str]:
    source = (ROOT / "builder" / "everywheel" / module).read_text()
    return set(re.findall(r'\.(?:text|texts|flag|table|tables|scalars|text_map|text_lists)\(\s*"([a-z0-9-]+)"', source))


OTHERS = {"build-system", "project"}  # tables of the extension's pyproject.toml that others describe


@pytest.mark.parametrize(
    "key", sorted((keys_read_by("config/recipe_loader.py") | keys_read_by("config/project.py")) - OTHERS)
)
def test_the_reference_describes_every_key(key: str) -> None:
    reference = (ROOT / "docs" / "recipes.md").read_text()

    assert re.search(rf"[`\[. ]{re.escape(key)}[`\].]", reference)


@pytest.mark.parametrize("key", sorted(keys_read_by("containers/catalog.py")))
def test_the_reference_describes_every_key_of_an_image(key: str) -> None:
    reference = "".join((ROOT / "docs" / name).read_text() for name in ("smoke.md", "containers.md"))

    assert re.search(rf"[`\[. {{]{re.escape(key)}[`\]. ]", reference)
