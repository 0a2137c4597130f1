"""Provenance objects of package indexes (PEP 740): attestations of a file, each with a statement.

Their signatures are by certificates of short life, which only an identity service can vouch for; they are not verified here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from everywheel.provenance.statement import InvalidStatement, parse_json, read_statement

_STRUCTURE_ERRORS = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
_MOST_ATTESTATIONS = 100


def find_build_statement(content: bytes) -> bytes:
    """Return the first statement of a provenance object that is provenance by everywheel.

    Raises InvalidStatement when there is none, or when the object does not have the form of PEP 740.
    """
    try:
        statements = list(_list_statements(parse_json(content)))
    except _STRUCTURE_ERRORS as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InvalidStatement(f"it is not a provenance object of an index (PEP 740): {reason}") from None
    for statement in statements:
        try:
            if read_statement(statement).toolkit:
                return statement
        except InvalidStatement:
            continue
    raise InvalidStatement(f"none of its {len(statements)} attestations is provenance by everywheel")


def _list_statements(document: object) -> Iterator[bytes]:
    if not isinstance(document, dict) or document.get("version") != 1:
        raise ValueError("its version is not 1")
    attestations = [each for bundle in document["attestation_bundles"] for each in bundle["attestations"]]
    for attestation in attestations[:_MOST_ATTESTATIONS]:
        yield base64.b64decode(attestation["envelope"]["statement"], validate=True)
