"""Bundles of sigstore: verified without the network against a stated identity; anything else is refused with its reason.

The bundle is that of a wheel of a project that publishes with CircleCI, from the test data of pypi-attestations (Apache-2.0).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from everywheel.provenance.checks import Check, Verdict
from everywheel.provenance.verify import Evidence, Statement, check_signatures, verify_wheel
from securesystemslib.signer import CryptoSigner

pypi_attestations = pytest.importorskip("pypi_attestations", reason="requires the extra `attestations`")

(RECORDED,) = (Path(__file__).parent / "index_attestation").glob("*.whl")
PROJECT = "https://circleci.com/api/v2/projects/fdd9283f-e619-46af-8f9c-851f7d3e8b2b"
IDENTITY = f"{PROJECT}/pipeline-definitions/8e4f8ab2-8d7c-4827-9f15-de076d6d647f"
ISSUER = "https://oidc.circleci.com"
SIGNED = f"wheel signed by {IDENTITY} (issuer {ISSUER})"
GITHUB = "https://token.actions.githubusercontent.com"


def read_bundle() -> dict[str, Any]:
    """Return the recorded attestation as a bundle, the form in which sigstore's tools write it."""
    content = RECORDED.with_name(f"{RECORDED.name}.provenance").read_bytes()
    provenance = pypi_attestations.Provenance.model_validate_json(content)
    bundle = provenance.attestation_bundles[0].attestations[0].to_bundle()
    return dict(json.loads(bundle.to_json()))


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return shutil.copyfile(RECORDED, tmp_path / RECORDED.name)


@pytest.fixture
def bundle(wheel: Path) -> Path:
    path = wheel.with_name(f"{wheel.name}.sigstore.json")
    path.write_text(json.dumps(read_bundle()))
    return path


def check(wheel: Path, name: str = "certificate", **evidence: Any) -> Check | None:
    return next((each for each in verify_wheel(wheel, Evidence(**evidence)) if each.name == name), None)


def test_a_wheel_was_signed_by_the_stated_identity(wheel: Path, bundle: Path) -> None:
    expected = Check(name="certificate", verdict=Verdict.OK, detail=SIGNED)

    assert check(wheel, identity=IDENTITY, issuer=ISSUER) == expected


def test_a_downloaded_list_of_bundles_needs_one_that_is_right(wheel: Path) -> None:
    other = read_bundle()
    other["dsseEnvelope"]["signatures"][0]["sig"] = "AAAA"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    wheel.with_name(f"sha256:{digest}.jsonl").write_text(f"{json.dumps(other)}\n{json.dumps(read_bundle())}\n")

    result = check(wheel, identity=IDENTITY, issuer=ISSUER)

    assert result is not None
    assert (result.verdict, result.detail) == (Verdict.OK, SIGNED)


def test_any_identity_can_sign_so_that_the_right_one_must_be_stated(wheel: Path, bundle: Path) -> None:
    result = check(wheel)

    assert result is not None
    assert result.verdict is Verdict.NOT_CHECKED
    assert result.detail == f"{SIGNED}; which identity is right is not stated (`--identity URL`)"


@pytest.mark.parametrize(
    ("identity", "issuer", "reason"),
    [
        (
            f"{PROJECT}/other",
            ISSUER,
            f"Certificate's SANs do not match {PROJECT}/other; actual SANs: {{'{IDENTITY}'}}",
        ),
        (IDENTITY, GITHUB, f"Certificate's OIDCIssuer does not match (got '{ISSUER}', expected '{GITHUB}')"),
    ],
    ids=["identity", "issuer"],
)
def test_a_certificate_for_another_identity_fails(
    wheel: Path, bundle: Path, identity: str, issuer: str, reason: str
) -> None:
    result = check(wheel, identity=identity, issuer=issuer)

    assert result is not None
    assert (result.verdict, result.detail) == (Verdict.FAILED, f"{bundle.name} (wheel): {reason}")


def test_without_a_bundle_only_a_stated_identity_is_checked(wheel: Path) -> None:
    missing = check(wheel, identity=IDENTITY, issuer=ISSUER)

    assert check(wheel) is None
    assert missing is not None
    assert missing.verdict is Verdict.NOT_CHECKED
    assert missing.detail == f"there is no {wheel.name}.sigstore.json (wheel)"


def test_a_bundle_of_another_file_fails(wheel: Path, bundle: Path) -> None:
    with wheel.open("ab") as file:
        file.write(b"\0")

    result = check(wheel, identity=IDENTITY, issuer=ISSUER)

    assert result is not None
    assert (result.verdict, result.detail) == (Verdict.FAILED, f"{bundle.name} (wheel): it is about another file")


def change_signature(document: dict[str, Any]) -> None:
    signature = document["dsseEnvelope"]["signatures"][0]["sig"]
    document["dsseEnvelope"]["signatures"][0]["sig"] = f"{'A' * 8}{signature[8:]}"


def remove_log_entry(document: dict[str, Any]) -> None:
    document["verificationMaterial"]["tlogEntries"] = []


