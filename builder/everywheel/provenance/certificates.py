"""Bundles of sigstore: signatures by a certificate for an identity, verified without the network.

The root of trust is the one in sigstore's cache, which its first use copies from the package. Anyone gets a certificate for an
identity of their own, so only the user can know whether it is the right one.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cryptography.x509 import ExtensionNotFound, ObjectIdentifier, SubjectAlternativeName
from sigstore.errors import Error as SigstoreError
from sigstore.models import Bundle
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity, UnsafeNoOp, VerificationPolicy

from everywheel.execution.input_files import UnusableFile, read_file
from everywheel.provenance.checks import Check, Verdict, fail, skip
from everywheel.provenance.envelope import PAYLOAD_TYPE
from everywheel.provenance.statement import parse_json

_NAME = "certificate"
_LARGEST = 16 << 20  # bytes
_MOST_BUNDLES = 100
_ISSUER = ObjectIdentifier("1.3.6.1.4.1.57264.1.1")


class InvalidBundle(Exception):
    """A bundle does not prove who signed a file; the text is the reason."""


def find_bundle(file: Path) -> Path | None:
    """Return the bundle of a file next to it: FILE.sigstore.json, or what `gh attestation download FILE` writes."""
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    names = (f"{file.name}.sigstore.json", f"sha256:{digest}.jsonl", f"sha256-{digest}.jsonl")
    return next((path for name in names if (path := file.with_name(name)).is_file()), None)


def check_certificates(files: Mapping[str, Path], identity: str, issuer: str) -> Check:
    """Check that the bundle of each file is about its bytes, and by a certificate for an identity from an issuer.

    A wrong bundle fails, also if that of another file is missing.
    """
    signers: dict[str, str] = {}
    missing: list[str] = []
    for label, file in files.items():
        bundle = find_bundle(file)
        if bundle is None:
            missing.append(f"there is no {file.name}.sigstore.json ({label})")
            continue
        try:
            signers[label] = verify_bundle(file, bundle, identity, issuer)
        except InvalidBundle as reason:
            return fail(_NAME, f"{bundle.name} ({label}): {reason}")
    if missing:
        return skip(_NAME, missing[0])
    detail = f"{', '.join(signers)} signed by {' and '.join(sorted(set(signers.values())))}"
    if not identity:
        return skip(_NAME, f"{detail}; which identity is right is not stated (`--identity URL`)")
    return Check(name=_NAME, verdict=Verdict.OK, detail=detail)


def verify_bundle(file: Path, bundle: Path, identity: str, issuer: str) -> str:
    """Return who has signed a file, by its identity and issuer; an empty `identity` accepts any, which proves nothing.

    Raises InvalidBundle with the reason, for the last bundle if there are several.
    """
    logging.getLogger("sigstore").setLevel(logging.ERROR)  # it warns that it does not use the network
    policy: VerificationPolicy = Identity(identity=identity, issuer=issuer) if identity else UnsafeNoOp()
    reason = "it is empty"
    try:
        content = read_file(file, _LARGEST * 64)
        for document in list_bundles(read_file(bundle, _LARGEST)):
            try:
                return _verify(document, content, policy)
            except (SigstoreError, ExtensionNotFound, AttributeError, ValueError, KeyError, TypeError) as error:
                reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
    except (UnusableFile, ValueError, RecursionError) as error:
        reason = f"it is not a bundle of sigstore: {str(error).splitlines()[0][:200]}"
    raise InvalidBundle(reason)


def list_bundles(content: bytes) -> Iterator[dict[str, Any]]:
    """Yield the bundles in a file with one, or with one a line."""
    texts = content.splitlines() if content.count(b"\n{") else [content]
    if len(texts) > _MOST_BUNDLES:
        raise ValueError(f"it has {len(texts)} bundles")
    for text in filter(None, texts):
        document = parse_json(text)
        if not isinstance(document, dict):
            raise ValueError("it is not an object of JSON")
        yield document


def _verify(document: dict[str, Any], content: bytes, policy: VerificationPolicy) -> str:
    bundle = Bundle.from_json(json.dumps(document))
    try:
        verifier = Verifier.production(offline=True)
    except OSError as error:
        raise InvalidBundle(f"sigstore cannot use its cache: {error.strerror}: {error.filename}") from None
    if "dsseEnvelope" not in document:
        verifier.verify_artifact(content, bundle, policy)
        return _name_signer(bundle)
    kind, payload = verifier.verify_dsse(bundle, policy)
    if kind != PAYLOAD_TYPE:
        raise ValueError(f"its payload is {kind[:100]!r}, not {PAYLOAD_TYPE!r}")
    digests = {subject["digest"].get("sha256") for subject in parse_json(payload)["subject"]}
    if hashlib.sha256(content).hexdigest() not in digests:
        raise ValueError("it is about another file")
    return _name_signer(bundle)


def read_identity(bundle: Bundle) -> tuple[str, str]:
    """Return the identity in the certificate of a bundle, and its issuer; raise ExtensionNotFound without one."""
    extensions = bundle.signing_certificate.extensions
    names = extensions.get_extension_for_class(SubjectAlternativeName).value
    issuer = extensions.get_extension_for_oid(_ISSUER).value
    return ", ".join(str(name.value) for name in names), issuer.public_bytes().decode()


def _name_signer(bundle: Bundle) -> str:
    identity, issuer = read_identity(bundle)
    return f"{identity} (issuer {issuer})"
