"""The trial of a new recipe: both builds of its library, and what they install."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.cli.options import collect_options, jobs_option, timeout_option, verbose_option
from everywheel.cli.output import echo
from everywheel.cli.run_plan import run_plan
from everywheel.config.project import Project, load_project
from everywheel.config.recipe import Linkage, Products, Recipe
from everywheel.errors import EverywheelError
from everywheel.execution.jobserver import default_jobs
from everywheel.pipeline import BuildOptions
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import finish_plan, plan_libraries
from everywheel.planning.steps import StepKind
from everywheel.platforms.target import Target, base_target, build_machine_target
from everywheel.recognition.installed_library import InstalledLibrary, join_installed, read_installed
from everywheel.store.local import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The result of the builds: what they installed, the linkages that were built, and the error of each other one."""

    installed: InstalledLibrary = field(default_factory=InstalledLibrary)
    built: tuple[Linkage, ...] = ()
    errors: tuple[EverywheelError, ...] = ()


def _make_trial_options(jobs: int | None, timeout: int) -> BuildOptions:
    return BuildOptions(jobs=jobs or default_jobs(), timeout=timeout)


trial_options = collect_options("options", _make_trial_options, jobs_option, timeout_option, verbose_option)


def try_recipe(recipe: Recipe, folder: Path, store: Store, options: BuildOptions) -> Trial:
    """Build a library static and shared, with its requirements, without checks of products; failures are part of the result.

    The target is this machine's, or on macOS and Windows that of Linux with the same processor, whose files have sonames
    and lists of exported symbols. `folder` is that of the project whose recipes the library requires.
    """
    project, target = load_project(folder), build_machine_target()
    if target.os != "linux":
        target = base_target("glibc", target.arch)
    recipe = replace(recipe, products=Products())
    project = replace(project, recipes={**project.recipes, recipe.name: recipe}, linkage=Linkage.SHARED, overrides=())
    results: dict[Linkage, InstalledLibrary] = {}
    errors: list[EverywheelError] = []
    for linkage in (Linkage.STATIC, Linkage.SHARED):
        echo(f"trial: {recipe.name} {recipe.version} for {target.tag}, {linkage}", err=True)
        result = _build(recipe, project, target, linkage, store, options)
        if isinstance(result, EverywheelError):
            errors.append(result)
        else:
            results[linkage] = result
    built = tuple(linkage for linkage, installed in results.items() if installed.libraries)
    static, shared = (results.get(linkage, InstalledLibrary()) for linkage in (Linkage.STATIC, Linkage.SHARED))
    return Trial(installed=join_installed(static, shared), built=built, errors=tuple(errors))


def _build(
    recipe: Recipe, project: Project, target: Target, linkage: Linkage, store: Store, options: BuildOptions
) -> InstalledLibrary | EverywheelError:
    """Build a library with one linkage, and return what it installs, or the error of the first step that failed."""
    shared = (recipe.name,) if linkage is Linkage.SHARED else ()
    project = replace(project, target_settings=replace(project.target_settings, shared=shared))
    try:
        plan = finish_plan(plan_libraries(project, target, [recipe.name], find_identities()))
        steps = [step for step in plan.libraries.values() if step.kind is StepKind.LIBRARY]
        step = next(step for step in steps if step.name == recipe.name)
        results = run_plan(plan, project, store, replace(options, results=(step.id,)))
    except EverywheelError as error:  # such as a requirement that the target does not support, or a failed download
        echo(error.render(), err=True)
        return error
    if failed := next((result.error for result in results if result.error is not None), None):
        return failed
    with TemporaryDirectory(dir=store.root / "tmp") as temporary:
        prefix = Path(temporary) / "prefix"
        store.unpack(step.key, prefix)
        return read_installed(prefix, recipe.name, is_shared=linkage is Linkage.SHARED)
