"""Shards: a plan split into parts of about the same work, for machines that share a remote store and nothing else.

The split depends only on the plan's steps and their number of parts, not on what a store has, so that every machine computes
the same one by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from everywheel.errors import UsageError
from everywheel.planning.steps import Plan

MOST_SHARDS = 1000
_TRANSFER = (
    0.25  # of the time of a small library: how much later a step can start whose requirement another shard builds
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardNumber:
    """One of `count` shards; `index` is its number, from 1."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A part of a plan: the ids of its steps in topological order, and of those of other shards that they require.

    `needs` maps the id of each required step to the number of its shard.
    """

    number: ShardNumber
    steps: tuple[str, ...]
    needs: Mapping[str, int]


def parse_shard(text: str) -> ShardNumber:
    """Return the shard that a text such as `2/5` names; raise UsageError for any other."""
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if match is None:
        raise UsageError(
            f"'--shard {text}' does not have the form INDEX/COUNT", hint="`--shard 2/5` is the second of five shards"
        )
    index, count = int(match[1]), int(match[2])
    if not 1 <= count <= MOST_SHARDS:
        raise UsageError(
            f"'--shard {text}': a plan has 1 to {MOST_SHARDS} shards, not {count}",
            hint="`--shard 2/5` is the second of five shards",
        )
    if not 1 <= index <= count:
        raise UsageError(
            f"'--shard {text}': there is no shard {index} of {count}",
            hint=f"the shards are 1/{count} to {count}/{count}" if count > 1 else "the only shard is 1/1",
        )
    return ShardNumber(index=index, count=count)


def split_plan(plan: Plan, count: int) -> tuple[Shard, ...]:
    """Split a plan into shards; each step is in exactly one, and a shard may be empty.

    Steps are assigned in the order of their priorities, each to the shard that can start it first if every shard builds one
    step after another. A requirement in another shard delays a step, so that the steps of a target stay together.
    """
    weights = estimate_times(plan)
    shards: dict[str, int] = {}
    finished: dict[str, float] = {}
    free = [0.0] * count
    for id in sorted(plan.steps, key=lambda id: (-plan.priority[id], id)):
        requires = plan.steps[id].requires
        starts = [
            max(
                [free[shard], *(finished[other] + _TRANSFER * (shards[other] != shard) for other in requires)],
                default=0.0,
            )
            for shard in range(count)
        ]
        best = min(range(count), key=lambda shard: (starts[shard], -sum(shards[r] == shard for r in requires), shard))
        shards[id] = best
        finished[id] = free[best] = starts[best] + weights[id]
    return tuple(_make_shard(plan, shards, ShardNumber(index=number + 1, count=count)) for number in range(count))


def estimate_times(plan: Plan) -> dict[str, float]:
    """Return the estimated time of each step, as a multiple of that of a small library: what it adds to its priority."""
    after: dict[str, float] = dict.fromkeys(plan.steps, 0.0)
    for id, step in plan.steps.items():
        for requirement in step.requires:
            after[requirement] = max(after[requirement], plan.priority[id])
    return {id: plan.priority[id] - after[id] for id in plan.steps}


def _make_shard(plan: Plan, shards: Mapping[str, int], number: ShardNumber) -> Shard:
    own = tuple(id for id in plan.steps if shards[id] == number.index - 1)
    required = {requirement for id in own for requirement in plan.steps[id].requires}
    needs = {id: shards[id] + 1 for id in plan.steps if id in required and shards[id] != number.index - 1}
    return Shard(number=number, steps=own, needs=needs)
