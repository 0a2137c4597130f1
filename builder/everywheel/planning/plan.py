"""Planning: the steps that a project requires, in order, each with its cache key. No disk or network access.

A cache key is the sha256 of everything that can change the result of a step: the resolved recipe and its files, the source
and the patches, the toolchain, the target, and the cache keys of the required steps.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from everywheel.config.file_names import wheel_name
from everywheel.config.pins import digest_pins
from everywheel.config.project import Project
from everywheel.config.python_spec import PythonSpec
from everywheel.config.recipe import BuildSystem, Linkage, Recipe, ResolvedRecipe
from everywheel.config.recipe_resolver import resolve_recipe
from everywheel.errors import UsageError
from everywheel.planning.graph import longest_paths, sort_topologically, transitive_closure
from everywheel.planning.steps import ANY_PLATFORM, LibraryStep, Plan, Step, StepKind, WheelStep
from everywheel.platforms.target import Target, build_machine_target


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """Hashes of the code, the tools and the packages that can change results, as parts of cache keys.

    Attributes:
        artifacts: the code that unpacks, patches, installs and packs; part of every key.
        toolchain: the compilers, their flags and the build tools; part of the keys of libraries, programs and wheels.
        packaging: the code and packages for repair, metadata, compression and audit; part of the keys of wheels.
    """

    artifacts: str
    toolchain: str
    packaging: str


def make_plan(
    project: Project, targets: Sequence[Target], identities: Identities, *, machine: Target | None = None
) -> Plan:
    """Plan the libraries of each target and its wheels, one for each Python.

    Programs that run during a build are built for `machine`, by default the build machine.
    Raises UsageError for recipes that require each other in a cycle.
    """
    steps: dict[str, Step] = {}
    for target in targets:
        chosen = project.for_target(target)
        for python in project.choose_pythons(target):
            roots = (*chosen.requires, python.headers)
            libraries = plan_libraries(project, target, roots, identities, machine=machine)
            steps |= libraries
            wheel = _plan_wheel(chosen.for_python(python), target, python, libraries, identities)
            steps[wheel.id] = wheel
    return finish_plan(steps)


def finish_plan(steps: Mapping[str, Step]) -> Plan:
    """Sort steps topologically and compute their priorities."""
    edges = {id: step.requires for id, step in steps.items()}
    return Plan(
        steps={id: steps[id] for id in sort_topologically(edges)},
        priority=longest_paths(edges, lambda id: _weight(steps[id])),
    )


def _weight(step: Step) -> float:
    # A rough estimate of the build time is enough to order steps: it grows with the number of options and features.
    if isinstance(step, WheelStep):
        return 2.0
    return 1.0 + 0.1 * len(step.recipe.build.options) + 0.2 * len(step.recipe.features)


def plan_libraries(
    project: Project, target: Target, roots: Sequence[str], identities: Identities, *, machine: Target | None = None
) -> dict[str, LibraryStep]:
    """Plan the recipes `roots`, and all their direct and indirect requirements, for one target; return the steps by id.

    Raises UsageError for recipes that require each other in a cycle, and for a program that requires other recipes.
    """
    build_machine = build_machine_target() if machine is None else machine
    project = project.for_target(target)
    resolved: dict[str, ResolvedRecipe] = {}
    ids: dict[str, str] = {}

    def resolve(name: str) -> ResolvedRecipe:
        if name not in resolved:
            linkage = Linkage.SHARED if name in project.shared else Linkage.STATIC
            features = project.features.get(name, ())
            resolved[name] = resolve_recipe(project.recipes[name], target, linkage=linkage, features=features)
            ids[name] = step_id(name, _platform(resolved[name]))
        return resolved[name]

    names = sort_topologically(
        {name: resolve(name).requires for name in transitive_closure(roots, lambda name: resolve(name).requires)}
    )
    steps: dict[str, LibraryStep] = {}
    for name in names:
        recipe = resolve(name)
        if recipe.build_requires:
            steps = _plan_programs(recipe.build_requires, project.recipes, build_machine, identities) | steps
        link = tuple(ids[name] for name in transitive_closure(recipe.requires, lambda name: resolved[name].requires))
        # Programs produce the same output on every build machine, so a key contains their recipes, but not the machine.
        tools = {requirement: _program_facts(requirement, project.recipes) for requirement in recipe.build_requires}
        requires = {id: steps[id].key for id in link}
        step = LibraryStep(
            id=ids[name],
            key=_library_key(recipe, identities, requires, tools),
            kind=StepKind.LIBRARY,
            platform=_platform(recipe),
            target=target,
            recipe=recipe,
            link=link,
            programs=tuple(step_id(requirement, build_machine.tag) for requirement in recipe.build_requires),
        )
        steps[step.id] = step
    return steps


def _plan_programs(
    names: Sequence[str], recipes: Mapping[str, Recipe], target: Target, identities: Identities
) -> dict[str, LibraryStep]:
    """Plan programs for the build machine, after the programs that run during their own builds; return the steps by id.

    Raises UsageError for a program that requires libraries, and for programs that require each other in a cycle.
    """

    def resolve(name: str) -> ResolvedRecipe:
        return resolve_recipe(recipes[name], target, linkage=Linkage.STATIC)

    needed = transitive_closure(names, lambda name: resolve(name).build_requires)
    steps: dict[str, LibraryStep] = {}
    for name in sort_topologically({name: resolve(name).build_requires for name in needed}):
        recipe = resolve(name)
        if recipe.requires:
            raise UsageError(
                f"{name} is a program for the build machine and may not require libraries",
                details={"requires": ", ".join(recipe.requires)},
            )
        tools = {requirement: _program_facts(requirement, recipes) for requirement in recipe.build_requires}
        code = (identities.artifacts, identities.toolchain)
        step = LibraryStep(
            id=step_id(name, target.tag),
            key=_key("program", *code, target.tag, _recipe_facts(recipe), tools),
            kind=StepKind.PROGRAM,
            platform=target.tag,
            target=target,
            recipe=recipe,
            link=(),
            programs=tuple(step_id(requirement, target.tag) for requirement in recipe.build_requires),
        )
        steps[step.id] = step
    return steps


def _plan_wheel(
    project: Project, target: Target, python: PythonSpec, libraries: Mapping[str, LibraryStep], identities: Identities
) -> WheelStep:
    link = tuple(id for id, step in libraries.items() if step.kind is StepKind.LIBRARY)
    facts = {
        "extension": project.digest,
        "build requirements": None if project.build_pins is None else digest_pins(project.build_pins),
        "name": wheel_name(project, target, python),
        "python": asdict(python),
        "roots": sorted((*project.requires, python.headers)),
        # The keys of the libraries already differ between shared and static linkage.
        **({"linkage": project.linkage.value} if project.linkage is Linkage.SYSTEM else {}),
        **({"settings": dict(project.settings)} if project.settings else {}),
        **({"environment": dict(project.environment)} if project.environment else {}),
        **({"revision": project.revision} if project.revision else {}),
        **({"backend python": project.backend_version} if project.backend_version else {}),
        "exports": project.exports,
    }
    return WheelStep(
        id=wheel_id(project, target, python),
        key=_key("wheel", asdict(identities), target.tag, facts, {id: libraries[id].key for id in link}),
        name=project.name if python == project.python else f"{project.name}-{python.label}",
        version=project.version,
        target=target,
        python=python,
        link=link,
    )


def _platform(recipe: ResolvedRecipe) -> str:
    # Headers are the same for every target, so one step installs them for all targets.
    return ANY_PLATFORM if recipe.build.system is BuildSystem.HEADERS else recipe.target.tag


def step_id(name: str, platform: str) -> str:
    """Return the id of the step that builds `name` for a platform tag."""
    return f"{name}:{platform}"


def wheel_id(project: Project, target: Target, python: PythonSpec) -> str:
    """Return the id of the step that builds the wheel of a target and a Python: `wheel:<tag>` for the first Python."""
    return step_id("wheel" if python == project.python else f"wheel-{python.label}", target.tag)


def _library_key(
    recipe: ResolvedRecipe, identities: Identities, requires: Mapping[str, str], tools: Mapping[str, object]
) -> str:
    if recipe.build.system is BuildSystem.HEADERS:
        return _key("headers", identities.artifacts, _recipe_facts(recipe))
    code = (identities.artifacts, identities.toolchain)
    return _key("library", *code, recipe.target.tag, _recipe_facts(recipe), requires, tools)


def _recipe_facts(recipe: ResolvedRecipe) -> dict[str, object]:
    """Return the parts of a resolved recipe that can change its artifact, which also contains metadata for the SBOM."""
    return {
        "name": recipe.name,
        "version": recipe.version,
        "license": asdict(recipe.license),
        "identifiers": (recipe.cpe, recipe.source.packaging),
        "source": recipe.source.sha256,
        "url": recipe.source.urls[:1],
        "patches": [(patch.label, patch.sha256) for patch in recipe.source.patches],
        "requires": recipe.requires,
        "linkage": recipe.linkage,
        "features": recipe.features,
        "build": asdict(recipe.build),
        "products": asdict(recipe.products),
        "files": recipe.files,
        "executables": recipe.executables,
    }


def _program_facts(name: str, recipes: Mapping[str, Recipe]) -> dict[str, object]:
    """Return the parts of a recipe that can change the output of its program on any build machine."""
    recipe = recipes[name]
    systems = (recipe.build.system, *(override.system for override in recipe.overrides if override.system is not None))
    programs = dict.fromkeys((*(name for system in systems for name in system.programs), *recipe.build_requires))
    return {
        "name": recipe.name,
        "version": recipe.version,
        "source": recipe.source.sha256,
        "patches": [patch.sha256 for patch in recipe.source.patches],
        "build": asdict(recipe.build),
        "overrides": [asdict(override) for override in recipe.overrides],
        "products": asdict(recipe.products),
        "files": recipe.files,
        "executables": recipe.executables,
        **({"programs": [_program_facts(program, recipes) for program in programs]} if programs else {}),
    }


def _key(*facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=dict).encode()).hexdigest()
