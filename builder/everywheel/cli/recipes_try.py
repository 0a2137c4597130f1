"""Command `recipes try`: the trial of a recipe that exists, which proposes its products."""

from __future__ import annotations

from pathlib import Path

import click

from everywheel.cli.output import echo
from everywheel.cli.project_source import find_recipe_project
from everywheel.cli.recipe_draft import render_installed, replace_guess
from everywheel.cli.recipe_trial import list_findings, trial_options, try_recipe
from everywheel.cli.store_lease import open_store
from everywheel.config.collection import choose_recipe, find_recipe_folders, load_collections
from everywheel.config.recipe import BuildSystem
from everywheel.errors import BuildError, UsageError
from everywheel.execution.files import translate_os_errors
from everywheel.pipeline import BuildOptions


@click.command("try", short_help="Build a recipe, and propose its products.")
@click.argument("name")
@trial_options
@click.pass_context
def try_command(ctx: click.Context, name: str, options: BuildOptions) -> None:
    """Build a library static and shared on this machine, and propose what was installed as the products of its recipe.

    It is the trial of `recipes new`, such as after a correction. Neither products nor files of the license are checked. The
    guessed products of a draft are replaced in its file; for any other recipe, the table [products] is printed.

    Example: everywheel recipes try libfoo
    """
    root: Path = ctx.obj
    project = find_recipe_project(ctx, root, has_recipes=True)  # reports recipes that are not read
    recipe = choose_recipe(name, load_collections(find_recipe_folders(root)))
    if recipe.build.system is BuildSystem.HEADERS or (recipe.products.programs and not recipe.products.libraries):
        raise UsageError(
            f"{name} has no library to try",
            hint=f"`everywheel recipes check --build {name}` builds it, and checks its products",
        )
    path = recipe.directory / "recipe.toml"
    trial = try_recipe(recipe, project, open_store(), options)
    if trial.built:
        text = path.read_text(encoding="utf-8")
        changed = replace_guess(text, trial)
        if changed != text:
            with translate_os_errors(path):
                path.write_text(changed, encoding="utf-8")
            echo(f"written: {path}")
            echo(f"check the comments in it, then run `everywheel recipes check --build {name}`")
        else:
            echo("\n".join(["[products]", *render_installed(trial)]))
    for line in list_findings(trial):
        echo(line, err=True)
    if not trial.built:
        ctx.exit(trial.errors[0].exit_code if trial.errors else BuildError.exit_code)
