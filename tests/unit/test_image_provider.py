"""Images are asked of a registry with patience where it is busy, and with none where it is not there."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
from everywheel.containers.catalog import SmokeImage
from everywheel.containers.image_provider import ImageProvider
from everywheel.containers.lock import resolve_digests
from everywheel.containers.registry import REGISTRY_RETRIES, is_busy, is_image_missing
from everywheel.containers.runtime import Runtime
from everywheel.errors import MachineError
from everywheel.execution.cancellation import Interrupted, cancellation_scope
from everywheel.execution.retry import RetryPolicy
from everywheel.platforms.architectures import ARCHES, Arch
from everywheel.store.local import Store

LIMIT = "toomanyrequests: You have reached your unauthenticated pull rate limit."
NOBODY = 'Get "https://quay.io/v2/": dial tcp: lookup quay.io: no such host'


def make_image(name: str) -> SmokeImage:
    return SmokeImage(
        name=name,
        libc="glibc",
        libc_version=(2, 17),
        arches=("x86_64",),
        reference=f"quay.io/pypa/{name}",
        digests={"any": "sha256:0"},
        cpu={},
    )


class Registry:
    """A runtime whose registry answers with these words, one after the other, and then gives an image."""

    def __init__(self, answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def find_image(self, reference: str, arch: Arch) -> str:
        return ""

    def pull_image(self, reference: str, arch: Arch) -> str:
        self.asked.append(reference.rpartition("/")[2].partition("@")[0])
        if self.answers:
            raise MachineError(f"{reference} cannot be pulled", details={"reason": self.answers.pop(0)})
        return "sha256:1"

    def find_digest(self, reference: str) -> str:
        return self.pull_image(reference, ARCHES["x86_64"])


def ask(registry: Registry, tmp_path: Path, *names: str) -> list[tuple[str, str]]:
    provider = ImageProvider(
        cast("Runtime", registry), Store(tmp_path), retry_policy=RetryPolicy(attempts=4, first_delay=0.01)
    )
    found = [provider.find(make_image(name), ARCHES["x86_64"]) for name in names]
    return [(one.reference, one.reason) for one in found]


def test_a_registry_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    registry = Registry([LIMIT, "net/http: TLS handshake timeout"])

    found = ask(registry, tmp_path, "old")

    assert found == [("sha256:1", "")]
    assert registry.asked == ["old"] * 3


def test_one_that_stays_busy_is_left_alone_and_its_last_words_are_told(tmp_path: Path) -> None:
    registry = Registry([LIMIT] * 9)

    found = ask(registry, tmp_path, "old", "new")

    assert found == [("", f"quay.io gives no image, asked 4 times: {LIMIT}")] * 2
    assert registry.asked == ["old"] * 4


def test_one_that_is_not_there_is_asked_once(tmp_path: Path) -> None:
    registry = Registry([NOBODY] * 9)

    found = ask(registry, tmp_path, "old", "new")

    assert found == [("", f"quay.io gives no image: {NOBODY}")] * 2
    assert registry.asked == ["old"]


def test_one_that_lacks_an_image_is_asked_for_the_next(tmp_path: Path) -> None:
    registry = Registry(["manifest unknown"])

    found = ask(registry, tmp_path, "old", "new")

    assert found == [("", "quay.io/pypa/old@sha256:0 cannot be pulled: manifest unknown"), ("sha256:1", "")]
    assert registry.asked == ["old", "new"]


def test_a_busy_registry_is_asked_again_for_a_digest_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everywheel.containers.registry._wait", (waited := []).append)
    registry = Registry([LIMIT, LIMIT, NOBODY])

    found = resolve_digests([make_image(name) for name in ("old", "new")], cast("Runtime", registry))

    assert [(one.digests, one.reason) for one in found] == [({}, f"quay.io: {NOBODY}")] * 2
    assert (registry.asked, waited) == (["old"] * 3, [0.0, *REGISTRY_RETRIES.delays[:2]])


def test_cancellation_ends_the_wait_for_a_registry(tmp_path: Path) -> None:
    registry = Registry([LIMIT] * 9)
    provider = ImageProvider(
        cast("Runtime", registry),
        Store(tmp_path),
        retry_policy=RetryPolicy(attempts=2, first_delay=60.0, max_delay=60.0),
    )
    began = time.monotonic()

    with cancellation_scope() as cancellation:
        threading.Timer(0.2, cancellation.cancel).start()
        with pytest.raises(Interrupted):
            provider.find(make_image("old"), ARCHES["x86_64"])
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("words", "busy", "lacking"),
    [
        (LIMIT, True, False),
        ("unexpected status from GET request: 429 Too Many Requests", True, False),
        ("net/http: request canceled while waiting for connection (Client.Timeout exceeded)", True, False),
        ("received unexpected HTTP status: 503 Service Unavailable", True, False),
        ("dial tcp 10.0.0.1:443: i/o timeout", True, False),
        ("pull access denied for x, repository does not exist", False, True),
        ("manifest for x@sha256:0429 not found", False, True),
        (NOBODY, False, False),
        ("dial tcp 127.0.0.1:443: connect: connection refused", False, False),
        ("timed out", False, False),  # what the runtime itself says when it stopped answering
    ],
)
def test_what_registries_say_is_understood(words: str, busy: bool, lacking: bool) -> None:
    assert (is_busy(words), is_image_missing(words)) == (busy, lacking)
