"""Build recipes of the collection for several targets, and print a table of what was built, what was run, and the sizes.

`nox -s recipes -- --build libtiff dav1d` builds these; `--build` without names builds the whole collection, which takes hours.
`--write` adds the results to those of docs/collection.md, `--output FILE` writes them to a file, and `--merge FILE` adds those
of such files: jobs that build for a target each need no common checkout. `--tracker` counts open vulnerabilities as well,
without `--build` those of the libraries in the table. A library is built shared and static, or with the `--linkage` that is
named, with all of its features. The exit code is 1 if a library was not built.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from check_elsewhere import find_runner, list_packages, run_check
from collection_page import (
    FURTHER,
    LINKAGES,
    TARGETS,
    RecipeResult,
    TargetResult,
    is_listed,
    is_supported,
    merge_results,
    read_results,
    render_table,
    write_results,
)
from everywheel.cli.run_plan import STEPS_ARE_KEPT, run_plan
from everywheel.config.project import Project, load_project
from everywheel.config.recipe import Linkage, Recipe
from everywheel.config.recipe_loader import load_recipes
from everywheel.config.recipe_resolver import find_unsupported
from everywheel.execution.jobserver import default_jobs
from everywheel.execution.scheduler import Outcome
from everywheel.libraries.features import can_run
from everywheel.pipeline import BuildOptions
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import finish_plan, plan_libraries
from everywheel.planning.steps import LibraryStep, Plan, StepKind
from everywheel.platforms.target import Target, parse_target
from everywheel.sources.distro.apt_archives import Archive
from everywheel.sources.outdated import FindingKind, find_outdated
from everywheel.store.local import Store, default_store

ROOT = Path(__file__).parents[2]
WEEK = 7 * 24 * 60 * 60  # seconds


def main() -> int:
    args = parse_arguments()
    project = load_project(ROOT)
    recipes = load_recipes([ROOT / "recipes"])
    if unknown := set(args.names) - set(recipes):
        sys.exit(f"no recipe: {', '.join(sorted(unknown))}")
    listed = rotate([recipe for recipe in recipes.values() if is_listed(recipe)], weeks=int(time.time() // WEEK))
    chosen = [recipe for recipe in recipes.values() if recipe.name in args.names] if args.names else listed
    store = Store(default_store())
    vulnerabilities = count_vulnerabilities(chosen, store, args.tracker) if args.tracker else {}
    if args.build:
        return build_all(chosen, project, vulnerabilities, store, args)
    if args.github_output:
        with args.github_output.open("a", encoding="utf-8") as file:
            file.write(f"matrix={json.dumps(list_jobs())}\n")
        return 0
    if args.output:
        counted = {
            recipe.name: RecipeResult(version=recipe.version, vulnerabilities=vulnerabilities.get(recipe.name))
            for recipe in chosen
        }
        write_output(counted, list(recipes.values()), args.output)
        return 0
    results = read_results()
    for path in args.merge:
        for name, result in read_results(path).items():
            results[name] = merge_results(results.get(name), result)
    for name in results.keys() & vulnerabilities.keys():
        results[name] = dataclasses.replace(results[name], vulnerabilities=vulnerabilities[name])
    if args.write:
        write_results(results, list(recipes.values()))
    print(render_table(results, list(recipes.values())))
    return 0


def build_all(
    chosen: Sequence[Recipe],
    project: Project,
    vulnerabilities: Mapping[str, int],
    store: Store,
    args: argparse.Namespace,
) -> int:
    """Build recipes, and write the results after each: a run may be ended by a time limit. Return the exit code."""
    recipes, current = list(load_recipes([ROOT / "recipes"]).values()), dict[str, RecipeResult]()
    for recipe in chosen:
        result = build_recipe(recipe, project, args.target, args.linkage, store)
        current[recipe.name] = dataclasses.replace(result, vulnerabilities=vulnerabilities.get(recipe.name))
        if args.output:
            write_output(current, recipes, args.output)
        if args.write:
            with store.lock("collection-page"):  # another run may write, too
                results = read_results()
                results[recipe.name] = merge_results(results.get(recipe.name), current[recipe.name])
                write_results(results, recipes)
    print(render_table(current, chosen))
    return 1 if any(target.error for result in current.values() for target in result.targets.values()) else 0


def write_output(results: Mapping[str, RecipeResult], recipes: Sequence[Recipe], path: Path) -> None:
    """Write the results of this run to a file for --merge, whose folder need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_results(results, recipes, path)


def list_jobs() -> list[dict[str, str]]:
    """Return the matrix of .github/workflows/collection.yml: a job for each target of the table."""
    jobs = []
    for number, tag in enumerate((*TARGETS, *FURTHER)):
        packages = list_packages(parse_target(tag))
        foreign = {package.partition(":")[2] for package in packages} - {""}
        job = {"name": f"results-{tag}", "index": str(number), "target": tag, "packages": " ".join(packages)}
        jobs.append({**job, "foreign": " ".join(foreign)})
    return jobs


