"""Attestations of an index: a wheel and its provenance object, recorded from a project that publishes with CircleCI.

The folder `index_attestation` has both as the test data of pypi-attestations (Apache-2.0) has them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from everywheel.provenance.checks import Check, Verdict
from everywheel.provenance.verify import Evidence, verify_wheel

attestations = pytest.importorskip("pypi_attestations", reason="requires the extra `attestations`")

(RECORDED,) = (Path(__file__).parent / "index_attestation").glob("*.whl")
PUBLISHER = "circleci.com/fdd9283f-e619-46af-8f9c-851f7d3e8b2b"
PUBLISHED = f"published by {PUBLISHER}: {attestations.AttestationType.PYPI_PUBLISH_V1.value}"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    for file in (RECORDED, RECORDED.with_name(f"{RECORDED.name}.provenance")):
        shutil.copyfile(file, tmp_path / file.name)
    return tmp_path / RECORDED.name


def check_index(wheel: Path, **evidence: Any) -> Check | None:
    return next((check for check in verify_wheel(wheel, Evidence(**evidence)) if check.name == "index"), None)


def test_a_wheel_was_published_by_the_stated_publisher(wheel: Path) -> None:
    assert check_index(wheel, publisher=PUBLISHER) == Check(name="index", verdict=Verdict.OK, detail=PUBLISHED)


def test_any_publisher_can_sign_so_that_the_right_one_must_be_stated(wheel: Path) -> None:
    unstated, other = (
        check_index(wheel),
        check_index(wheel, publisher="github.com/CircleCI-Public/sign-and-publish-examples"),
    )

    assert unstated is not None
    assert (unstated.verdict, unstated.detail) == (
        Verdict.NOT_CHECKED,
        f"{PUBLISHED}; which publisher is right is not stated (`--publisher NAME`)",
    )
    assert other is not None
    assert (other.verdict, other.detail) == (
        Verdict.FAILED,
        f"published by {PUBLISHER}, not github.com/CircleCI-Public/sign-and-publish-examples",
    )


def test_without_an_object_only_a_stated_publisher_is_checked(wheel: Path) -> None:
    wheel.with_name(f"{wheel.name}.provenance").unlink()

    missing = check_index(wheel, publisher=PUBLISHER)

    assert check_index(wheel) is None
    assert missing is not None
    assert missing.verdict is Verdict.NOT_CHECKED
    assert missing.detail == f"there is no {wheel.name}.provenance (`--attestation FILE` names another one)"


def test_a_cache_that_cannot_be_used_is_named(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = wheel.with_name("file")
    file.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    monkeypatch.setenv("HOME", str(file))

    result = check_index(wheel, publisher=PUBLISHER)

    assert result is not None
    assert result.verdict is Verdict.FAILED
    assert "Not a directory" in result.detail


def name_other_publisher(document: dict[str, Any]) -> None:
    document["attestation_bundles"][0]["publisher"]["vcs_origin"] = "github.com/example/demo"


def change_signature(document: dict[str, Any]) -> None:
    envelope = document["attestation_bundles"][0]["attestations"][0]["envelope"]
    envelope["signature"] = f"{'A' * 8}{envelope['signature'][8:]}"


def remove_attestations(document: dict[str, Any]) -> None:
    document["attestation_bundles"] = []


def repeat_attestations(document: dict[str, Any]) -> None:
    document["attestation_bundles"] *= 101


@pytest.mark.parametrize(
    ("change", "publisher", "reason"),
    [
        (name_other_publisher, "github.com/example/demo", "Verification failed: "),
        (change_signature, PUBLISHER, "Verification failed: "),
        (remove_attestations, PUBLISHER, "it has no attestation"),
        (
            repeat_attestations,
            PUBLISHER,
            "it is not a provenance object of an index (PEP 740): it has 101 attestations",
        ),
    ],
)
def test_a_changed_object_fails(
    change: Callable[[dict[str, Any]], None], publisher: str, reason: str, wheel: Path
) -> None:
    file = wheel.with_name(f"{wheel.name}.provenance")
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))

    check = check_index(wheel, publisher=publisher)

    assert check is not None
    assert check.verdict is Verdict.FAILED
    assert check.detail.startswith(f"{file.name}: {reason}")


def test_an_object_of_another_wheel_fails(wheel: Path) -> None:
    wheel.write_bytes(wheel.read_bytes() + b"\0")

    check = check_index(wheel, publisher=PUBLISHER)

    assert check is not None
    assert (check.verdict, check.detail) == (
        Verdict.FAILED,
        f"{wheel.name}.provenance: Verification failed: subject does not match distribution digest",
    )


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 1, "version": 1}', "[" * 100_000])
def test_other_json_is_not_an_object_of_an_index(content: str, wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(content)

    check = check_index(wheel, attestations=tmp_path / "other.json", publisher=PUBLISHER)

    assert check is not None
    assert check.verdict is Verdict.FAILED
    assert check.detail.startswith("other.json: it is not a provenance object of an index (PEP 740): ")
