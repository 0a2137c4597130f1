"""The interpreters that run a project's backend, from this machine, from uv, or built by a recipe."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from everywheel.cli.run_plan import exit_code, run_plan
from everywheel.config.project import Project
from everywheel.errors import BuildError, MachineError
from everywheel.execution.process import run_command
from everywheel.pipeline import BuildOptions
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import finish_plan, plan_libraries
from everywheel.platforms.target import build_machine_target
from everywheel.store.local import Store
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.toolchains.compilers import EngineName


def provide_interpreters(project: Project, store: Store, options: BuildOptions, *, quiet: bool = False) -> Project:
    """Return the project with the interpreters that its backend requires.

    A version that neither this machine nor uv has is built by the recipe whose products contain `bin/python<version>`, if
    there is one. Raises MachineError when there is none, and BuildError when its build fails.
    """
    if not project.backend_versions:
        return project
    from everywheel.toolchains.interpreters import ensure_interpreter  # slow to import

    programs: dict[str, Path] = {}
    for version in project.backend_versions:
        try:
            programs[version] = ensure_interpreter(version, label=project.name, offline=options.offline)
        except MachineError:
            recipe = find_recipe(project, version)
            if recipe is None:
                raise
            programs[version] = _build_interpreter(project, recipe, version, store, options, quiet=quiet)
    return dataclasses.replace(project, interpreters=programs)


def find_recipe(project: Project, version: str) -> str | None:
    """Return the name of a recipe that builds an interpreter, or None."""
    program = f"bin/python{version}"
    return next((name for name, recipe in project.recipes.items() if program in recipe.products.programs), None)


def _build_interpreter(
    project: Project, recipe: str, version: str, store: Store, options: BuildOptions, *, quiet: bool
) -> Path:
    """Build a recipe for this machine, unpack its prefix into a directory of the store, and return its program."""
    plan = finish_plan(plan_libraries(project, build_machine_target(), [recipe], find_identities()))
    steps = tuple(plan.libraries.values())
    needed = dataclasses.replace(options, engine=EngineName.ZIG, results=tuple(step.id for step in steps))
    if exit_code(run_plan(plan, project, store, needed, quiet=quiet)):
        raise BuildError(
            f"{project.name}: the recipe {recipe} of CPython {version}, which `backend-python` requires, failed",
            hint=f"install CPython {version} so that `python{version}` is on PATH",
        )
    key = next(step.key for step in steps if step.name == recipe)

    def fill(folder: Path) -> None:
        for step in steps:
            store.unpack(step.key, folder)
        # Otherwise each run would write bytecode into the directory.
        run_command([str(folder / "bin" / f"python{version}"), "-I", "-m", "compileall", "-q", str(folder / "lib")])

    folder = store.root / "tools" / f"interpreter-{key[:12]}"
    return ensure_stamped_dir(folder, fill, title=f"CPython {version}") / "bin" / f"python{version}"
