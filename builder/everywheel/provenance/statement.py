"""In-toto statements with SLSA provenance: made from the plan of a wheel, and read from files that anyone may have written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage

PREDICATE = "https://slsa.dev/provenance/v1"
_NESTING = 30
_STRUCTURE_ERRORS = (ParseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


class InvalidStatement(Exception):
    """A file is not a statement of provenance; the text is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A finished build of a wheel.

    Attributes:
        filename: the name of the wheel.
        sha256: its hash.
        parameters: the choices of the user: project, version, target, Python, engine, linkage, features and settings.
        internal: the cache keys, which follow from them.
        source: the project itself: the commit of a clean checkout, or the hash of its files.
        inputs: everything else that was used.
        toolkit: the version of everywheel.
    """

    filename: str
    sha256: str
    parameters: Mapping[str, Any]
    internal: Mapping[str, Any]
    source: ResourceDescriptor
    inputs: Sequence[ResourceDescriptor]
    toolkit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The content of a statement of provenance: hashes of its subjects by name, the parameters, and the inputs.

    The `digest` of an input, if it has one, is an object of texts. `toolkit` is the version of everywheel; empty for a
    statement about the build of another tool.
    """

    subjects: Mapping[str, str]
    parameters: Mapping[str, Any]
    inputs: Sequence[Mapping[str, Any]]
    builder: str
    toolkit: str = ""

    @property
    def commit(self) -> str:
        """The commit that was built; empty if the statement names none."""
        commits = (each.get("digest", {}).get("gitCommit") for each in self.inputs)
        return next((commit for commit in commits if commit), "")


def make_statement(build: Build, builder: str) -> bytes:
    """Return the statement as JSON; it has no time, so that the same build gives the same bytes.

    `builder` is a URI that identifies who controls the machine of the build (SLSA's `builder.id`).
    """
    toolkit = f"pkg:pypi/everywheel@{build.toolkit}"
    inputs = [build.source, *build.inputs]
    predicate = {
        "buildDefinition": {
            "buildType": f"{toolkit}#wheel",
            "externalParameters": dict(build.parameters),
            "internalParameters": dict(build.internal),
            "resolvedDependencies": [MessageToDict(each.pb) for each in inputs],
        },
        "runDetails": {"builder": {"id": builder, "version": {"everywheel": build.toolkit}}},
    }
    subject = ResourceDescriptor(name=build.filename, digest={"sha256": build.sha256})
    statement = Statement([subject.pb], PREDICATE, predicate)
    statement.validate()
    return f"{json.dumps(MessageToDict(statement.pb), indent=1, sort_keys=True)}\n".encode()


def read_statement(content: bytes) -> Provenance:
    """Return the provenance in a statement; raise InvalidStatement for anything else."""
    message = parse_statement(content)
    try:
        predicate = MessageToDict(message.predicate)
        if message.predicate_type != PREDICATE:
            raise InvalidStatement(f"its predicate is {message.predicate_type[:100]}, not {PREDICATE}")
        definition = predicate["buildDefinition"]
        inputs = definition.get("resolvedDependencies", [])
        return Provenance(
            subjects={
                subject.name: subject.digest["sha256"] for subject in message.subject if subject.digest["sha256"]
            },
            parameters=_expect_object(definition["externalParameters"]),
            inputs=[_expect_input(each) for each in inputs],
            builder=str(predicate["runDetails"]["builder"]["id"]),
            toolkit=str(predicate["runDetails"]["builder"].get("version", {}).get("everywheel", "")),
        )
    except _STRUCTURE_ERRORS as error:
        raise _refuse(error) from None


def parse_statement(content: bytes) -> StatementMessage:
    """Return an in-toto statement with any predicate; raise InvalidStatement for anything else."""
    try:
        value = parse_json(content)
        message = ParseDict(value, StatementMessage(), max_recursion_depth=_NESTING)
        _check_spelling(value, message)
        for subject, descriptor in zip(value["subject"], message.subject, strict=True):
            _check_spelling(subject, descriptor)
        Statement.copy_from_pb(message).validate()
    except _STRUCTURE_ERRORS as error:
        raise _refuse(error) from None
    names = [subject.name for subject in message.subject if subject.name]
    if repeated := sorted(name for name, count in Counter(names).items() if count > 1):
        raise InvalidStatement(f"it has several subjects with the same name: {', '.join(repeated)[:200]}")
    return message


def _check_spelling(value: Mapping[str, Any], message: Any) -> None:
    """Raise ValueError for a key that only readers with protobuf understand, which accept two spellings of each field."""
    for field in message.DESCRIPTOR.fields:
        if field.name != field.json_name and field.name in value:
            raise ValueError(f"the key {field.name} must be {field.json_name}")


def parse_json(content: bytes) -> Any:
    """Return the value of a JSON document that all readers read alike: in UTF-8, and with each key once.

    Raises ValueError or RecursionError for anything else.
    """
    return json.loads(content.decode(), object_pairs_hook=_make_object, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON does not have {name}")


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("an object has a key twice")
    return values


def find_other_subject(name: str, sha256: str, subjects: Mapping[str, str]) -> str:
    """Return what else a statement with these subjects is about; empty if it is about a file of this name and hash."""
    if name not in subjects:
        return f"the statement is about other files: {', '.join(sorted(subjects)) or 'none'}"
    return "" if subjects[name] == sha256 else f"the statement is about a file with sha256 {subjects[name]}"


def _refuse(error: Exception) -> InvalidStatement:
    return InvalidStatement(str(error).splitlines()[0][:200] if str(error) else type(error).__name__)


def _expect_input(value: object) -> Mapping[str, Any]:
    descriptor = _expect_object(value)
    if not all(isinstance(digest, str) for digest in _expect_object(descriptor.get("digest", {})).values()):
        raise TypeError("a digest is not a text")
    return descriptor


def _expect_object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("a value is not an object")
    return value
