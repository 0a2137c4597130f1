"""Measure planning as work grows: 10, 100 and 1,000 synthetic recipes on 1, 5 and 20 targets; prints time and memory.

    nox -s bench -- planning                  all
    nox -s bench -- planning --profile        the functions that take the most time, for the largest plan

Recipes are copies of one real recipe in ten layers; each requires up to three of the layer below, and the extension all.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import random
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

from everywheel.config.project import Project, load_project
from everywheel.planning.plan import make_plan
from everywheel.planning.step_keys import Identities
from everywheel.platforms.target import Target, parse_target

ROOT = Path(__file__).parents[2]
IDENTITIES = Identities(artifacts="a", toolchain="t", packaging="p")
LAYERS, MOST_REQUIREMENTS = 10, 3
RECIPES, TARGETS = (10, 100, 1000), (1, 5, 20)


def make_project(count: int) -> Project:
    """Return the project in this repository with `count` synthetic recipes instead of its own requirements."""
    project, generator = load_project(ROOT), random.Random(1)
    width = max(1, count // LAYERS)
    names = [f"lib{number:04}" for number in range(count)]
    recipes = dict(project.recipes)
    for number, name in enumerate(names):
        below = names[max(0, (number // width - 1) * width) : number // width * width]
        requires = generator.sample(below, min(len(below), generator.randint(1, MOST_REQUIREMENTS)))
        recipes[name] = replace(project.recipes["libpng"], name=name, requires=tuple(requires))
    settings = replace(project.target_settings, requires=tuple(names), shared=())
    return replace(project, recipes=recipes, target_settings=settings, features={}, pythons=project.pythons[:1])


def make_targets(project: Project, count: int) -> tuple[Target, ...]:
    """Return the project's targets, and further ones with newer glibc floors."""
    further = (parse_target(f"manylinux_2_{minor}_x86_64") for minor in range(28, 45))
    return tuple(dict.fromkeys((*project.every_target, *further)))[:count]


def measure(recipes: int, targets: int) -> None:
    """Print the time and the memory of one plan; the memory is measured in a second run, since that slows it down."""
    project = make_project(recipes)
    chosen = make_targets(project, targets)
    began = time.perf_counter()
    steps = len(make_plan(project, chosen, IDENTITIES).steps)
    seconds = time.perf_counter() - began
    tracemalloc.start()
    result = make_plan(project, chosen, IDENTITIES)
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    del result
    each = seconds / steps * 1e6
    size = f"{recipes:5} recipes, {targets:2} targets: {steps:6} steps"
    print(f"{size}, {seconds:7.3f} s, {each:5.0f} µs a step, {memory / 1e6:6.1f} MB")


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", action="store_true")
    if parser.parse_args().profile:
        project = make_project(RECIPES[-1])
        targets = make_targets(project, TARGETS[-1])
        profile = cProfile.Profile()
        profile.runcall(make_plan, project, targets, IDENTITIES)
        pstats.Stats(profile).sort_stats("tottime").print_stats(20)
        return
    for recipes in RECIPES:
        for targets in TARGETS:
            measure(recipes, targets)


if __name__ == "__main__":
    main()
