"""Command group `recipes`: list, show, check and update recipes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click

from everywheel.cli.options import json_option, target_option
from everywheel.cli.output import echo
from everywheel.cli.project_source import find_recipe_project
from everywheel.cli.recipe_listing import describe_recipe, has_text, print_recipes
from everywheel.cli.recipe_review import review_recipes
from everywheel.cli.recipe_trial import check_products_of, trial_options
from everywheel.cli.recipe_updates import outdated_command, update_command
from everywheel.cli.recipes_new import new_command
from everywheel.cli.recipes_try import try_command
from everywheel.cli.run_plan import choose_targets
from everywheel.cli.store_lease import open_store
from everywheel.config.collection import (
    choose_recipe,
    find_recipe_folders,
    find_unread_recipes,
    is_own,
    load_available_recipes,
    load_collections,
    name_collection,
)
from everywheel.config.project import Project, load_project
from everywheel.config.recipe import Linkage, Recipe
from everywheel.config.recipe_folders import list_folders_without_recipe
from everywheel.config.recipe_resolver import find_unsupported, resolve_recipe
from everywheel.config.settings_file import has_project
from everywheel.errors import NothingSelectedError, UsageError, count_noun, find_page
from everywheel.pipeline import BuildOptions, plan_targets
from everywheel.planning.keys import find_identities
from everywheel.planning.library_planner import LibraryPlanner
from everywheel.planning.plan import plan_libraries
from everywheel.planning.step_keys import Identities
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.target import Target, base_target, build_machine_target, parse_target

_LINKAGES = (Linkage.SHARED, Linkage.STATIC)


@click.group("recipes", short_help="List, show, check and update recipes.")
def recipes_group() -> None:
    """Work with the project's recipes.

    Example: everywheel recipes show libvips
    """


@recipes_group.command("list", short_help="List all recipes.")
@json_option
@click.pass_obj
def list_command(root: Path, as_json: bool) -> None:
    """List the project's own recipes and the built-in ones; outside of a project, the built-in ones.

    Example: everywheel recipes list --json
    """
    print_recipes(load_available_recipes(root).values(), as_json)


@recipes_group.command("search", short_help="Search the recipes.")
@click.argument("terms", nargs=-1, required=True, metavar="WORD...")
@json_option
@click.pass_obj
def search_command(root: Path, terms: tuple[str, ...], as_json: bool) -> None:
    """List the recipes in which every word occurs: in the name, the summary, a feature, or the name of a package or a file.

    Words may be names of pkg-config files (yaml-0.1), libraries (libxml2), headers (yaml.h) or source packages of Debian.

    Example: everywheel recipes search xml
    """
    recipes = load_available_recipes(root)
    matching = [recipe for recipe in recipes.values() if all(has_text(recipe, term) for term in terms)]
    if not matching and not as_json:
        raise NothingSelectedError(
            f"no recipe matches '{' '.join(terms)}'",
            hint=f"`everywheel recipes list` lists all of them; {find_page('recipes.md')} describes how to write one",
        )
    print_recipes(matching, as_json)


@recipes_group.command("show", short_help="Show one recipe.")
@click.argument("name")
@json_option
@click.pass_obj
def show_command(root: Path, name: str, as_json: bool) -> None:
    """Show one recipe: source, patches, requirements, features, products. With --json, show every key.

    Example: everywheel recipes show glib
    """
    recipe = choose_recipe(name, load_available_recipes(root))
    if as_json:
        document = {**asdict(recipe), "collection": name_collection(recipe)}
        echo(json.dumps(document, indent=1, default=str))
        return
    for label, value in describe_recipe(recipe).items():
        if value:
            echo(f"{label + ':':<16}{value}")


@recipes_group.command("check", short_help="Review every recipe, and plan every architecture.")
@target_option
@click.option(
    "--build",
    "names",
    multiple=True,
    metavar="RECIPE",
    help="Also build it, static and shared, and check its products.",
)
@trial_options
@click.pass_context
def check_command(ctx: click.Context, targets: tuple[str, ...], names: tuple[str, ...], options: BuildOptions) -> None:
    """Load and review every recipe, and plan the project for every architecture and libc. Only --build builds anything.

    Recipes that the project does not require are planned as well, its own ones also with each profile and with all
    features. The review finds what a build would find late or never: files that are not used, promises that nothing checks,
    exports of everything, downloads, files outside of the prefix or of two recipes.

    Example: everywheel recipes check
    """
    root: Path = ctx.obj
    if unread := find_unread_recipes(root):
        raise UsageError(unread[0], hint=unread[1])
    recipes = load_available_recipes(root)
    chosen = [choose_recipe(name, recipes) for name in dict.fromkeys(names)]
    if has_project(root):
        _check_project(root, targets)
    else:
        _check_built_in(tuple(parse_target(tag) for tag in targets) or _list_base_targets())
    if chosen:
        project = load_project(find_recipe_project(ctx, root, has_recipes=True))
        tags = targets or (build_machine_target().tag,)
        ctx.exit(check_products_of(chosen, project, choose_targets(project, tags), open_store(), options))


def _check_project(root: Path, targets: tuple[str, ...]) -> None:
    project = load_project(root)
    chosen = choose_targets(project, targets) if targets else _list_base_targets()
    steps = len(plan_targets(project, chosen).steps)
    identities = find_identities()
    every = tuple(dict.fromkeys((*chosen, *project.every_target)))
    for target in every:
        plan_libraries(project, target, _list_supported(project, target), identities)
    _plan_features(project, every, identities)
    _review(project.recipes, find_recipe_folders(root))
    valid = count_noun(len(project.recipes), "recipe is", "recipes are")
    echo(f"{valid} valid: {count_noun(steps, 'step')} on {count_noun(len(chosen), 'target')}")


def _plan_features(project: Project, targets: Sequence[Target], identities: Identities) -> None:
    """Plan each recipe of the project without features, with each profile and with all features, if it has any."""
    supported = {target: frozenset(_list_supported(project, target)) for target in targets}
    for recipe in project.recipes.values():
        if not is_own(recipe, project.root):
            continue
        for features in dict.fromkeys(((), *recipe.profiles.values(), tuple(recipe.features))):
            if features == tuple(project.features.get(recipe.name, ())):
                continue  # is already planned
            selection = replace(project, features={**project.features, recipe.name: features})
            planner = LibraryPlanner(selection, identities)
            needed = {recipe.name, *(name for feature in features for name in recipe.features[feature].requires)}
            for target in (target for target in targets if needed <= supported[target]):
                planner.plan(target, (recipe.name,))


def _review(recipes: Mapping[str, Recipe], folders: Sequence[Path] = ()) -> None:
    findings = review_recipes(recipes)
    for folder in folders:
        findings += [f"{folder / name} has no recipe.toml" for name in list_folders_without_recipe(folder)]
    if findings:
        raise UsageError(
            f"the review of the recipes has {count_noun(len(findings), 'finding')}",
            excerpt=findings,
            hint=f"the section 'Findings of `recipes check`' of {find_page('troubleshooting.md')} has a fix for each",
        )


def _list_supported(project: Project, target: Target) -> tuple[str, ...]:
    """Return the names of the recipes that can be built for a target; one that requires another one cannot leave it out."""
    return tuple(r.name for r in project.recipes.values() if not any(find_unsupported(r, target, x) for x in _LINKAGES))


def _check_built_in(targets: Sequence[Target]) -> None:
    """Load the built-in recipes, and resolve each with every profile for every target, linked in both ways."""
    recipes = load_collections()
    _review(recipes)
    for recipe in recipes.values():
        for features in ((), *recipe.profiles.values(), tuple(recipe.features)):
            for target in targets:
                for linkage in (linkage for linkage in _LINKAGES if not find_unsupported(recipe, target, linkage)):
                    resolve_recipe(recipe, target, linkage=linkage, features=features)
    valid = count_noun(len(recipes), "built-in recipe is", "built-in recipes are")
    echo(f"{valid} valid on {count_noun(len(targets), 'target')}")


def _list_base_targets() -> tuple[Target, ...]:
    return tuple(base_target(libc, arch) for arch in ARCHES.values() for libc in ("glibc", "musl"))


recipes_group.add_command(outdated_command)
recipes_group.add_command(update_command)
recipes_group.add_command(new_command)
recipes_group.add_command(try_command)

COMMAND = recipes_group
