"""Shards of the fixture project on machines that share only a remote store: the same wheels, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

from everywheel.cluster.shard_build import build_shard
from everywheel.config.project import load_project
from everywheel.execution.notices import listen_to_notices
from everywheel.pipeline import BuildOptions, SilentListener, plan_targets
from everywheel.planning.shards import split_plan
from everywheel.remote.opening import RemoteOptions
from everywheel.sources.locations import find_locations
from everywheel.store.local import Store
from fixture_project import FixtureProject
from remote_stores import make_key

TARGET = "manylinux2014_x86_64"


def test_two_shards_at_the_same_time_build_the_wheels_of_one_machine(project: FixtureProject, tmp_path: Path) -> None:
    """Each has a store of its own; the wheels are then received by a machine that has built them itself."""
    key, remote = make_key(tmp_path / "key"), tmp_path / "remote"
    options = ("--remote", str(remote), "--remote-sign-key", str(key), "--jobs", "1", "--target", TARGET)
    shards = []
    for number in (1, 2):
        project.new_store(f"store-{number}")
        shards.append(project.start("build", "--shard", f"{number}/2", "--json", *options))
    reports = []
    for shard in shards:
        output, errors = shard.communicate()
        assert shard.returncode == 0, errors
        reports.append(json.loads(output))

    built = [{step["id"]: step["outcome"] for step in report["steps"]} for report in reports]
    assert built[0]
    assert built[1]
    assert not built[0].keys() & built[1].keys()
    assert {*built[0].values(), *built[1].values()} == {"done"}
    assert len(built[0]) + len(built[1]) == len(list((remote / "entries").iterdir()))
    wheels = project.wheels()
    assert len(wheels) == 1
    project.new_store("own-store")
    project.build("--target", TARGET)
    assert project.wheels() == wheels


def test_a_shard_builds_what_no_other_shard_sends(project: FixtureProject, tmp_path: Path) -> None:
    loaded = load_project(project.root)
    target = loaded.targets[0]
    options = BuildOptions(
        jobs=2,
        remote=RemoteOptions(addresses=(str(tmp_path / "remote"),), sign_key=make_key(tmp_path / "key")),
        locations=find_locations(loaded.sources, {"EVERYWHEEL_MIRRORS": str(project.mirror)}),
    )
    shards = split_plan(plan_targets(loaded, [target]), 2)
    shard = next(shard for shard in shards if shard.needs)
    notices: list[str] = []
    with listen_to_notices(notices.append):
        plan, results = build_shard(
            loaded, [target], shard.number, Store(project.store), options, SilentListener(), patience=0.5
        )

    assert [result.error for result in results] == [None] * len(results)
    assert {result.id for result in results} == plan.steps.keys() == set(shard.steps)
    assert {notice.partition(":")[2] for notice in notices} == {
        f" not received from shard {number} after 0 s without progress; it is built here"
        for number in shard.needs.values()
    }
