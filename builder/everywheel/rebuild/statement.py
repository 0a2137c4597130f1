"""Statements about rebuilds: made here, and compared with those of others.

A statement is a verification summary (https://slsa.dev/spec/v1.1/verification_summary) in an in-toto statement, with the
hash of the rebuilt wheel in a field of our own. Those of others may also be provenance: a build of the same wheel elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from packageurl import PackageURL
from packaging.utils import canonicalize_name
from securesystemslib.signer import SSlibKey

from everywheel.execution.input_files import UnusableFile, read_file
from everywheel.provenance.envelope import InvalidEnvelope
from everywheel.provenance.statement import PREDICATE, InvalidStatement, parse_statement
from everywheel.rebuild.request import LARGEST_STATEMENT, RebuildRequest, open_payload
from everywheel.wheels.wheel import split_filename

SUMMARY = "https://slsa.dev/verification_summary/v1"
_REBUILT = "everywheel_rebuilt"
_LEVEL = "EVERYWHEEL_REBUILT"
_STRUCTURE_ERRORS = (ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The statement of another party: whether it names the same bytes as the rebuild, and the evidence."""

    file: str
    agrees: bool
    detail: str


def make_summary(request: RebuildRequest, rebuilt: str, verifier: str) -> bytes:
    """Return the statement about a rebuild as JSON; it has no time, so that the same rebuild gives the same bytes.

    `rebuilt` is the hash of the rebuilt wheel, and `verifier` a URI that identifies who controls the machine.
    """
    toolkit = version("everywheel")
    name, number, *_ = split_filename(request.wheel)
    same = rebuilt == request.sha256
    resource = PackageURL(
        type="pypi", name=canonicalize_name(name), version=number, qualifiers={"file_name": request.wheel}
    )
    predicate = {
        "verifier": {"id": verifier, "version": {"everywheel": toolkit}},
        "resourceUri": resource.to_string(),
        "policy": {"uri": f"pkg:pypi/everywheel@{toolkit}#rebuild"},
        "inputAttestations": [{"digest": {"sha256": request.statement}}],
        "verificationResult": "PASSED" if same else "FAILED",
        "verifiedLevels": [_LEVEL if same else "FAILED"],
        "slsaVersion": "1.1",
        _REBUILT: {"digest": {"sha256": rebuilt}, "annotations": {"gitCommit": request.commit}},
    }
    subject = ResourceDescriptor(name=request.wheel, digest={"sha256": request.sha256})
    statement = Statement([subject.pb], SUMMARY, predicate)
    statement.validate()
    return f"{json.dumps(MessageToDict(statement.pb), indent=1, sort_keys=True)}\n".encode()


def compare_statement(file: Path, request: RebuildRequest, rebuilt: str, keys: Sequence[SSlibKey]) -> Comparison:
    """Compare the rebuild with the statement of another party; what cannot be read does not agree."""
    try:
        party, digest = _read_claim(open_payload(read_file(file, LARGEST_STATEMENT), keys), request)
    except FileNotFoundError:
        return Comparison(file=str(file), agrees=False, detail="no such file")
    except (UnusableFile, InvalidEnvelope, InvalidStatement) as reason:
        return Comparison(file=str(file), agrees=False, detail=f"cannot be used: {reason}")
    if digest == rebuilt:
        return Comparison(file=str(file), agrees=True, detail=f"the same bytes, by {party}")
    return Comparison(file=str(file), agrees=False, detail=f"other bytes (sha256 {digest}), by {party}")


def _read_claim(payload: bytes, request: RebuildRequest) -> tuple[str, str]:
    """Return who built the wheel according to a statement, and the hash of what was built; raise InvalidStatement."""
    message = parse_statement(payload)
    subjects = {subject.name: subject.digest["sha256"] for subject in message.subject}
    if request.wheel not in subjects:
        raise InvalidStatement(f"it is about other files: {', '.join(sorted(subjects)) or 'none'}")
    predicate: dict[str, Any] = MessageToDict(message.predicate)
    try:
        if message.predicate_type == PREDICATE:
            return str(predicate["runDetails"]["builder"]["id"]), subjects[request.wheel]
        if message.predicate_type != SUMMARY:
            raise InvalidStatement(f"its predicate is {message.predicate_type[:100]}, not {SUMMARY} or {PREDICATE}")
        if subjects[request.wheel] != request.sha256:
            raise InvalidStatement(f"it is about a wheel with sha256 {subjects[request.wheel]}")
        rebuilt, result = str(predicate[_REBUILT]["digest"]["sha256"]), predicate["verificationResult"]
        if (result == "PASSED") != (rebuilt == request.sha256):
            raise InvalidStatement(f"it contradicts itself: {result}, and the sha256 of its rebuild is {rebuilt}")
        return str(predicate["verifier"]["id"]), rebuilt
    except _STRUCTURE_ERRORS as error:
        raise InvalidStatement(f"it is not the statement of a rebuild: {error!r}"[:200]) from None
