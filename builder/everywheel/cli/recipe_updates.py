"""Commands `recipes outdated` and `recipes update`: pins compared with the distribution, and replaced."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from everywheel.cli.apply_update import UpdateOptions, apply_update
from everywheel.cli.options import jobs_option, json_option, target_option, verbose_option
from everywheel.cli.output import echo
from everywheel.cli.source_selection import find_source_settings
from everywheel.cli.store_lease import open_store
from everywheel.config.collection import choose_recipe, is_installed, is_own, load_available_recipes
from everywheel.config.project import Project, load_project
from everywheel.config.recipe import Feature, Override, Recipe
from everywheel.config.settings_file import has_project
from everywheel.config.text_rules import VERSION
from everywheel.errors import NothingSelectedError, SourceError, UsageError, count_noun
from everywheel.execution.jobserver import default_jobs
from everywheel.platforms.target import build_machine_target, parse_target
from everywheel.sources.locations import find_locations
from everywheel.sources.outdated import Finding, FindingKind, check_recipes, find_outdated
from everywheel.sources.request import Unavailable
from everywheel.sources.update import (
    describe_update,
    find_target,
    open_package_lists,
    plan_update,
)
from everywheel.store.local import Store

OUTDATED = 5
"""The exit code of `recipes outdated` when a recipe is not up to date, as that of an audit with findings."""

tracker_option = click.option(
    "--tracker",
    default="",
    metavar="FILE|URL",
    help="Debian's security tracker in JSON, or a copy of it: also list open vulnerabilities.",
)


@click.command("outdated", short_help="List newer versions, revisions and open vulnerabilities.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@tracker_option
@click.option("--security", is_flag=True, help="Without newer upstream versions.")
@json_option
@click.pass_context
def outdated_command(ctx: click.Context, names: tuple[str, ...], tracker: str, security: bool, as_json: bool) -> None:
    """Compare pins with the distribution's signed package lists, which are updated first.

    A vulnerability is open unless a pinned patch `fixes` it or the pinned version has the fix. Exits with 0 if all recipes
    are up to date, else with 5; vulnerabilities that Debian calls unimportant do not count.

    \b
    Example: everywheel recipes outdated --security
    Example: everywheel recipes outdated libpng --tracker tracker.json
    """
    recipes = load_available_recipes(ctx.obj)
    chosen = [choose_recipe(name, recipes) for name in names] or list(recipes.values())
    check_recipes(chosen)
    store = open_store()
    findings = find_outdated(chosen, store.root, tracker, find_locations().archives)
    if security:
        findings = tuple(finding for finding in findings if finding.is_security)
    if as_json:
        rows = [{**dataclasses.asdict(finding), "security": finding.is_security} for finding in findings]
        echo(json.dumps(rows, indent=1))
    else:
        _print_findings(findings)
        outdated = len({finding.recipe for finding in findings if finding.counts})
        echo(f"{count_noun(len(chosen), 'recipe')} compared, {outdated} not up to date")
    ctx.exit(OUTDATED if any(finding.counts for finding in findings) else 0)


def _print_findings(findings: Sequence[Finding]) -> None:
    """Print findings below the recipes that they are about."""
    recipe = ""
    for finding in findings:
        if finding.recipe != recipe:
            recipe = finding.recipe
            echo(f"{recipe} {finding.version}")
        notes = [*finding.suites, finding.urgency]
        known = f" ({', '.join(note for note in notes if note)})" if any(notes) else ""
        echo(f"  {finding.kind}: {finding.subject}{known}{f': {finding.detail}' if finding.detail else ''}")


@click.command("update", short_help="Pin what the distribution has now.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--version", default="", metavar="VERSION", help="Pin this upstream version of the one recipe.")
@click.option("--without-patches", is_flag=True, help="Pin the archive only, and remove the package's patches.")
@click.option("--dry-run", is_flag=True, help="Show the differences and change nothing.")
@click.option("--no-build", is_flag=True, help="Change recipes without building them first.")
@click.option(
    "--changes", type=click.Path(path_type=Path), metavar="DIR", help="Write a changelog fragment for each recipe."
)
@target_option
@tracker_option
@jobs_option
@verbose_option
@click.pass_context
def update_command(
    ctx: click.Context,
    names: tuple[str, ...],
    version: str,
    without_patches: bool,
    dry_run: bool,
    no_build: bool,
    changes: Path | None,
    targets: tuple[str, ...],
    tracker: str,
    jobs: int | None,
) -> None:
    """Pin the newest revision of each recipe's source package with its patches, except those in `omit`.

    A recipe follows its release to new upstream versions, but not unstable. Its file is replaced once the library was built
    and checked; the printed lines are for a changelog.

    \b
    Example: everywheel recipes update --dry-run
    Example: everywheel recipes update libpng --version 1.6.58
    """
    _check_version(names, version, without_patches)
    recipes = load_available_recipes(ctx.obj)
    chosen = sort_by_requirements(_choose_changeable(names, recipes, ctx.obj), recipes)
    check_recipes(chosen)
    options = UpdateOptions(
        dry_run=dry_run,
        targets=() if no_build or dry_run else tuple(map(parse_target, targets)) or (build_machine_target(),),
        jobs=jobs or default_jobs(),
        changes=changes,
        locations=find_locations(find_source_settings(ctx.obj)),
    )
    project = _load_project(ctx.obj) if options.targets else None
    store = open_store()
    status = _update_recipes(chosen, project, store, options, version, without_patches=without_patches)
    if tracker:
        # The recipes are loaded again, with their new pins.
        fresh = load_available_recipes(ctx.obj)
        updated = [fresh[recipe.name] for recipe in chosen]
        findings = find_outdated(updated, store.root, tracker, options.locations.archives)
        _print_findings([finding for finding in findings if finding.kind is FindingKind.VULNERABILITY])
    ctx.exit(status)


def _check_version(names: Sequence[str], version: str, without_patches: bool) -> None:
    if version and not VERSION.accepts(version):
        raise UsageError(
            f"--version must be {VERSION.description}", details={"value": repr(version)}, hint=VERSION.hint
        )
    if (version or without_patches) and len(names) != 1:
        raise UsageError(
            f"{'--version' if version else '--without-patches'} requires exactly one recipe",
            hint="everywheel recipes update NAME --version VERSION",
        )


def _choose_changeable(names: Sequence[str], recipes: Mapping[str, Recipe], root: Path) -> list[Recipe]:
    """Return the named recipes, without names those of the project; raise UsageError for one of an installation."""
    chosen = [choose_recipe(name, recipes) for name in names] or [r for r in recipes.values() if is_own(r, root)]
    if not chosen:
        raise NothingSelectedError(
            "there are no recipes of the project here", hint="run it in a project with recipes, or name built-in ones"
        )
    for recipe in chosen:
        if is_installed(recipe):
            raise UsageError(
                f"'{recipe.name}' is a built-in recipe of the installation, which no command changes",
                hint=f"copy {recipe.directory} to the project's folder of recipes: a recipe there replaces it",
            )
    return chosen


def _load_project(root: Path) -> Project:
    if not has_project(root):
        raise UsageError(
            "there is no project here to build the recipes for",
            hint="run it in a project, or with --no-build",
        )
    return load_project(root)


def sort_by_requirements(chosen: Sequence[Recipe], recipes: Mapping[str, Recipe]) -> list[Recipe]:
    """Return recipes after those that they require, so that each is built with the new ones."""
    order: dict[str, Recipe] = {}

    def visit(recipe: Recipe, path: tuple[str, ...]) -> None:
        parts: list[Feature | Override] = [*recipe.features.values(), *recipe.overrides]
        optional = [name for part in parts for name in (*part.requires, *part.build_requires)]
        for name in (*recipe.requires, *recipe.build_requires, *optional):
            if name in recipes and name not in path and name not in order:
                visit(recipes[name], (*path, name))
        order.setdefault(recipe.name, recipe)

    for recipe in chosen:
        visit(recipe, (recipe.name,))
    names = {recipe.name for recipe in chosen}
    return [recipe for name, recipe in order.items() if name in names]


def _update_recipes(
    recipes: Sequence[Recipe],
    project: Project | None,
    store: Store,
    options: UpdateOptions,
    version: str,
    *,
    without_patches: bool,
) -> int:
    """Update recipes one after another; return the exit code of the first that could not be updated."""
    known = [recipe for recipe in recipes if recipe.source.debian is not None]
    client, states = open_package_lists(known, store.root, options.locations.archives)
    failures: list[int] = []
    fragments: list[str] = []
    for recipe in known:
        state = states[recipe.name]
        try:
            update = plan_update(state, client, version, without_patches=without_patches)
        except Unavailable as reason:
            target = find_target(state)
            echo(f"{recipe.name}: {target.version if target else version} cannot be read: {reason}", err=True)
            failures.append(SourceError.exit_code)
            continue
        if update is None:
            continue
        project, status = apply_update(update, project, store, options)
        if status:
            failures.append(status)
        else:
            fragments.append(describe_update(update))
    for fragment in fragments:
        echo(f"- {fragment}")
    verb = f"differ{'s' if len(fragments) == 1 else ''}" if options.dry_run else "updated"
    echo(f"{count_noun(len(known), 'recipe')} compared, {len(fragments)} {verb}")
    return next(iter(failures), 0)
