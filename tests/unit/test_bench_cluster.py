"""The simulation of a cluster: exact for one worker, never below the longest path, and the same as on the page."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from bench_cluster import (
    BYTES_PER_SECOND,
    MEASURED,
    OVERHEAD,
    PAGE,
    RECIPES,
    TARGETS,
    WORKERS,
    Measured,
    assign,
    find_critical_path,
    make_table,
    simulate,
)
from bench_planning import IDENTITIES, make_project, make_targets
from everywheel.planning.plan import make_plan
from everywheel.planning.steps import Plan


@pytest.fixture(scope="module")
def work() -> tuple[Plan, Mapping[str, Measured]]:
    project = make_project(RECIPES)
    plan = make_plan(project, make_targets(project, TARGETS), IDENTITIES)
    return plan, assign(plan, [Measured(**row) for row in json.loads(MEASURED.read_text())])


def test_one_worker_builds_one_step_after_another_and_receives_nothing(
    work: tuple[Plan, Mapping[str, Measured]],
) -> None:
    plan, costs = work
    result = simulate(plan, costs, 1)

    size = sum(costs[id].size for id in plan.steps)
    expected = sum(costs[id].seconds + OVERHEAD for id in plan.steps) + size / BYTES_PER_SECOND
    assert result.seconds == pytest.approx(expected)
    assert result.moved == 2 * size


def test_the_page_has_the_current_simulation(work: tuple[Plan, Mapping[str, Measured]]) -> None:
    plan, costs = work
    results = [simulate(plan, costs, workers) for workers in WORKERS]

    assert make_table(results, plan, costs) in PAGE.read_text()
    assert all(result.seconds > find_critical_path(plan, costs) for result in results)
    assert all(0 < result.utilization < 1 for result in results)
