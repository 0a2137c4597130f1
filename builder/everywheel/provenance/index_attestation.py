"""Attestations of package indexes (PEP 740): verified without the network, with the trusted root of the package sigstore.

A provenance object names the publisher of a file itself, such as a repository. Its certificates are valid for that publisher,
and only the user can know whether it is the right one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pypi_attestations import AttestationError, Distribution, Provenance
from sigstore.errors import Error as SigstoreError

from everywheel.execution.input_files import UnusableFile, read_file
from everywheel.provenance.checks import Check, decide, fail, skip
from everywheel.provenance.statement import parse_json

_NAME = "index"
_LARGEST_OBJECT = 16 << 20  # bytes
_MOST_ATTESTATIONS = 100
# The field with the identity of a publisher, and what is before it in its name, by kind. CircleCI's certificates are for a
# project; the repository in them is only a condition.
_IDENTITIES = {
    "GitHub": ("repository", "github.com/"),
    "GitLab": ("repository", "gitlab.com/"),
    "Google": ("email", ""),
    "CircleCI": ("project_id", "circleci.com/"),
}


def check_index_object(wheel: Path, file: Path, publisher: str) -> Check:
    """Check a provenance object of an index: every attestation is about the wheel and by the named publisher."""
    try:
        content = read_file(file, _LARGEST_OBJECT)
        parse_json(content)
        provenance = Provenance.model_validate_json(content)
        attestations = list(_list_attestations(provenance))
    except FileNotFoundError:
        return skip(_NAME, f"there is no {file.name} (`--attestation FILE` names another one)")
    except UnusableFile as reason:
        return fail(_NAME, str(reason))
    except (ValueError, RecursionError) as error:
        return fail(_NAME, f"{file.name}: it is not a provenance object of an index (PEP 740): {_first_line(error)}")
    if not attestations:
        return fail(_NAME, f"{file.name}: it has no attestation")
    logging.getLogger("sigstore").setLevel(logging.ERROR)  # it warns that it does not use the network
    try:
        distribution = Distribution.from_file(wheel)
        predicates = [each.verify(by, distribution, offline=True)[0] for by, each in attestations]
    except (AttestationError, SigstoreError, OSError, ValueError) as error:
        return fail(_NAME, f"{file.name}: {_first_line(error)}")
    names = sorted({_name_publisher(by) for by, _ in attestations})
    detail = f"published by {', '.join(names)}: {', '.join(dict.fromkeys(predicates))}"
    if not publisher:
        return skip(_NAME, f"{detail}; which publisher is right is not stated (`--publisher NAME`)")
    return decide(_NAME, names == [publisher], detail, f"published by {', '.join(names)}, not {publisher}")


def _list_attestations(provenance: Provenance) -> Iterator[tuple[Any, Any]]:
    pairs = [(bundle.publisher, each) for bundle in provenance.attestation_bundles for each in bundle.attestations]
    if len(pairs) > _MOST_ATTESTATIONS:
        raise ValueError(f"it has {len(pairs)} attestations")
    yield from pairs


def _name_publisher(publisher: Any) -> str:
    """Return the identity of a publisher, such as `github.com/OWNER/NAME`, or its kind if that is not known."""
    name, host = _IDENTITIES.get(str(publisher.kind), ("", ""))
    return f"{host}{getattr(publisher, name)}" if name else str(publisher.kind)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
