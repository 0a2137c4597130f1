"""Container steps of a cluster: their placement by runtime and processor, and the request for a build image."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from distributed import Client, LocalCluster
from everywheel.cluster.capabilities import (
    MEMORY,
    explain_misfit,
    fits,
    list_capabilities,
    list_container_requirements,
)
from everywheel.cluster.container_plan import request_image
from everywheel.cluster.image_request import ImageAnswer, ImageRequest, answer_request
from everywheel.cluster.step_description import InvalidDescription
from everywheel.containers.image_choice import list_candidates
from everywheel.errors import MachineError
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.target import parse_target
from everywheel.toolchains.compilers import EngineName
from test_container_builds import CATALOG, FakeImages

ARM, INTEL = ARCHES["aarch64"], ARCHES["x86_64"]
CONTAINER = EngineName.CONTAINER
# An x86_64 machine with QEMU, an arm64 machine, an x86_64 machine without QEMU, and one without a runtime.
EMULATING = list_capabilities((EngineName.ZIG, CONTAINER), 2, 8e9, {INTEL: True, ARM: False})
NATIVE = list_capabilities((CONTAINER,), 2, 8e9, {ARM: True})
PLAIN = list_capabilities((CONTAINER,), 2, 8e9, {INTEL: True})
BARE = list_capabilities((EngineName.ZIG,), 2, 8e9)


def test_a_container_step_for_arm64_is_only_built_by_an_arm64_worker_if_there_is_one() -> None:
    required = list_container_requirements(ARM, [EMULATING, PLAIN, NATIVE])

    assert [fits(worker, required) for worker in (EMULATING, PLAIN, NATIVE, BARE)] == [False, False, True, False]
    reason = "it would emulate aarch64, which the processor of another worker runs"
    assert explain_misfit(EMULATING, required, CONTAINER) == reason


def test_without_an_arm64_worker_one_with_an_emulator_builds_its_steps() -> None:
    required = list_container_requirements(ARM, [EMULATING, PLAIN])

    assert [fits(worker, required) for worker in (EMULATING, PLAIN, BARE)] == [True, False, False]


def test_each_worker_that_cannot_build_in_containers_has_its_reason() -> None:
    required = list_container_requirements(ARM, [EMULATING])
    misfits = {
        "it has no container runtime": BARE,
        "it runs no containers for aarch64: it has another processor, and no emulator": PLAIN,
        "it has only 1.0 GB of memory": {**EMULATING, MEMORY: 1.0},
        "it was not started by `everywheel worker`": {},
    }

    assert {explain_misfit(offered, required, CONTAINER) for offered in misfits.values()} == set(misfits)
    for reason, offered in misfits.items():
        assert explain_misfit(offered, required, CONTAINER) == reason


def test_a_worker_builds_one_wheel_in_a_container_at_a_time() -> None:
    required = list_container_requirements(INTEL, [EMULATING])

    assert fits(EMULATING, required)
    assert not fits(EMULATING, {name: 2 * amount for name, amount in required.items() if name != MEMORY})
    twice = [name for name, amount in required.items() if EMULATING[name] < 2 * amount and name != MEMORY]
    assert twice == ["everywheel container runtime"]


REQUEST = ImageRequest(arch=ARM, candidates={"registry": "example.org/image@sha256:1", "local": None})


def test_a_request_and_its_answer_are_the_same_after_the_transfer() -> None:
    answer = ImageAnswer(worker="one", name="local", reasons={"registry": "no such host"})

    assert ImageRequest.parse(REQUEST.to_json()) == REQUEST
    assert ImageAnswer.parse(answer.to_json()) == answer


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        "{}",
        json.dumps({"arch": "vax", "candidates": []}),
        json.dumps({"arch": "x86_64", "candidates": 1}),
    ],
)
def test_another_request_is_refused(text: str) -> None:
    with pytest.raises(InvalidDescription):
        ImageRequest.parse(text)


@pytest.mark.parametrize("text", [None, "{}", json.dumps({"worker": "one", "name": "local", "reasons": []})], ids=repr)
def test_another_answer_is_refused(text: object) -> None:
    with pytest.raises(InvalidDescription):
        ImageAnswer.parse(text)


def test_the_first_image_that_the_runtime_of_a_worker_can_use_is_chosen() -> None:
    request = ImageRequest.of(list_candidates(parse_target("manylinux_2_36_aarch64"), CATALOG))
    images: Any = FakeImages()

    answer = answer_request(request, "one", images, pull=True)

    assert answer.name == "debian-12"
    assert list(answer.reasons) == ["manylinux2014"]


def test_without_an_image_the_answer_has_the_reason_of_each_candidate() -> None:
    request = ImageRequest(arch=ARM, candidates={"unlocked": "", "absent": "example.org/image@sha256:1"})
    images: Any = FakeImages()

    answer = answer_request(request, "one", images, pull=False)

    assert answer.name == ""
    assert answer.reasons == {
        "unlocked": "it has no digest: run `everywheel images lock`",
        "absent": "it is not pulled yet",
    }


def test_a_request_that_no_worker_answers_ends_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everywheel.cluster.container_plan._REQUEST_SECONDS", 0.5)
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
        pytest.raises(MachineError) as caught,
    ):
        request_image(client, REQUEST, {"a runtime that is in use": 1.0}, parse_target("manylinux2014_x86_64"))

    assert caught.value.fact == "no worker has found a build image for manylinux_2_17_x86_64"
    assert re.fullmatch(r"there is no answer after \d+ s", str(caught.value.details["reason"]))
