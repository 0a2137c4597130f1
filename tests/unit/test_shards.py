"""Shards: every step is in exactly one, they have about the same work, and every machine computes the same ones."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from everywheel.cli.main import main
from everywheel.config.project import load_project
from everywheel.planning.plan import make_plan
from everywheel.planning.shards import estimate_times, split_plan
from everywheel.planning.step_keys import Identities
from everywheel.planning.steps import Plan
from everywheel.platforms.target import Target

ROOT = Path(__file__).parents[2]
PROJECT = load_project(ROOT)
IDENTITIES = Identities(artifacts="a", toolchain="t", packaging="p")


def plan(targets: Sequence[Target] = PROJECT.released, identities: Identities = IDENTITIES) -> Plan:
    return make_plan(PROJECT, targets, identities)


@pytest.mark.parametrize("count", [1, 2, 5, 8, 200])
def test_every_step_is_in_exactly_one_shard_and_all_requirements_are_named(count: int) -> None:
    whole = plan()
    shards = split_plan(whole, count)

    assert sorted(id for shard in shards for id in shard.steps) == sorted(whole.steps)
    assert [str(shard.number) for shard in shards] == [f"{number}/{count}" for number in range(1, count + 1)]
    for shard in shards:
        required = {id for step in shard.steps for id in whole.steps[step].requires}
        assert required - set(shard.steps) == shard.needs.keys()
        assert all(id in shards[number - 1].steps for id, number in shard.needs.items())


@pytest.mark.parametrize(("count", "most"), [(2, 1.02), (5, 1.05), (8, 1.1)])
def test_the_shards_of_a_release_have_about_the_same_work(count: int, most: float) -> None:
    whole = plan()
    times = estimate_times(whole)
    work = [sum(times[id] for id in shard.steps) for shard in split_plan(whole, count)]

    assert max(work) <= most * sum(work) / count


def test_with_as_many_shards_as_targets_few_steps_wait_for_another_shard() -> None:
    """The steps of a target stay together: the only exceptions are those that several targets share, and a few for balance."""
    whole = plan(PROJECT.released[:2])

    assert sum(len(shard.needs) for shard in split_plan(whole, 2)) < len(whole.steps) / 10


def test_the_split_does_not_depend_on_the_keys() -> None:
    """Machines with other revisions of the toolkit refuse each other's results, but never disagree about the parts."""
    other = plan(identities=Identities(artifacts="x", toolchain="y", packaging="z"))

    assert [shard.steps for shard in split_plan(other, 5)] == [shard.steps for shard in split_plan(plan(), 5)]


def test_the_document_of_a_shard_has_its_steps_its_needs_and_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERYWHEEL_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(ROOT)
    options = ("--target", "win_amd64", "--target", "musllinux_1_2_x86_64", "--linkage", "static")

    def show(*args: str) -> dict[str, list[dict[str, str]]]:
        result = CliRunner().invoke(main, ["plan", *options, *args, "--json"])
        assert result.exit_code == 0, result.output
        document: dict[str, list[dict[str, str]]] = json.loads(result.output)
        return document

    steps = {step["id"]: step for step in show()["steps"]}
    shards = [show("--shard", f"{number}/3") for number in (1, 2, 3)]

    assert {step["id"]: step for shard in shards for step in shard["steps"]} == steps
    for number, shard in enumerate(shards, 1):
        assert list(shard) == ["shard", "command", "needs", "steps"]
        assert shlex.join(map(str, shard["command"])) == f"everywheel build {shlex.join(options)} --shard {number}/3"
        for need in shard["needs"]:
            assert need["key"] == steps[need["id"]]["key"]
            assert need["id"] in {step["id"] for step in shards[int(need["shard"]) - 1]["steps"]}
