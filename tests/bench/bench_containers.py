"""Measure one recipe for arm64, built by zig and in a build image under QEMU; prints both times and their ratio.

    nox -s bench -- containers

The recipe is libwebp's. Tools, sources and the image are prepared first and not measured; both builds use all jobs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.config.recipe_loader import load_recipe
from everywheel.store.local import default_store

sys.path.append(str(Path(__file__).parents[1] / "builds"))
from fixture_project import ROOT, FixtureProject, pack_python_headers

RECIPE = "libwebp"
TARGET = "manylinux_2_36_aarch64"


def main() -> None:
    with TemporaryDirectory(prefix="everywheel-bench-") as folder:
        python_headers = pack_python_headers(Path(folder))
        prepare(FixtureProject(Path(folder) / "prepared", python_headers))
        measured = FixtureProject(Path(folder) / "measured", python_headers)
        add_recipe(measured)
        report = json.loads(measured.run("build", "--json", "--target", TARGET)[0])
        zig = next(step["seconds"] for step in report["steps"] if step["id"].startswith(f"{RECIPE}:"))
        measured.run("build", "--engine", "container", "--target", TARGET)
        log = (measured.store / "logs" / f"container-{TARGET}.log").read_text()
    match = re.search(rf"\] {RECIPE} \S+ for {TARGET}: done in (?:(\d+):)?([\d.]+)", log)
    assert match is not None, log
    container = 60 * int(match[1] or 0) + float(match[2])
    print(
        f"{RECIPE} for {TARGET} with {os.cpu_count()} jobs: zig {zig:.0f} s, build image through QEMU {container:.0f} s, "
        f"{container / zig:.1f} times as long"
    )


def prepare(project: FixtureProject) -> None:
    """Build the project without the recipe: this adds tools, image and payload to the directories that all stores share."""
    project.build("--target", TARGET)
    project.build("--engine", "container", "--target", TARGET)


def add_recipe(project: FixtureProject) -> None:
    """Add the recipe to the project, and its source to the store."""
    shutil.copytree(ROOT / "recipes" / RECIPE, project.root / "recipes" / RECIPE)
    project.replace("pyproject.toml", 'requires = ["libfoo"]', f'requires = ["libfoo", "{RECIPE}"]')
    source = load_recipe(ROOT / "recipes" / RECIPE / "recipe.toml").source.sha256
    (project.store / "sources").mkdir()
    os.link(default_store() / "sources" / source, project.store / "sources" / source)
    # With the compiler's cache of an earlier build, the cache would be measured instead of the compiler.
    (project.store / "zig").unlink()


if __name__ == "__main__":
    main()
