"""The recipes whose sources a command works on: those of the project's plan, or named ones with their requirements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from everywheel.cli.run_plan import choose_targets, list_target_set
from everywheel.config.collection import choose_recipe, is_own, load_available_recipes
from everywheel.config.project import DEFAULT_TARGETS
from everywheel.config.recipe import Linkage, Recipe, ResolvedRecipe
from everywheel.config.recipe_resolver import find_unsupported, resolve_recipe
from everywheel.config.settings_file import find_settings, has_project
from everywheel.config.source_settings import SourceSettings, load_source_settings
from everywheel.pipeline import plan_targets
from everywheel.planning.graph import transitive_closure
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import finish_plan, plan_libraries
from everywheel.planning.steps import LibraryStep
from everywheel.platforms.target import parse_target
from everywheel.recognition.project_loader import load_project


def select_recipes(
    root: Path, names: Sequence[str], tags: Sequence[str], target_set: str
) -> tuple[Recipe | ResolvedRecipe, ...]:
    """Return every recipe of the project's plan for the given targets, or the named ones with all that they require.

    Without tags, the targets are those of a target set. Names of built-in recipes need no project. Raises UsageError for an
    unknown name, and without a project and a name.
    """
    if names and not has_project(root):
        return _select_built_in(names, tags or DEFAULT_TARGETS, load_available_recipes(root))
    project = load_project(root)
    check_names(names, project.recipes)
    targets = choose_targets(project, tags or list_target_set(project, target_set))
    if not names:
        return plan_targets(project, targets).recipes
    steps: dict[str, LibraryStep] = {}
    for target in targets:
        steps |= plan_libraries(project, target, names, find_identities())
    return finish_plan(steps).recipes


def find_source_settings(root: Path) -> SourceSettings:
    """Return the locations in the settings of the project in a folder; none without a project."""
    if not has_project(root):
        return SourceSettings()
    settings = find_settings(root)
    return load_source_settings(settings.table, settings.folder)


def list_checked_recipes(root: Path, names: Sequence[str]) -> tuple[Recipe | ResolvedRecipe, ...]:
    """Return the named recipes; without names its own and those of the project's plans; without a project, all built-in ones.

    Raises UsageError for an unknown name.
    """
    recipes = load_available_recipes(root)
    check_names(names, recipes)
    if names or not has_project(root):
        return tuple(recipes[name] for name in names or recipes)
    project = load_project(root)
    used = {recipe.name for recipe in plan_targets(project, project.every_target).recipes}
    return tuple(recipe for name, recipe in recipes.items() if name in used or is_own(recipe, project.root))


def check_names(names: Sequence[str], recipes: Mapping[str, Recipe]) -> None:
    """Raise UsageError for a name that no recipe has."""
    for name in names:
        choose_recipe(name, recipes)


def _select_built_in(names: Sequence[str], tags: Sequence[str], recipes: Mapping[str, Recipe]) -> tuple[Recipe, ...]:
    """Return built-in recipes with all that they require for some target with every feature, sorted by name."""
    check_names(names, recipes)
    targets = [parse_target(tag) for tag in tags]

    def list_requirements(name: str) -> tuple[str, ...]:
        recipe = recipes[name]
        supported = [target for target in targets if not find_unsupported(recipe, target, Linkage.STATIC)]
        resolved = [resolve_recipe(recipe, t, linkage=Linkage.STATIC, features=recipe.features) for t in supported]
        return tuple(requirement for r in resolved for requirement in (*r.requires, *r.build_requires))

    return tuple(recipes[name] for name in sorted(transitive_closure(names, list_requirements)))
