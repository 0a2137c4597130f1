"""Texts and resources that machines of a cluster exchange: none of them is believed unchecked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from everywheel.cluster.capabilities import MEMORY, explain_misfit, fits, list_capabilities, list_requirements
from everywheel.cluster.step_builder import StepBuilder
from everywheel.cluster.step_description import InvalidDescription, StepDescription, StepReport, describe_error
from everywheel.config.recipe import Linkage
from everywheel.errors import MachineError, SourceError
from everywheel.execution.notices import listen_to_notices
from everywheel.execution.scheduler import Outcome
from everywheel.pipeline import BuildOptions
from everywheel.planning.steps import WheelStep
from everywheel.sources.progress import ignore_progress
from everywheel.store.local import Store
from everywheel.toolchains.compilers import EngineName
from remote_stores import PLAN, PROJECT, ZLIB, finish, make_key, open_exchanges

DESCRIPTION = StepDescription(
    run="run",
    project="1" * 64,
    root="project",
    config="",
    name="example",
    version="1.0",
    id="zlib:any",
    key="2" * 64,
    label="zlib 1.0 for any",
    target="win_amd64",
    engine=EngineName.ZIG,
    linkage=Linkage.STATIC,
    profiles=("libvips=web",),
    pythons=(),
    requires=(),
    verbose=False,
)
REPORT = StepReport(worker="one", outcome=Outcome.DONE, sha256="3" * 64, log="$ make\n", notices=("a notice",))


def change(text: str, **changes: Any) -> str:
    return json.dumps({**json.loads(text), **changes})


def test_a_description_and_a_report_are_the_same_after_the_transfer() -> None:
    assert StepDescription.parse(DESCRIPTION.to_json()) == DESCRIPTION
    assert StepReport.parse(REPORT.to_json()) == REPORT


@pytest.mark.parametrize(
    "changes",
    [
        {"root": "../project"},
        {"root": "/etc"},
        {"config": "a/../../b"},
        {"key": "zlib"},
        {"project": "../" + "1" * 61},
        {"engine": "make"},
        {"linkage": None},
        {"profiles": [1]},
        {"id": {}},
        {"format": 1},
        {"image": None},
    ],
    ids=str,
)
def test_another_description_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidDescription):
        StepDescription.parse(change(DESCRIPTION.to_json(), **changes))


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        None,
        "no JSON",
        "[" * 100_000,
        "[]",
        change(REPORT.to_json(), sha256="no hash"),
        change(REPORT.to_json(), sha256=""),
        change(REPORT.to_json(), error={}),
        change(REPORT.to_json(), outcome="finished"),
        change(REPORT.to_json(), notices=1),
        change(REPORT.to_json(), log=["lines"]),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_another_report_is_refused(text: object) -> None:
    with pytest.raises(InvalidDescription):
        StepReport.parse(text)


def test_an_error_arrives_with_its_kind_and_names_the_log_of_this_machine(tmp_path: Path) -> None:
    error = SourceError(
        "no source", details={"tried": 3}, excerpt=["a line"], log=Path("/worker/log"), hint="try again"
    )
    failed = replace(REPORT, sha256="", outcome=Outcome.FAILED, error=describe_error(error))

    received = StepReport.parse(failed.to_json()).make_error(tmp_path / "log")

    assert isinstance(received, SourceError)
    assert received.render() == error.render().replace("/worker/log", str(tmp_path / "log"))


def test_a_worker_of_this_machine_fits_and_each_difference_has_its_reason() -> None:
    wheel = next(step for step in PLAN.steps.values() if isinstance(step, WheelStep))
    required = list_requirements(wheel, EngineName.ZIG)
    own = list_capabilities((EngineName.ZIG,), 2, 8e9)
    (wheels,) = (name for name in own if " wheels " in name)
    other = {name: amount for name, amount in own.items() if name != wheels}

    assert fits(own, required)
    misfits = {
        "it was not started by `everywheel worker`": {},
        "it has no engine 'zig'": {name: 1.0 for name in own if " engine " not in name},
        "it has only 0.5 GB of memory": {**own, MEMORY: 0.5},
        f"it is other Python 3.1, and this machine {wheels.partition(' wheels ')[2]}": {
            **other,
            "everywheel wheels other Python 3.1": 1.0,
        },
    }
    for reason, offered in misfits.items():
        assert not fits(offered, required)
        assert explain_misfit(offered, required, EngineName.ZIG) == reason
    assert fits(other, list_requirements(ZLIB, EngineName.ZIG)), "libraries are built on every kind of machine"


def test_a_result_that_no_remote_store_accepts_is_an_error_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "remote").write_text("a file")
    key, store = make_key(tmp_path / "key"), Store(tmp_path / "store")
    finish(store, ZLIB)
    exchanges = open_exchanges(str(tmp_path / "remote"), key=key, sign=True)
    builder = StepBuilder(store, exchanges, BuildOptions(jobs=1), ignore_progress)
    notices: list[str] = []

    with listen_to_notices(notices.append), pytest.raises(MachineError) as raised:
        builder.build(ZLIB, PLAN, PROJECT, lambda stage: None)

    assert raised.value.render() == (
        f"error: {ZLIB.label}: no remote store accepted the result\n"
        f"  remote stores: {tmp_path / 'remote'}\n"
        "  hint: the warnings have the reasons; the result is in the store of the machine that built it"
    )
    assert notices == [f"remote store {tmp_path / 'remote'}: artifact {ZLIB.label}: not a directory"]
