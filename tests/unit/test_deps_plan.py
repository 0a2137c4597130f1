"""The steps of `everywheel deps`."""

from __future__ import annotations

from pathlib import Path

from everywheel.cli.deps import _plan_deps
from everywheel.config.project import load_project
from everywheel.planning.plan import make_plan
from everywheel.planning.step_keys import Identities
from everywheel.planning.steps import StepKind

IDENTITIES = Identities(artifacts="a", toolchain="t", packaging="p")


def test_the_libraries_of_a_project_are_planned_without_the_headers_of_its_python() -> None:
    project = load_project(Path(__file__).parents[2])
    wheels = make_plan(project, project.targets, IDENTITIES)
    headers = {python.headers for python in project.pythons}

    steps = _plan_deps(project, project.targets, IDENTITIES, ()).steps

    expected = {id: step.key for id, step in wheels.steps.items() if step.kind is not StepKind.WHEEL}
    assert {id: step.key for id, step in steps.items()} == {
        id: key for id, key in expected.items() if wheels.steps[id].name not in headers
    }
    assert headers & {step.name for step in wheels.steps.values()}
