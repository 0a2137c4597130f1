"""Provenance objects for an index (PEP 740), made from a recorded bundle: the same attestation, which both checks accept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from everywheel.cli.main import main
from everywheel.errors import UsageError
from everywheel.provenance.checks import Verdict
from everywheel.provenance.verify import Evidence, verify_wheel
from test_certificates import GITHUB, IDENTITY, ISSUER, RECORDED, read_bundle

pypi_attestations = pytest.importorskip("pypi_attestations", reason="requires the extra `attestations`")

from everywheel.provenance.index_provenance import find_publisher, make_index_object  # noqa: E402

HINT = "remove it, or replace it with a statement about this file only, signed by a certificate of a publisher"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return shutil.copyfile(RECORDED, tmp_path / RECORDED.name)


def read_recorded() -> pypi_attestations.Provenance:
    content = RECORDED.with_name(f"{RECORDED.name}.provenance").read_bytes()
    return pypi_attestations.Provenance.model_validate_json(content)


def test_a_bundle_becomes_the_object_that_the_index_has(wheel: Path) -> None:
    wheel.with_name(f"{wheel.name}.sigstore.json").write_text(json.dumps(read_bundle()))

    result = CliRunner().invoke(main, ["release", "index-object", str(wheel)])

    written = wheel.with_name(f"{wheel.name}.provenance")
    assert (result.exit_code, result.output) == (0, f"wrote {written}\n")
    written_object = pypi_attestations.Provenance.model_validate_json(written.read_bytes())
    (recorded,) = read_recorded().attestation_bundles
    (bundle,) = written_object.attestation_bundles
    assert bundle.attestations == recorded.attestations
    assert (bundle.publisher.kind, bundle.publisher.project_id, bundle.publisher.pipeline_definition_id) == (
        recorded.publisher.kind,
        recorded.publisher.project_id,
        recorded.publisher.pipeline_definition_id,
    )
    publisher = f"circleci.com/{bundle.publisher.project_id}"
    evidence = Evidence(publisher=publisher, identity=IDENTITY, issuer=ISSUER)
    verdicts = {check.name: check.verdict for check in verify_wheel(wheel, evidence)}
    assert (verdicts["index"], verdicts["certificate"]) == (Verdict.OK, Verdict.OK)


def test_the_attestation_of_the_publishing_action_gives_the_same_object(wheel: Path) -> None:
    wheel.with_name(f"{wheel.name}.sigstore.json").write_text(json.dumps(read_bundle()))
    from_bundle = make_index_object(wheel)
    wheel.with_name(f"{wheel.name}.sigstore.json").unlink()
    (bundle,) = read_recorded().attestation_bundles
    wheel.with_name(f"{wheel.name}.publish.attestation").write_text(bundle.attestations[0].model_dump_json())

    assert make_index_object(wheel) == from_bundle


def refuse(wheel: Path) -> str:
    with pytest.raises(UsageError) as refused:
        make_index_object(wheel)
    return refused.value.render()


@pytest.mark.parametrize(
    ("identity", "issuer", "publisher"),
    [
        (
            "https://github.com/owner/name/.github/workflows/release.yml@refs/tags/v1",
            "https://token.actions.githubusercontent.com",
            {"kind": "GitHub", "repository": "owner/name", "workflow": "release.yml"},
        ),
        (
            "https://gitlab.com/group/part/name//.gitlab-ci.yml@refs/tags/v1",
            "https://gitlab.com",
            {"kind": "GitLab", "repository": "group/part/name", "workflow_filepath": ".gitlab-ci.yml"},
        ),
        ("a@example.org", "https://accounts.google.com", {"kind": "Google", "email": "a@example.org"}),
    ],
)
def test_the_identity_in_a_certificate_is_that_of_a_publisher(
    identity: str, issuer: str, publisher: dict[str, str]
) -> None:
    assert find_publisher(identity, issuer).model_dump(exclude_none=True) == publisher


def test_other_identities_are_refused() -> None:
    for identity, issuer in (("a@example.org", GITHUB), ("https://github.com/owner/name", GITHUB), (IDENTITY, "")):
        with pytest.raises(ValueError, match=f"^indexes know no publisher with the identity {identity} of {issuer}$"):
            find_publisher(identity, issuer)


def test_a_wheel_without_attestations_has_no_object(wheel: Path) -> None:
    assert refuse(wheel) == (
        f"error: {wheel.name}: no bundle and no attestation is next to it\n"
        f"  hint: put {wheel.name}.sigstore.json there, or {wheel.name}.publish.attestation of the action that publishes"
    )


def test_an_attestation_of_another_file_is_refused(wheel: Path) -> None:
    (bundle,) = read_recorded().attestation_bundles
    attestation = wheel.with_name(f"{wheel.name}.publish.attestation")
    attestation.write_text(bundle.attestations[0].model_dump_json())
    with wheel.open("ab") as file:
        file.write(b"\0")

    assert refuse(wheel) == (
        f"error: {attestation.name} is not an attestation of {wheel.name} for an index\n"
        f"  reason: Verification failed: subject does not match distribution digest\n  hint: {HINT}"
    )


def test_a_changed_attestation_is_refused(wheel: Path) -> None:
    (bundle,) = read_recorded().attestation_bundles
    document = json.loads(bundle.attestations[0].model_dump_json())
    document["envelope"]["signature"] = f"AAAAAAAA{document['envelope']['signature'][8:]}"
    attestation = wheel.with_name(f"{wheel.name}.publish.attestation")
    attestation.write_text(json.dumps(document))

    assert f"\n  reason: Verification failed: DSSE: invalid signature\n  hint: {HINT}" in refuse(wheel)

    attestation.write_text("{}")
    assert f"\n  reason: 3 validation errors for Attestation\n  hint: {HINT}" in refuse(wheel)


def test_a_bundle_with_only_the_hash_of_a_file_is_refused(wheel: Path) -> None:
    document = read_bundle()
    envelope = document.pop("dsseEnvelope")
    digest = {"algorithm": "SHA2_256", "digest": "AAAA"}
    document["messageSignature"] = {"messageDigest": digest, "signature": envelope["signatures"][0]["sig"]}
    wheel.with_name(f"{wheel.name}.sigstore.json").write_text(json.dumps(document))

    assert "\n  reason: bundle does not contain a DSSE envelope\n" in refuse(wheel)
