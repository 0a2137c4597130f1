"""Plans: the graph of what will be done, with the key of each step; pure, it touches neither disk nor network.

A key is the sha256 over everything that can change a result: the resolved recipe, its files, the source and patches,
the toolchain, the target, and the keys of what it requires.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from everywheel.config.project import Project, PythonSpec, wheel_name
from everywheel.config.recipe import BuildSystem, Linkage, Recipe, ResolvedRecipe, resolve_recipe
from everywheel.errors import UsageError
from everywheel.planning.graph import closure, depth, order
from everywheel.platforms.target import Target, build_machine_target


class StepKind(StrEnum):
    """What a step does."""

    LIBRARY = "library"
    PROGRAM = "program"
    WHEEL = "wheel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One node of a plan: a recipe built for a target, or the wheel of a target.

    `requires` are ids of steps. For a library `link` names the steps, its own requirements and theirs, that make up the
    prefix it is built against; `programs` those whose programs run during the build. A wheel's `python` is what it is for.
    """

    id: str
    kind: StepKind
    key: str
    target: Target
    resolved: ResolvedRecipe | None
    link: tuple[str, ...]
    programs: tuple[str, ...]
    name: str
    version: str
    python: PythonSpec | None = None

    @property
    def requires(self) -> tuple[str, ...]:
        return (*self.link, *self.programs)

    @property
    def place(self) -> str:
        """The target's tag, or `any` for headers, which every target shares."""
        return self.id.partition(":")[2]

    @property
    def label(self) -> str:
        return f"{self.name} {self.version} for {self.place}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Steps by id, each after all that it requires; `priority` is the length of the way from a step to the end."""

    steps: Mapping[str, Step]
    priority: Mapping[str, float]

    def select(self, ids: Iterable[str]) -> Plan:
        """Return the part of the plan that the named steps need."""
        wanted = set(closure(ids, lambda id: self.steps[id].requires))
        return Plan(steps={id: step for id, step in self.steps.items() if id in wanted}, priority=self.priority)

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """The recipes whose sources the plan needs, each once."""
        found = {s.resolved.recipe.name: s.resolved.recipe for s in self.steps.values() if s.resolved is not None}
        return tuple(found.values())


def make_plan(
    project: Project, targets: Sequence[Target], *, toolchain: str, packaging: str, machine: Target | None = None
) -> Plan:
    """Plan every library and the wheels, one for each Python, for each target.

    `toolchain` identifies compilers, flags and build tools, `packaging` what makes the finished wheel from a built one.
    Programs are built for `machine`, this one where none is named.
    Raises UsageError for recipes that require each other in a ring.
    """
    steps: dict[str, Step] = {}
    for target in targets:
        for python in project.choose_pythons(target):
            roots = (*project.requires, python.headers)
            libraries = plan_libraries(project, target, roots, toolchain=toolchain, machine=machine)
            steps |= libraries
            wheel = _plan_wheel(project, target, python, roots, libraries, toolchain + packaging)
            steps[wheel.id] = wheel
    return finish_plan(steps)


def finish_plan(steps: Mapping[str, Step]) -> Plan:
    """Put steps in order and give each its priority."""
    edges = {id: step.requires for id, step in steps.items()}
    return Plan(steps={id: steps[id] for id in order(edges)}, priority=depth(edges, lambda id: _weight(steps[id])))


def _weight(step: Step) -> float:
    # A recipe with more options and features has more to configure and compile; nothing finer is needed to order steps.
    if step.resolved is None:
        return 2.0
    return 1.0 + 0.1 * len(step.resolved.build.options) + 0.2 * len(step.resolved.features)


