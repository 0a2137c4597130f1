"""Provenance objects for an index (PEP 740), made from bundles of sigstore and from attestations of publishing actions."""

from __future__ import annotations

import glob
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.x509 import ExtensionNotFound
from pypi_attestations import (
    Attestation,
    AttestationBundle,
    AttestationError,
    CircleCIPublisher,
    Distribution,
    GitHubPublisher,
    GitLabPublisher,
    GooglePublisher,
    Provenance,
)
from sigstore.errors import Error as SigstoreError
from sigstore.models import Bundle

from everywheel.errors import UsageError
from everywheel.execution.input_files import UnusableFile, read_file
from everywheel.provenance.certificates import find_bundle, list_bundles, read_identity

_LARGEST = 16 << 20  # bytes
# The publisher of an identity in a certificate, by its issuer.
_PUBLISHERS = {
    "https://token.actions.githubusercontent.com": (
        r"https://github\.com/(?P<repository>[^/]+/[^/]+)/\.github/workflows/(?P<workflow>[^/@]+)@.+",
        GitHubPublisher,
    ),
    "https://gitlab.com": (
        r"https://gitlab\.com/(?P<repository>.+)//(?P<workflow_filepath>[^@]+)@.+",
        GitLabPublisher,
    ),
    "https://oidc.circleci.com": (
        r"https://circleci\.com/api/v2/projects/(?P<project_id>[^/]+)/pipeline-definitions/(?P<pipeline_definition_id>[^/]+)",
        CircleCIPublisher,
    ),
    "https://accounts.google.com": (r"(?P<email>[^/]+@[^/]+)", GooglePublisher),
}


def make_index_object(file: Path) -> bytes:
    """Return the provenance object of a file, from the bundle and the attestations (`FILE.*.attestation`) next to it.

    Every attestation is verified first. Raises UsageError when there is none, or when one is not about the file.
    """
    logging.getLogger("sigstore").setLevel(logging.ERROR)  # it warns that it does not use the network
    bundles = []
    for source, attestation in _list_attestations(file):
        try:
            publisher = find_publisher(*read_identity(attestation.to_bundle()))
            attestation.verify(publisher, Distribution.from_file(file), offline=True)
        except (
            AttestationError,
            SigstoreError,
            ValueError,
            KeyError,
            AttributeError,
            OSError,
            ExtensionNotFound,
        ) as error:
            raise _refuse(file, source, error) from None
        bundles.append(AttestationBundle(publisher=publisher, attestations=[attestation]))
    if not bundles:
        raise UsageError(
            f"{file.name}: no bundle and no attestation is next to it",
            hint=f"put {file.name}.sigstore.json there, or {file.name}.publish.attestation of the action that publishes",
        )
    document = Provenance(attestation_bundles=bundles).model_dump(mode="json", exclude_none=True)
    return f"{json.dumps(document, sort_keys=True)}\n".encode()


def _list_attestations(file: Path) -> Iterator[tuple[Path, Attestation]]:
    """Yield the attestations of a file, each with the file that it is from."""
    bundle = find_bundle(file)
    for source in [*([bundle] if bundle else []), *sorted(file.parent.glob(f"{glob.escape(file.name)}.*.attestation"))]:
        try:
            content = read_file(source, _LARGEST)
            if source == bundle:
                for document in list_bundles(content):
                    yield source, Attestation.from_bundle(Bundle.from_json(json.dumps(document)))
            else:
                yield source, Attestation.model_validate_json(content)
        except (
            AttestationError,
            SigstoreError,
            UnusableFile,
            ValueError,
            KeyError,
            TypeError,
            RecursionError,
        ) as error:
            raise _refuse(file, source, error) from None


def find_publisher(identity: str, issuer: str) -> Any:
    """Return the publisher with an identity in a certificate; raise ValueError for one that indexes do not know."""
    if issuer in _PUBLISHERS:
        pattern, publisher = _PUBLISHERS[issuer]
        if match := re.fullmatch(pattern, identity):
            return publisher(**match.groupdict())
    raise ValueError(f"indexes know no publisher with the identity {identity} of {issuer}")


def _refuse(file: Path, source: Path, error: Exception) -> UsageError:
    reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
    return UsageError(
        f"{source.name} is not an attestation of {file.name} for an index",
        details={"reason": reason},
        hint="remove it, or replace it with a statement about this file only, signed by a certificate of a publisher",
    )
