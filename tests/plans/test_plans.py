"""The plan of every target of a release, as text: what is built, how it is linked, against what.

`pytest tests/plans --update` writes the plans as they are now; read the difference before you commit it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.config.project import load_project
from everywheel.planning.plan import StepKind, make_plan
from everywheel.platforms.target import Target, build_machine_target

PROJECT = load_project(Path(__file__).parents[2])


def describe_plan(target: Target) -> str:
    lines = []
    for id, step in make_plan(PROJECT, [target], toolchain="t", packaging="p").steps.items():
        name = id.replace(build_machine_target().tag, "{build machine}") if step.kind is StepKind.PROGRAM else id
        how = f" {step.resolved.linkage} {step.resolved.build.system}" if step.resolved else ""
        features = f" ({' '.join(step.resolved.features)})" if step.resolved and step.resolved.features else ""
        lines.append(f"{name}: {step.kind}{how}{features}")
        lines += [f"    {need.partition(':')[0]}" for need in step.requires]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("target", PROJECT.released, ids=lambda target: target.tag)
def test_the_plan_is_this(target: Target, request: pytest.FixtureRequest) -> None:
    golden = Path(__file__).with_name(f"{target.tag}.txt")

    plan = describe_plan(target)

    if request.config.getoption("--update"):
        golden.write_text(plan)
    assert plan == golden.read_text()