def rotate(recipes: Sequence[Recipe], *, weeks: int) -> Sequence[Recipe]:
    """Return the recipes with another quarter of them first each week: a run may end at a time limit before the last ones."""
    first = len(recipes) * (weeks % 4) // 4
    return [*recipes[first:], *recipes[:first]]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", action="store_true", help="build; without it, print the recorded table")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these recipes [all libraries]")
    parser.add_argument("-t", "--target", action="append", help="only this target; repeatable [six targets]")
    parser.add_argument(
        "--linkage", action="append", type=Linkage, choices=LINKAGES, help="only this linkage; repeatable [both]"
    )
    parser.add_argument(
        "--tracker", default="", metavar="FILE|URL", help="Debian's security tracker in JSON, or a copy"
    )
    parser.add_argument("--write", action="store_true", help="write the results to docs/collection.md and its data")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the results to a file for --merge")
    parser.add_argument(
        "--github-output", type=Path, metavar="FILE", help="write the jobs of the weekly workflow, one for each target"
    )
    parser.add_argument("--merge", type=Path, nargs="+", default=(), metavar="FILE", help="add the results of files")
    args = parser.parse_args()
    if args.build and args.merge:
        parser.error("--merge adds results without --build")
    args.target = args.target or list(TARGETS)
    args.linkage = args.linkage or LINKAGES
    return args


def build_recipe(
    recipe: Recipe, project: Project, tags: Sequence[str], linkages: Sequence[Linkage], store: Store
) -> RecipeResult:
    """Build one library for each target with each linkage; a failure is part of the result."""
    results = {}
    for tag in tags:
        if not is_supported(recipe, tag):
            continue
        print(f"{recipe.name} {recipe.version}: {tag}", flush=True)
        results[tag] = build_for_target(recipe, project, parse_target(tag), linkages, store)
    return RecipeResult(version=recipe.version, targets=results)


def build_for_target(
    recipe: Recipe, project: Project, target: Target, linkages: Sequence[Linkage], store: Store
) -> TargetResult:
    """Build a library with its requirements; only its own steps are measured."""
    seconds, sizes, error, run = 0.0, dict[Linkage, int](), "", list[Linkage]()
    for linkage in [linkage for linkage in linkages if not find_unsupported(recipe, target, linkage)]:
        plan, step, outcome = build_library(recipe, project, target, linkage, store)
        if isinstance(outcome, str):
            error = outcome
            continue
        seconds += outcome
        sizes[linkage] = measure(step, store)
        if is_used(step, plan, store):
            run.append(linkage)
    return TargetResult(
        seconds=round(seconds, 1),
        shared=sizes.get(Linkage.SHARED, 0),
        static=sizes.get(Linkage.STATIC, 0),
        run=tuple(run),
        error=error,
    )


def build_library(
    recipe: Recipe, project: Project, target: Target, linkage: Linkage, store: Store
) -> tuple[Plan, LibraryStep, float | str]:
    """Build a library with all of its features; return the plan, its step, and its seconds, which are 0 if the store
    had it, or the error.
    """
    features = {**project.features, recipe.name: tuple(recipe.features)}
    shared = (recipe.name,) if linkage is Linkage.SHARED else ()
    settings = dataclasses.replace(project.target_settings, shared=shared)
    project = dataclasses.replace(
        project, linkage=Linkage.SHARED, target_settings=settings, overrides=(), features=features
    )
    plan = finish_plan(plan_libraries(project, target, [recipe.name], find_identities()))
    needed = tuple(id for id, step in plan.libraries.items() if step.kind is StepKind.LIBRARY)
    step = next(s for s in plan.libraries.values() if s.name == recipe.name and s.kind is StepKind.LIBRARY)
    results = run_plan(plan, project, store, BuildOptions(jobs=default_jobs(), results=needed))
    own = [result for result in results if result.id == step.id]
    for result in results:
        if result.error is not None:
            return plan, step, str(result.error).splitlines()[0]
    return plan, step, own[0].seconds if own and own[0].outcome is Outcome.DONE else 0.0


def is_used(step: LibraryStep, plan: Plan, store: Store) -> bool:
    """Return whether the check program of a recipe has used the library: during the build, or now under Wine or in QEMU."""
    if step.recipe.check is None or not step.recipe.products.provides:
        return False
    if can_run(step.target):
        return True
    if find_runner(step.target, step.recipe.linkage) is None:
        return False
    output = run_check(step, plan, store)
    if output is not None:
        print(f"{step.label}: the check program did not run: {output.strip() or 'no output'}", flush=True)
    return output is None


def measure(step: LibraryStep, store: Store) -> int:
    """Return the size in bytes of a library's own files: shared libraries, or archives."""
    products = step.recipe.products.libraries
    names = {*products, *(f"lib{name}" for name in products)}
    with tempfile.TemporaryDirectory(prefix="everywheel-recipes-") as folder:
        store.unpack(step.key, Path(folder))
        files = [path for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink()]
        return sum(path.stat().st_size for path in files if find_stem(path.name) in names)


def find_stem(name: str) -> str:
    """Return the name of a library: `libfoo` of `libfoo.so.1.2`, `libfoo.1.dylib` and `libfoo.a`, `foo` of `foo-1.dll`.

    An import library (`libfoo.dll.a`) is none.
    """
    match = re.fullmatch(
        r"(.+?)(?:\.so(?:\.[0-9.]+)?|(?:\.[0-9.]+)?\.dylib|(?:-[0-9.]+)?\.dll|(?<!\.dll)\.(?:a|lib))", name
    )
    return match[1] if match else ""


def count_vulnerabilities(
    recipes: Sequence[Recipe], store: Store, tracker: str, archives: tuple[Archive, ...] | None = None
) -> dict[str, int]:
    """Return the number of open vulnerabilities that count, by recipe; those without a source package are left out."""
    findings = find_outdated(recipes, store.root, tracker, archives)
    counted = [finding.recipe for finding in findings if finding.kind is FindingKind.VULNERABILITY and finding.counts]
    return {recipe.name: counted.count(recipe.name) for recipe in recipes if recipe.source.debian is not None}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print(f"interrupted: {STEPS_ARE_KEPT}", file=sys.stderr)
        sys.exit(130)
