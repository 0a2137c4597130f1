"""Planning: the steps that a project requires, in order, each with its cache key; pure, without disk or network access.

A key is the sha256 over everything that can change a result: the resolved recipe, its files, the source and patches,
the toolchain, the target, and the keys of the required steps.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from everywheel.config.project import Project, PythonSpec, wheel_name
from everywheel.config.recipe import BuildSystem, Linkage, Recipe, ResolvedRecipe, resolve_recipe
from everywheel.errors import UsageError
from everywheel.planning.graph import longest_paths, sort_topologically, transitive_closure
from everywheel.planning.steps import ANY_PLATFORM, LibraryStep, Plan, Step, StepKind, WheelStep
from everywheel.platforms.target import Target, build_machine_target


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """Hashes of the code, the tools and the packages that shape results; every key contains those that apply.

    `artifacts` identifies unpacking, patching, installing and packing, which all libraries and headers have in common;
    `toolchain` the compilers, their flags and the build tools; `packaging` repair, metadata, compression and audit.
    """

    artifacts: str
    toolchain: str
    packaging: str


def make_plan(
    project: Project, targets: Sequence[Target], identities: Identities, *, machine: Target | None = None
) -> Plan:
    """Plan every library and the wheels, one for each Python, for each target.

    Programs are built for `machine`, by default the build machine.
    Raises UsageError for recipes that require each other in a cycle.
    """
    steps: dict[str, Step] = {}
    for target in targets:
        for python in project.choose_pythons(target):
            roots = (*project.requires, python.headers)
            libraries = plan_libraries(project, target, roots, identities, machine=machine)
            steps |= libraries
            wheel = _plan_wheel(project, target, python, libraries, identities)
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
    # A recipe with more options and features has more to configure and compile; steps need no finer estimate for sorting.
    if isinstance(step, WheelStep):
        return 2.0
    return 1.0 + 0.1 * len(step.recipe.build.options) + 0.2 * len(step.recipe.features)


def plan_libraries(
    project: Project, target: Target, roots: Sequence[str], identities: Identities, *, machine: Target | None = None
) -> dict[str, LibraryStep]:
    """Plan the named recipes, and everything they require, for one target; return the steps by id."""
    build_machine = build_machine_target() if machine is None else machine
    resolved: dict[str, ResolvedRecipe] = {}

    def resolve(name: str) -> ResolvedRecipe:
        if name not in resolved:
            linkage = Linkage.SHARED if name in project.shared else Linkage.STATIC
            features = project.features.get(name, ())
            resolved[name] = resolve_recipe(project.recipes[name], target, linkage=linkage, features=features)
        return resolved[name]

    names = sort_topologically(
        {name: resolve(name).requires for name in transitive_closure(roots, lambda name: resolve(name).requires)}
    )
    steps: dict[str, LibraryStep] = {}
    for name in names:
        recipe = resolve(name)
        programs = []
        for need in recipe.build_requires:
            program = _plan_program(project.recipes[need], build_machine, identities)
            steps.setdefault(program.id, program)
            programs.append(program.id)
        linked = {
            need: resolve(need) for need in transitive_closure(recipe.requires, lambda name: resolve(name).requires)
        }
        link = tuple(step_id(need, _platform(linked[need])) for need in linked)
        # A program must do the same wherever it runs, so a key includes its recipe, but not the build machine.
        tools = {need: _program_facts(project.recipes[need]) for need in recipe.build_requires}
        requires = {id: steps[id].key for id in link}
        step = LibraryStep(
            id=step_id(name, _platform(recipe)),
            key=_library_key(recipe, identities, requires, tools),
            kind=StepKind.LIBRARY,
            platform=_platform(recipe),
            target=target,
            recipe=recipe,
            link=link,
            programs=tuple(programs),
        )
        steps[step.id] = step
    return steps


def _plan_program(recipe: Recipe, target: Target, identities: Identities) -> LibraryStep:
    resolved = resolve_recipe(recipe, target, linkage=Linkage.STATIC)
    if resolved.requires or resolved.build_requires:
        raise UsageError(
            f"{recipe.name} is a program for the build machine and may not require other recipes",
            details={"requires": ", ".join((*resolved.requires, *resolved.build_requires))},
        )
    return LibraryStep(
        id=step_id(recipe.name, target.tag),
        key=_key("program", identities.artifacts, identities.toolchain, target.tag, _recipe_facts(resolved)),
        kind=StepKind.PROGRAM,
        platform=target.tag,
        target=target,
        recipe=resolved,
        link=(),
        programs=(),
    )


def _plan_wheel(
    project: Project, target: Target, python: PythonSpec, libraries: Mapping[str, LibraryStep], identities: Identities
) -> WheelStep:
    link = tuple(id for id, step in libraries.items() if step.kind is StepKind.LIBRARY)
    facts = {
        "extension": project.digest,
        "name": wheel_name(project, target, python),
        "python": asdict(python),
        "roots": sorted((*project.requires, python.headers)),
        # With the other linkages, the keys of the libraries differ already.
        **({"linkage": project.linkage.value} if project.linkage is Linkage.SYSTEM else {}),
        **({"settings": dict(project.settings)} if project.settings else {}),
    }
    return WheelStep(
        id=wheel_id(project, target, python),
        key=_key("wheel", asdict(identities), target.tag, facts, {id: libraries[id].key for id in link}),
        name=project.name if python == project.python else f"{project.name}-{python.abi}",
        version=project.version,
        target=target,
        python=python,
        link=link,
    )


def _platform(recipe: ResolvedRecipe) -> str:
    # Headers are the same for every target: one step serves all.
    return ANY_PLATFORM if recipe.build.system is BuildSystem.HEADERS else recipe.target.tag


def step_id(name: str, platform: str) -> str:
    """Return the id of the step that builds `name` for a platform tag."""
    return f"{name}:{platform}"


def wheel_id(project: Project, target: Target, python: PythonSpec) -> str:
    """Return the id of the step that builds the wheel of a target and a Python: `wheel:<tag>` for the first Python."""
    return step_id("wheel" if python == project.python else f"wheel-{python.abi}", target.tag)


def _library_key(
    recipe: ResolvedRecipe, identities: Identities, requires: Mapping[str, str], tools: Mapping[str, object]
) -> str:
    if recipe.build.system is BuildSystem.HEADERS:
        return _key("headers", identities.artifacts, _recipe_facts(recipe))
    code = (identities.artifacts, identities.toolchain)
    return _key("library", *code, recipe.target.tag, _recipe_facts(recipe), requires, tools)


def _recipe_facts(recipe: ResolvedRecipe) -> dict[str, object]:
    """Return everything that can change an artifact, including the facts about the library that it contains."""
    return {
        "name": recipe.name,
        "version": recipe.version,
        "license": asdict(recipe.license),
        "source": recipe.source.sha256,
        "url": recipe.source.urls[:1],
        "patches": [(patch.name, patch.sha256) for patch in recipe.source.patches],
        "requires": recipe.requires,
        "linkage": recipe.linkage,
        "features": recipe.features,
        "build": asdict(recipe.build),
        "products": asdict(recipe.products),
        "files": recipe.files,
    }


def _program_facts(recipe: Recipe) -> dict[str, object]:
    """Return everything that can change a program, on any build machine."""
    return {
        "name": recipe.name,
        "version": recipe.version,
        "source": recipe.source.sha256,
        "patches": [patch.sha256 for patch in recipe.source.patches],
        "build": asdict(recipe.build),
        "overrides": [asdict(override) for override in recipe.overrides],
        "products": asdict(recipe.products),
        "files": recipe.files,
    }


def _key(*facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=dict).encode()).hexdigest()
