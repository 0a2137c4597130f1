"""Queries to image registries: repeated where a registry is busy, given up where it does not answer."""

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
from everywheel.containers.runtime_images import RuntimeImages
from everywheel.errors import MachineError
from everywheel.execution.cancellation import Interrupted, cancellation_scope
from everywheel.execution.retry import RetryPolicy
from everywheel.platforms.architectures import ARCHES, Arch
from everywheel.store.local import Store

RATE_LIMIT = "toomanyrequests: You have reached your unauthenticated pull rate limit."
NO_HOST = 'Get "https://quay.io/v2/": dial tcp: lookup quay.io: no such host'


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


class FakeImages:
    """Images of a runtime whose registry fails for these reasons, one after the other, and then returns an image."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = list(reasons)
        self.queries: list[str] = []

    def find(self, reference: str, arch: Arch) -> str:
        return ""

    def pull(self, reference: str, arch: Arch) -> str:
        self.queries.append(reference.rpartition("/")[2].partition("@")[0])
        if self.reasons:
            raise MachineError(f"{reference} cannot be pulled", details={"reason": self.reasons.pop(0)})
        return "sha256:1"

    def find_digest(self, reference: str) -> str:
        return self.pull(reference, ARCHES["x86_64"])


def find_images(images: FakeImages, tmp_path: Path, *names: str) -> list[tuple[str, str]]:
    provider = ImageProvider(
        cast("RuntimeImages", images), Store(tmp_path), retry_policy=RetryPolicy(attempts=4, first_delay=0.01)
    )
    resolved = [provider.find(make_image(name), ARCHES["x86_64"]) for name in names]
    return [(image.reference, image.reason) for image in resolved]


def test_a_query_to_a_busy_registry_is_repeated(tmp_path: Path) -> None:
    images = FakeImages([RATE_LIMIT, "net/http: TLS handshake timeout"])

    assert find_images(images, tmp_path, "old") == [("sha256:1", "")]
    assert images.queries == ["old"] * 3


def test_a_registry_that_stays_busy_is_not_queried_for_another_image(tmp_path: Path) -> None:
    images = FakeImages([RATE_LIMIT] * 9)

    reason = f"quay.io returned no image after 4 attempts: {RATE_LIMIT}"
    assert find_images(images, tmp_path, "old", "new") == [("", reason)] * 2
    assert images.queries == ["old"] * 4


def test_a_registry_that_does_not_answer_is_queried_once(tmp_path: Path) -> None:
    images = FakeImages([NO_HOST] * 9)

    assert find_images(images, tmp_path, "old", "new") == [("", f"quay.io returned no image: {NO_HOST}")] * 2
    assert images.queries == ["old"]


def test_a_registry_without_one_image_is_queried_for_the_next(tmp_path: Path) -> None:
    images = FakeImages(["manifest unknown"])

    assert find_images(images, tmp_path, "old", "new") == [
        ("", "quay.io/pypa/old@sha256:0 cannot be pulled: manifest unknown"),
        ("sha256:1", ""),
    ]
    assert images.queries == ["old", "new"]


def test_a_query_for_a_digest_is_repeated_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everywheel.containers.registry._wait", (waited := []).append)
    images = FakeImages([RATE_LIMIT, RATE_LIMIT, NO_HOST])

    locked = resolve_digests([make_image(name) for name in ("old", "new")], cast("RuntimeImages", images))

    assert [(image.digests, image.reason) for image in locked] == [({}, f"quay.io: {NO_HOST}")] * 2
    assert (images.queries, waited) == (["old"] * 3, [0.0, *REGISTRY_RETRIES.delays[:2]])


def test_cancellation_ends_the_wait_for_a_registry(tmp_path: Path) -> None:
    provider = ImageProvider(
        cast("RuntimeImages", FakeImages([RATE_LIMIT] * 9)),
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
    ("reason", "busy", "missing"),
    [
        (RATE_LIMIT, True, False),
        ("unexpected status from GET request: 429 Too Many Requests", True, False),
        ("net/http: request canceled while waiting for connection (Client.Timeout exceeded)", True, False),
        ("received unexpected HTTP status: 503 Service Unavailable", True, False),
        ("dial tcp 10.0.0.1:443: i/o timeout", True, False),
        ("pull access denied for x, repository does not exist", False, True),
        ("manifest for x@sha256:0429 not found", False, True),
        (NO_HOST, False, False),
        ("dial tcp 127.0.0.1:443: connect: connection refused", False, False),
        ("timed out", False, False),  # the runtime itself stopped answering
    ],
)
def test_reasons_of_registries_are_classified(reason: str, busy: bool, missing: bool) -> None:
    assert (is_busy(reason), is_image_missing(reason)) == (busy, missing)
