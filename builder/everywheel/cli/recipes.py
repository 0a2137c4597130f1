"""Command group `recipes`: list, show, check and update recipes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from everywheel.cli.options import json_option, target_option, verbose_option
from everywheel.cli.output import echo, make_table, print_table
from everywheel.cli.run_plan import choose_targets
from everywheel.cli.store_lease import open_store
from everywheel.config.project import load_project
from everywheel.config.recipe import Recipe, suggest
from everywheel.config.text_rules import VERSION
from everywheel.errors import UsageError, count_noun
from everywheel.pipeline import plan_targets
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import plan_libraries
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.target import Target, base_target
from everywheel.sources.update import find_updates, pin_version, rewrite_pins


@click.group("recipes", short_help="List, show, check and update recipes.")
def recipes_group() -> None:
    """Work with the project's recipes.

    Example: everywheel recipes show libvips
    """


@recipes_group.command("list", short_help="List all recipes.")
@json_option
@click.pass_obj
def list_command(root: Path, as_json: bool) -> None:
    """List all recipes.

    Example: everywheel recipes list --json
    """
    recipes = load_project(root).recipes.values()
    if as_json:
        rows = [
            {"name": r.name, "version": r.version, "summary": r.summary, "license": r.license.spdx} for r in recipes
        ]
        echo(json.dumps(rows, indent=1))
        return
    table = make_table("recipe", "version", "license", "summary")
    for recipe in recipes:
        table.add_row(recipe.name, recipe.version, recipe.license.spdx, recipe.summary)
    print_table(table)


@recipes_group.command("show", short_help="Show one recipe.")
@click.argument("name")
@json_option
@click.pass_obj
def show_command(root: Path, name: str, as_json: bool) -> None:
    """Show one recipe: source, patches, requirements, features, libraries. With --json, show every key.

    Example: everywheel recipes show glib
    """
    recipes = load_project(root).recipes
    if name not in recipes:
        raise UsageError(f"there is no recipe '{name}'", hint=suggest(name, recipes))
    recipe = recipes[name]
    if as_json:
        echo(json.dumps(dataclasses.asdict(recipe), indent=1, default=str))
        return
    for label, value in _describe(recipe).items():
        if value:
            echo(f"{label + ':':<16}{value}")


def _describe(recipe: Recipe) -> dict[str, str]:
    source = recipe.source
    package = [f"Debian package {source.debian.package}"] if source.debian else []
    return {
        "name": f"{recipe.name} {recipe.version}",
        "summary": recipe.summary,
        "license": recipe.license.spdx,
        "source": f"{source.filename}, sha256 {source.sha256}",
        "locations": ", ".join([*package, *source.urls]),
        "patches": ", ".join(patch.name for patch in source.patches),
        "requires": ", ".join(recipe.requires),
        "build-requires": ", ".join(recipe.build_requires),
        "system": recipe.build.system,
        "features": ", ".join(recipe.features),
        "profiles": ", ".join(f"{name} = {' '.join(parts)}" for name, parts in recipe.profiles.items()),
        "libraries": ", ".join(recipe.products.libraries),
        "files": ", ".join(recipe.files),
    }


@recipes_group.command("check", short_help="Load every recipe, and plan every architecture.")
@target_option
@click.pass_obj
def check_command(root: Path, targets: tuple[str, ...]) -> None:
    """Load every recipe, and plan the project for every architecture and libc, without building anything.

    Recipes that the project does not require are planned as well.

    Example: everywheel recipes check
    """
    project = load_project(root)
    chosen = choose_targets(project, targets) if targets else _list_base_targets()
    steps = len(plan_targets(project, chosen).steps)
    identities = find_identities()
    for target in dict.fromkeys((*chosen, *project.every_target)):
        plan_libraries(project, target, tuple(project.recipes), identities)
    valid = count_noun(len(project.recipes), "recipe is", "recipes are")
    echo(f"{valid} valid: {count_noun(steps, 'step')} on {count_noun(len(chosen), 'target')}")


def _list_base_targets() -> tuple[Target, ...]:
    return tuple(base_target(libc, arch) for arch in ARCHES.values() for libc in ("glibc", "musl"))


@recipes_group.command("update", short_help="Compare pins with the distribution, and update them.")
@click.argument("names", nargs=-1)
@click.option("--to", "version", metavar="VERSION", help="Pin this upstream version of the named recipe.")
@click.option("--dry-run", is_flag=True, help="Show the differences and change nothing.")
@verbose_option
@json_option
@click.pass_obj
def update_command(root: Path, names: tuple[str, ...], version: str | None, dry_run: bool, as_json: bool) -> None:
    """Compare pins with the distribution's current packages, and update the pins of patches that changed there.

    Newer upstream versions are listed only; `--to` pins one of them. Review the change with `git diff` before building.

    Example: everywheel recipes update glib --dry-run
    """
    recipes = load_project(root).recipes
    if version is not None and not VERSION.accepts(version):
        raise UsageError(f"--to must be {VERSION.description}", details={"value": repr(version)}, hint=VERSION.hint)
    for name in names:
        if name not in recipes:
            raise UsageError(f"there is no recipe '{name}'", hint=suggest(name, recipes))
    chosen = [recipe for recipe in recipes.values() if not names or recipe.name in names]
    store = open_store()
    if version is not None:
        if len(names) != 1:
            raise UsageError("--to requires exactly one recipe", hint="everywheel recipes update NAME --to VERSION")
        pin_version(chosen[0], version, store.root)
        echo(f"{names[0]}: {chosen[0].version} -> {version}")
        return
    updates = find_updates(chosen, store.root)
    changed = 0 if dry_run else sum(rewrite_pins(recipe, updates) for recipe in chosen)
    if as_json:
        echo(json.dumps([dataclasses.asdict(update) for update in updates], indent=1))
        return
    for update in updates:
        echo(f"{update.recipe}: {update.message}")
    echo(f"{count_noun(len(chosen), 'recipe')} compared, {count_noun(changed, 'pin')} updated")


COMMAND = recipes_group