def remove_certificate(document: dict[str, Any]) -> None:
    del document["verificationMaterial"]["certificate"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (change_signature, "DSSE: invalid signature"),
        (remove_log_entry, "expected exactly one log entry in bundle"),
        (remove_certificate, "failed to load bundle: 1 validation error for Bundle"),
    ],
)
def test_a_forged_bundle_fails(
    wheel: Path, bundle: Path, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    document = read_bundle()
    change(document)
    bundle.write_text(json.dumps(document))

    result = check(wheel, identity=IDENTITY, issuer=ISSUER)

    assert result is not None
    assert (result.verdict, result.detail) == (Verdict.FAILED, f"{bundle.name} (wheel): {reason}")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"[]", "it is not a bundle of sigstore: it is not an object of JSON"),
        (b'{"a": 1, "a": 2}', "it is not a bundle of sigstore: an object has a key twice"),
        (b"\n{}" * 101, "it is not a bundle of sigstore: it has 102 bundles"),
        (b"{}", "failed to load bundle: 2 validation errors for Bundle"),
    ],
    ids=["empty", "list", "two values", "many", "object"],
)
def test_a_file_that_is_not_a_bundle_fails(wheel: Path, bundle: Path, content: bytes, reason: str) -> None:
    bundle.write_bytes(content)

    result = check(wheel, identity=IDENTITY, issuer=ISSUER)

    assert result is not None
    assert (result.verdict, result.detail) == (Verdict.FAILED, f"{bundle.name} (wheel): {reason}")


def test_a_cache_that_cannot_be_used_is_named(wheel: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = wheel.with_name("file")
    file.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    monkeypatch.setenv("HOME", str(file))

    result = check(wheel, identity=IDENTITY, issuer=ISSUER)

    assert result is not None
    assert result.verdict is Verdict.FAILED
    assert result.detail.startswith(f"{bundle.name} (wheel): sigstore cannot use its cache: Not a directory: {file}/")


def test_a_statement_needs_a_bundle_of_its_own(wheel: Path, bundle: Path) -> None:
    """That of the wheel does not sign what is stated about it."""
    statement = wheel.with_name(f"{wheel.name}.provenance.json")
    statement.write_text("{}")
    missing = check(wheel, identity=IDENTITY, issuer=ISSUER)
    shutil.copyfile(bundle, statement.with_name(f"{statement.name}.sigstore.json"))
    of_the_wheel = check(wheel, identity=IDENTITY, issuer=ISSUER)
    signature = check(wheel, "signature", identity=IDENTITY, issuer=ISSUER)
    bundle.unlink()
    without_that_of_the_wheel = check(wheel, identity=IDENTITY, issuer=ISSUER)

    assert missing is not None
    assert missing.detail == f"there is no {statement.name}.sigstore.json (provenance)"
    assert of_the_wheel is not None
    assert of_the_wheel.verdict is Verdict.FAILED
    assert of_the_wheel.detail == f"{statement.name}.sigstore.json (provenance): it is about another file"
    assert without_that_of_the_wheel == of_the_wheel
    assert signature is not None
    assert (signature.verdict, signature.detail) == (
        Verdict.NOT_CHECKED,
        "not signed: the statement of provenance",
    )


@pytest.fixture
def signed_statement(wheel: Path, bundle: Path) -> Path:
    """A file with a bundle of its own: a copy of the wheel, since no statement with a bundle was recorded."""
    statement = shutil.copyfile(wheel, wheel.with_name("statement.json"))
    shutil.copyfile(bundle, statement.with_name(f"{statement.name}.sigstore.json"))
    return statement


def test_a_certificate_signs_statements_unless_a_key_must_sign_them_too(wheel: Path, signed_statement: Path) -> None:
    key = CryptoSigner.generate_ed25519().public_key
    evidence = {"identity": IDENTITY, "issuer": ISSUER, "provenance": signed_statement}

    by_certificate = check(wheel, "signature", **evidence)
    with_key = check(wheel, "signature", **evidence, keys=(key,))

    assert check(wheel, **evidence, keys=(key,)) == Check(
        name="certificate",
        verdict=Verdict.OK,
        detail=f"wheel, provenance signed by {IDENTITY} (issuer {ISSUER})",
    )
    assert by_certificate == Check(name="signature", verdict=Verdict.OK, detail="by the certificate: provenance")
    assert with_key == Check(
        name="signature",
        verdict=Verdict.NOT_CHECKED,
        detail="not signed by one of the keys, only by the certificate: the statement of provenance",
    )


@pytest.mark.parametrize(
    ("signed", "with_key", "certified", "expected"),
    [
        (("provenance", "smoke"), True, True, "ok: by one of the keys and by the certificate: provenance, smoke"),
        (("provenance", "smoke"), True, False, "ok: by one of the keys: provenance, smoke"),
        ((), False, True, "ok: by the certificate: provenance, smoke"),
        (
            ("provenance",),
            True,
            True,
            "not checked: not signed by one of the keys, only by the certificate: the statement of smoke",
        ),
        ((), True, False, "not checked: not signed: the statement of provenance and of smoke"),
        (("provenance", "smoke"), False, False, "not checked: no public key is named (`--key FILE`)"),
    ],
)
def test_every_named_signer_must_have_signed_every_statement(
    signed: tuple[str, ...], with_key: bool, certified: bool, expected: str
) -> None:
    statements = {
        label: Statement(label=label, path=Path(label), payload=b"{}", is_signed=label in signed)
        for label in ("provenance", "smoke")
    }

    keys = (CryptoSigner.generate_ed25519().public_key,) if with_key else ()
    result = check_signatures(statements, keys, certified=certified)

    assert f"{result.verdict}: {result.detail}" == expected
