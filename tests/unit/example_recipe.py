"""Texts of recipes without a fault; tests change what they are about."""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.config.recipe_loader import load_recipe
from everywheel.errors import UsageError

RECIPE = """
name = "libfoo"
version = "1.0"
license = { spdx = "MIT", files = ["LICENSE"] }
[source]
urls = ["https://example.org/foo-{version}.tar.gz"]
sha256 = "1111111111111111111111111111111111111111111111111111111111111111"
[build]
system = "headers"
headers = { "include" = "include/foo" }
[products]
libraries = ["foo"]
"""

FULL_RECIPE = """\
name = "libfoo"
version = "1.0"
license = { spdx = "MIT", files = ["LICENSE"] }
requires = ["zlib"]

[source]
urls = ["https://example.org/foo-{version}.tar.gz"]
sha256 = "1111111111111111111111111111111111111111111111111111111111111111"

[build]
system = "make"

[features.png]
enable = ["png"]

[products]
libraries = ["foo"]

[[overrides]]
when = { os = "linux" }
options = { LEVEL = "2" }

[[overrides]]
when = { libc = "musl" }
extend-enable = ["musl"]
"""


def load_changed(folder: Path, old: str, new: str) -> str:
    """Load the recipe with another text in it, which is an error; return its message without the path of the file."""
    assert old in FULL_RECIPE
    path = folder / "libfoo" / "recipe.toml"
    path.parent.mkdir()
    path.write_text(FULL_RECIPE.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(UsageError) as caught:
        load_recipe(path)

    start, message = f"error: {path}: ", caught.value.render()
    assert message.startswith(start)
    return message.removeprefix(start)
