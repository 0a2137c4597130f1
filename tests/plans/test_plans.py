"""The plan of every released target as text: the steps, their linkage and features, and the steps that they require.

`pytest tests/plans --update` writes the current plans to the files; read the difference before you commit it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.config.project import load_project
from everywheel.planning.plan import make_plan
from everywheel.planning.step_keys import Identities
from everywheel.planning.steps import LibraryStep, StepKind
from everywheel.platforms.target import Target, build_machine_target

PROJECT = load_project(Path(__file__).parents[2])
IDENTITIES = Identities(artifacts="a", toolchain="t", packaging="p")


def describe_plan(target: Target) -> str:
    lines = []
    plan = make_plan(PROJECT, [target], IDENTITIES)
    for id, step in plan.steps.items():
        name = id.replace(build_machine_target().tag, "{build machine}") if step.kind is StepKind.PROGRAM else id
        line = f"{name}: {step.kind}"
        if isinstance(step, LibraryStep):
            recipe = step.recipe
            line += f" {recipe.linkage} {recipe.build.system}"
            line += f" ({' '.join(recipe.features)})" if recipe.features else ""
        lines.append(line)
        lines += [f"    {plan.steps[need].name}" for need in step.requires]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("target", PROJECT.released, ids=lambda target: target.tag)
def test_the_plan_of_a_target_is_the_one_in_its_file(target: Target, request: pytest.FixtureRequest) -> None:
    expected = Path(__file__).with_name(f"{target.tag}.txt")

    plan = describe_plan(target)

    if request.config.getoption("--update"):
        expected.write_text(plan)
    assert plan == expected.read_text()
