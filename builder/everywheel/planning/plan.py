"""Planning: the steps that a project requires, in order, each with its cache key. No disk or network access.

A cache key is the sha256 of everything that can change the result of a step: the resolved recipe and its files, the source
and the patches, the toolchain, the target, and the cache keys of the required steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from everywheel.config.file_names import wheel_name
from everywheel.config.pins import digest_pins
from everywheel.config.project import Project
from everywheel.config.python_spec import PythonSpec
from everywheel.config.recipe import Linkage
from everywheel.planning.graph import longest_paths, sort_topologically
from everywheel.planning.library_planner import LibraryPlanner
from everywheel.planning.step_keys import Identities, digest_facts
from everywheel.planning.steps import LibraryStep, Plan, Step, StepKind, WheelStep, step_id
from everywheel.platforms.target import Target


def make_plan(
    project: Project, targets: Sequence[Target], identities: Identities, *, machine: Target | None = None
) -> Plan:
    """Plan the libraries of each target and its wheels, one for each Python.

    Programs that run during a build are built for `machine`, by default the build machine.
    Raises UsageError for recipes that require each other in a cycle.
    """
    planner = LibraryPlanner(project, identities, machine)
    steps: dict[str, Step] = {}
    for target in targets:
        chosen = project.for_target(target)
        for python in project.choose_pythons(target):
            libraries = planner.plan(target, (*chosen.requires, python.headers))
            steps |= libraries
            wheel = _plan_wheel(chosen.for_python(python), target, python, libraries, identities)
            steps[wheel.id] = wheel
    return finish_plan(steps)


def finish_plan(steps: Mapping[str, Step]) -> Plan:
    """Sort steps topologically and compute their priorities."""
    edges = {id: step.direct for id, step in steps.items()}
    order = sort_topologically(edges)
    weights = {id: _weight(step) for id, step in steps.items()}
    return Plan(steps={id: steps[id] for id in order}, priority=longest_paths(edges, order, weights))


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
    return LibraryPlanner(project, identities, machine).plan(target, roots)


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
        **({"data": dict(project.data)} if project.data else {}),
        **({"revision": project.revision} if project.revision else {}),
        **({"backend python": project.backend_version} if project.backend_version else {}),
        "exports": project.exports,
    }
    return WheelStep(
        id=wheel_id(project, target, python),
        key=digest_facts("wheel", asdict(identities), target.tag, facts, {id: libraries[id].key for id in link}),
        name=project.name if python == project.python else f"{project.name}-{python.label}",
        version=project.version,
        target=target,
        python=python,
        link=link,
        debug_data=identities.debug_data,
    )


def wheel_id(project: Project, target: Target, python: PythonSpec) -> str:
    """Return the id of the step that builds the wheel of a target and a Python: `wheel:<tag>` for the first Python."""
    return step_id("wheel" if python == project.python else f"wheel-{python.label}", target.tag)