def plan_libraries(
    project: Project, target: Target, roots: Sequence[str], *, toolchain: str, machine: Target | None = None
) -> dict[str, Step]:
    """Plan the named recipes, and all that they require, for one target."""
    here = build_machine_target() if machine is None else machine
    resolved: dict[str, ResolvedRecipe] = {}

    def resolve(name: str) -> ResolvedRecipe:
        if name not in resolved:
            linkage = Linkage.SHARED if name in project.shared else Linkage.STATIC
            resolved[name] = resolve_recipe(
                project.recipes[name], target, linkage=linkage, features=project.features.get(name, ())
            )
        return resolved[name]

    names = order({name: resolve(name).requires for name in closure(roots, lambda name: resolve(name).requires)})
    steps: dict[str, Step] = {}
    for name in names:
        recipe = resolve(name)
        for program in recipe.build_requires:
            _plan_program(project, program, here, toolchain, steps)
        link = closure(recipe.requires, lambda name: resolve(name).requires)
        linked = tuple(_library_id(resolve(need)) for need in link)
        requires = {id: steps[id].key for id in linked}
        programs = tuple(step_id(need, here) for need in recipe.build_requires)
        # A program must do the same wherever it runs, so that its key has no target in it.
        made_by = {need: _recipe_facts(project.recipes[need]) for need in recipe.build_requires}
        if recipe.build.system is BuildSystem.HEADERS:
            key = _key("headers", _resolved_facts(recipe))
        else:
            key = _key("library", toolchain, target.tag, _resolved_facts(recipe), requires, made_by)
        step = Step(
            id=_library_id(recipe),
            kind=StepKind.LIBRARY,
            key=key,
            target=target,
            resolved=recipe,
            link=linked,
            programs=programs,
            name=name,
            version=recipe.recipe.version,
        )
        steps[step.id] = step
    return steps


def _plan_program(project: Project, name: str, target: Target, toolchain: str, steps: dict[str, Step]) -> None:
    if step_id(name, target) in steps:
        return
    resolved = resolve_recipe(project.recipes[name], target, linkage=Linkage.STATIC)
    if resolved.requires or resolved.build_requires:
        raise UsageError(
            f"{name} is a program for the build machine and may not require other recipes",
            details={"requires": ", ".join((*resolved.requires, *resolved.build_requires))},
        )
    steps[step_id(name, target)] = Step(
        id=step_id(name, target),
        kind=StepKind.PROGRAM,
        target=target,
        resolved=resolved,
        link=(),
        programs=(),
        key=_key("program", toolchain, target.tag, _resolved_facts(resolved), {}, {}),
        name=name,
        version=resolved.recipe.version,
    )


def _plan_wheel(
    project: Project,
    target: Target,
    python: PythonSpec,
    roots: Sequence[str],
    libraries: Mapping[str, Step],
    identity: str,
) -> Step:
    link = tuple(id for id, step in libraries.items() if step.kind is StepKind.LIBRARY)
    facts = {
        "extension": project.digest,
        "name": wheel_name(project, target, python),
        "python": asdict(python),
        "roots": sorted(roots),
        # Only where they matter: of other wheels, the libraries' keys say it.
        **({"linkage": project.linkage.value} if project.linkage is Linkage.SYSTEM else {}),
        **({"settings": dict(project.settings)} if project.settings else {}),
    }
    return Step(
        id=wheel_id(project, target, python),
        kind=StepKind.WHEEL,
        key=_key("wheel", identity, target.tag, facts, {id: libraries[id].key for id in link}, {}),
        target=target,
        resolved=None,
        link=link,
        programs=(),
        # The name of its log, too, which two wheels for one target must not share.
        name=project.name if python == project.python else f"{project.name}-{python.abi}",
        version=project.version,
        python=python,
    )


def _library_id(resolved: ResolvedRecipe) -> str:
    # Headers alone are the same for every target: one step serves all.
    return (
        f"{resolved.name}:any"
        if resolved.build.system is BuildSystem.HEADERS
        else step_id(resolved.name, resolved.target)
    )


def step_id(name: str, target: Target) -> str:
    """Return the id of the step that builds `name` for a target."""
    return f"{name}:{target.tag}"


def wheel_id(project: Project, target: Target, python: PythonSpec) -> str:
    """Return the id of the step that builds the wheel of a target and a Python: `wheel:<tag>` for the first Python."""
    return step_id("wheel" if python == project.python else f"wheel-{python.abi}", target)


def _resolved_facts(resolved: ResolvedRecipe) -> object:
    return {
        **_recipe_facts(resolved.recipe),
        "linkage": resolved.linkage,
        "features": resolved.features,
        "build": asdict(resolved.build),
        "provides": resolved.provides,
        "evidence": resolved.evidence,
    }


def _recipe_facts(recipe: Recipe) -> dict[str, object]:
    return {
        "name": recipe.name,
        "version": recipe.version,
        "license": asdict(recipe.license),
        "source": recipe.source.sha256,
        "patches": [patch.sha256 for patch in recipe.source.patches],
        "build": asdict(recipe.build),
        "products": asdict(recipe.products),
        "files": recipe.files,
    }


def _key(*facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=dict).encode()).hexdigest()
