"""Lookup of the results of steps: in the store, then in remote stores; what neither has must be built."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from everywheel.execution.notices import report_notice
from everywheel.planning.steps import Plan, Step
from everywheel.remote.stores import RemoteStores
from everywheel.store.local import Store


def find_missing(
    plan: Plan, store: Store, results: Collection[str] = (), is_stored: Callable[[Step], bool] | None = None
) -> Plan:
    """Return the steps that must be built.

    These are the missing steps among `results`, by default the plan's final ones, and, recursively, among the requirements of
    each missing step. A requirement of a step that is in the store is not built, even if it is missing itself. `is_stored`
    replaces the look into the store, which does not compare hashes.
    """
    missing: dict[str, Step] = {}
    required = {requirement for step in plan.steps.values() for requirement in step.requires}
    needed = set(results) or set(plan.steps) - required
    for id in reversed(list(plan.steps)):
        step = plan.steps[id]
        if id not in needed:
            continue
        if not (store.find(step.key) is not None if is_stored is None else is_stored(step)):
            missing[id] = step
            needed |= set(step.requires)
    return Plan(steps={id: missing[id] for id in plan.steps if id in missing}, priority=plan.priority)


def is_intact(store: Store, step: Step) -> bool:
    """Return whether the store has the result of a step; a damaged one is removed and reported."""
    if store.drop_damaged(step.key):
        report_notice(f"{step.label}: its file in the store was damaged; building it again")
        return False
    return store.find(step.key) is not None


def fetch_missing(plan: Plan, store: Store, remotes: RemoteStores, results: Collection[str] = ()) -> Plan:
    """Receive the results of steps that the store does not have from remote stores; return the steps that must be built.

    The requirements of a step are looked up only if no remote has the step: of a wheel that a remote has, no library is
    received. Raises MachineError when the store cannot be written.
    """
    intact: dict[str, bool] = {}
    tried: set[str] = set()

    def is_stored(step: Step) -> bool:
        if step.id not in intact:
            intact[step.id] = is_intact(store, step)
        return intact[step.id]

    while remotes.exchanges:
        wanted: list[Step] = []
        find_missing(plan, store, results, is_stored=partial(_is_available, is_stored, tried, wanted))
        if not wanted:
            break
        tried |= {step.id for step in wanted}
        intact |= dict.fromkeys(remotes.fetch(wanted), True)
    return find_missing(plan, store, results, is_stored=is_stored)


def _is_available(is_stored: Callable[[Step], bool], tried: set[str], wanted: list[Step], step: Step) -> bool:
    """Return whether the store has a step, or a remote may have it, in which case it is added to `wanted`."""
    if is_stored(step):
        return True
    if step.id in tried:
        return False
    wanted.append(step)
    return True
