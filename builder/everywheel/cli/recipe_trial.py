"""Both builds of a library, static and shared: the trial of a new recipe, and the check of the products of others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.cli.options import collect_options, jobs_option, timeout_option, verbose_option
from everywheel.cli.output import echo
from everywheel.cli.run_plan import exit_code, run_plan
from everywheel.config.project import Project, load_project
from everywheel.config.recipe import Linkage, Products, Recipe
from everywheel.config.recipe_resolver import find_unsupported
from everywheel.errors import EverywheelError, count_noun, find_page
from everywheel.execution.jobserver import default_jobs
from everywheel.pipeline import BuildOptions
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import finish_plan, plan_libraries
from everywheel.planning.steps import LibraryStep, Plan, StepKind
from everywheel.platforms.target import Target, base_target, build_machine_target
from everywheel.recognition.installed_library import InstalledLibrary, join_installed, read_installed
from everywheel.store.local import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The result of the builds: what they installed, the linkages that were built or were not, and the errors of these."""

    installed: InstalledLibrary = field(default_factory=InstalledLibrary)
    built: tuple[Linkage, ...] = ()
    failed: tuple[Linkage, ...] = ()
    errors: tuple[EverywheelError, ...] = ()


def _make_trial_options(jobs: int | None, timeout: int) -> BuildOptions:
    return BuildOptions(jobs=jobs or default_jobs(), timeout=timeout)


trial_options = collect_options("options", _make_trial_options, jobs_option, timeout_option, verbose_option)


def try_recipe(recipe: Recipe, folder: Path, store: Store, options: BuildOptions) -> Trial:
    """Build a library static and shared, with its requirements; failures are part of the result.

    Neither products nor the files of the license are checked. A linkage that the recipe does not support is left out. The
    target is this machine's, or on macOS and Windows that of Linux with the same processor, whose files have sonames and
    lists of exported symbols. `folder` is that of the project whose recipes the library requires.
    """
    project, target = load_project(folder), build_machine_target()
    if target.os != "linux":
        target = base_target("glibc", target.arch)
    supported = [x for x in (Linkage.STATIC, Linkage.SHARED) if not find_unsupported(recipe, target, x)]
    recipe = _drop_promises(recipe)
    project = replace(project, recipes={**project.recipes, recipe.name: recipe})
    results: dict[Linkage, InstalledLibrary] = {}
    errors: list[EverywheelError] = []
    linkages = supported or (Linkage.STATIC, Linkage.SHARED)  # whose error states the reason
    for linkage in linkages:
        echo(f"trial: {recipe.name} {recipe.version} for {target.tag}, {linkage}", err=True)
        result = _build(recipe, project, target, linkage, store, options)
        if isinstance(result, EverywheelError):
            errors.append(result)
        else:
            results[linkage] = result
    built = tuple(linkage for linkage, installed in results.items() if installed.libraries)
    static, shared = (results.get(linkage, InstalledLibrary()) for linkage in (Linkage.STATIC, Linkage.SHARED))
    failed = tuple(linkage for linkage in linkages if linkage not in built)
    return Trial(installed=join_installed(static, shared), built=built, failed=failed, errors=tuple(errors))


def list_findings(trial: Trial) -> Iterator[str]:
    """Yield one line for everything that the maintainer decides after a trial."""
    if trial.built:
        for linkage in trial.failed:
            yield f"the trial built no {linkage} library: see above, and state what cannot be built in [[overrides]]"
        if not trial.installed.pkgconfig:
            yield "it installs no pkg-config file: builds find it by its name only, and `provides` cannot be checked"
    else:
        yield "the trial built no library: correct the recipe"
    if trial.installed.uncovered:
        yield f"`exports` leaves out {count_noun(trial.installed.uncovered, 'symbol')}: add patterns, or hide them"
    if trial.errors:
        yield f"{find_page('troubleshooting.md')} lists messages of build systems with what to change in the recipe"


def _drop_promises(recipe: Recipe) -> Recipe:
    """Return the recipe without what a build checks: the trial proposes the products, and states the license nowhere."""
    features = {
        name: replace(feature, exports=(), provides=(), evidence=()) for name, feature in recipe.features.items()
    }
    overrides = tuple(replace(override, exports=(), provides=(), evidence=()) for override in recipe.overrides)
    license = replace(recipe.license, files=())
    return replace(recipe, license=license, products=Products(), features=features, overrides=overrides)


def _build(
    recipe: Recipe, project: Project, target: Target, linkage: Linkage, store: Store, options: BuildOptions
) -> InstalledLibrary | EverywheelError:
    """Build a library with one linkage, and return what it installs, or the error of the first step that failed."""
    try:
        plan, step = _plan_recipe(recipe, project, target, linkage)
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


def check_products_of(
    recipes: Sequence[Recipe], project: Project, targets: Sequence[Target], store: Store, options: BuildOptions
) -> int:
    """Build recipes with every linkage that they support, which checks their products; return the exit code of a failure.

    A recipe without libraries has one build.
    """
    failures: list[int] = []
    for target in targets:
        for recipe in recipes:
            has_libraries = bool(recipe.products.libraries)
            linkages = [x for x in (Linkage.STATIC, Linkage.SHARED) if not find_unsupported(recipe, target, x)]
            codes = []
            for linkage in linkages[: None if has_libraries else 1] or [Linkage.STATIC]:  # the latter raises the reason
                plan, step = _plan_recipe(recipe, project, target, linkage)
                codes.append(exit_code(run_plan(plan, project, store, replace(options, results=(step.id,)))))
            failures += [code for code in codes if code]
            if not any(codes):
                how = f", {' and '.join(linkages)}" if has_libraries else ""
                echo(f"{target.tag}: {recipe.name} {recipe.version} is built and checked{how}")
    return next(iter(failures), 0)


def _plan_recipe(recipe: Recipe, project: Project, target: Target, linkage: Linkage) -> tuple[Plan, LibraryStep]:
    """Plan a recipe with one linkage, and its requirements, all of them static; return the plan and the step of the recipe."""
    shared = (recipe.name,) if linkage is Linkage.SHARED else ()
    settings = replace(project.target_settings, shared=shared)
    project = replace(project, target_settings=settings, linkage=Linkage.SHARED, overrides=())
    plan = finish_plan(plan_libraries(project, target, [recipe.name], find_identities()))
    steps = [step for step in plan.libraries.values() if step.kind is StepKind.LIBRARY]
    return plan, next(step for step in steps if step.name == recipe.name)
