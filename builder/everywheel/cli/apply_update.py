"""Updates of recipes: the new files are fetched, the library is built, and then recipe.toml is replaced."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from everywheel.cli.output import echo
from everywheel.cli.run_plan import exit_code, run_plan
from everywheel.config.project import Project
from everywheel.config.recipe import Linkage, Recipe
from everywheel.config.recipe_resolver import find_unsupported
from everywheel.errors import SourceError, UsageError
from everywheel.execution.files import translate_os_errors
from everywheel.pipeline import BuildOptions
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import finish_plan, plan_libraries
from everywheel.planning.steps import Step, StepKind
from everywheel.platforms.target import Target, parse_target
from everywheel.sources.cache import open_scratch
from everywheel.sources.locations import SourceLocations
from everywheel.sources.progress import ignore_progress
from everywheel.sources.recipe_file import FileChange, copy_recipe, replace_files, write_pins
from everywheel.sources.update import RecipeUpdate, describe_update
from everywheel.store.local import Store

_OTHER_TARGETS = ("manylinux2014_x86_64", "musllinux_1_2_x86_64", "win_amd64", "macosx_11_0_arm64")
"""Targets for a recipe that cannot be built for any chosen one; the first that it supports is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateOptions:
    """How updates are applied: the targets to build for, and the folder for changelog fragments."""

    dry_run: bool
    targets: tuple[Target, ...]
    jobs: int
    changes: Path | None
    locations: SourceLocations


def apply_update(
    update: RecipeUpdate, project: Project | None, store: Store, options: UpdateOptions
) -> tuple[Project | None, int]:
    """Fetch, build and write one update; return the project with the new recipe and the exit code."""
    recipe = update.recipe
    try:
        changes = write_pins(update, store.root, options.locations, ignore_progress)
    except SourceError as error:
        echo(error.render(), err=True)
        echo(f"{recipe.name}: not updated, since {update.version} is not available; the recipe is as it was", err=True)
        return project, error.exit_code
    with open_scratch(store.root) as folder:
        copy = copy_recipe(recipe, changes, folder)
        changed = (
            None if project is None else dataclasses.replace(project, recipes={**project.recipes, recipe.name: copy})
        )
        status = 0 if changed is None else _build(changed, recipe.name, store, options)
        if options.dry_run or status:
            echo("".join(line for change in changes for line in _make_diff(recipe, change)))
        if status:
            echo(f"{recipe.name}: not updated, since {update.version} was not built; the recipe is as it was", err=True)
            echo(
                "  hint: `--no-build` writes the new pins, if the rest of the recipe must be changed by hand", err=True
            )
            return project, status
        if not options.dry_run:
            replace_files(recipe, changes)
            _write_fragment(update, options.changes)
    if project is None:
        return None, 0
    own = dataclasses.replace(copy, directory=recipe.directory)
    return dataclasses.replace(project, recipes={**project.recipes, recipe.name: own}), 0


def _build(project: Project, name: str, store: Store, options: UpdateOptions) -> int:
    """Build a library with its requirements for the targets, and return the exit code; the caller updates other recipes."""
    steps: dict[str, Step] = {}
    try:
        for target in _choose_targets(project, name, options.targets):
            steps |= plan_libraries(project, target, [name], find_identities())
    except UsageError as error:  # such as a requirement that cannot be built for the target
        echo(error.render(), err=True)
        return error.exit_code
    plan = finish_plan(steps)
    needed = tuple(id for id, step in plan.libraries.items() if step.kind is StepKind.LIBRARY)
    return exit_code(
        run_plan(plan, project, store, BuildOptions(jobs=options.jobs, results=needed, locations=options.locations))
    )


def _choose_targets(project: Project, name: str, targets: tuple[Target, ...]) -> tuple[Target, ...]:
    """Return the targets that a recipe supports, else another one; the plan reports a recipe that supports none of them."""
    reasons = {target: _find_reason(project, name, target) for target in targets}
    for target, reason in reasons.items():
        if reason:
            echo(f"{name}: not built for {target.tag}: {reason}", err=True)
    if supported := tuple(target for target, reason in reasons.items() if not reason):
        return supported
    others = (target for target in map(parse_target, _OTHER_TARGETS) if not _find_reason(project, name, target))
    if other := next(others, None):
        echo(f"{name}: built for {other.tag} instead; `-t` names another target", err=True)
        return (other,)
    return targets


def _find_reason(project: Project, name: str, target: Target) -> str:
    """Return why a recipe cannot be built for a target as the project links it, or an empty text."""
    linkage = Linkage.SHARED if name in project.for_target(target).shared else Linkage.STATIC
    return find_unsupported(project.recipes[name], target, linkage)


def _make_diff(recipe: Recipe, change: FileChange) -> Iterator[str]:
    name = f"{recipe.name}/{change.name}"
    old, new = change.old.splitlines(keepends=True), change.new.splitlines(keepends=True)
    return difflib.unified_diff(old, new, name, name, n=1)


def _write_fragment(update: RecipeUpdate, folder: Path | None) -> None:
    if folder is None:
        return
    kind = "security" if update.fixes else "changed"
    with translate_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"+{update.recipe.name}-{update.version}.{kind}.md"
        path.write_text(f"{describe_update(update)}\n", encoding="utf-8")
