"""OpenVEX documents: machine-readable statements on the vulnerabilities of the libraries in wheels.

The format is OpenVEX 0.2.0, https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from packageurl import PackageURL

from everywheel.vulnerabilities.matching import State, Statement

CONTEXT = "https://openvex.dev/ns/v0.2.0"
_INVESTIGATED = "under_investigation"
_NOT_COMPARED = "not compared: the advisory names commits only, and none of them is that of the source of"


def make_vex(name: str, version: str, statements: Sequence[Statement], *, author: str, time: datetime) -> bytes:
    """Return an OpenVEX document, as JSON, on the libraries of one version of a project.

    The document's identifier is the hash of its statements, so that equal statements make equal documents. A vulnerability
    that no patch fixes is under investigation: only people can find that a project is not affected. So is one that
    could not be compared, with this reason.
    """
    product = PackageURL(type="pypi", name=name, version=version).to_string()
    entries = [_describe(statement, product) for statement in statements]
    digest = hashlib.sha256(json.dumps([product, entries], sort_keys=True).encode()).hexdigest()
    document = {
        "@context": CONTEXT,
        "@id": f"https://openvex.dev/docs/public/vex-{digest}",
        "author": author,
        "timestamp": time.isoformat(timespec="seconds"),
        "version": 1,
        "statements": entries,
    }
    return f"{json.dumps(document, indent=1)}\n".encode()


def _describe(statement: Statement, product: str) -> dict[str, Any]:
    library = statement.component.purl or f"pkg:generic/{statement.component.name}@{statement.component.version}"
    title = statement.component.title
    notes = {State.FIXED: f"a patch of {title} fixes it", State.NOT_COMPARED: f"{_NOT_COMPARED} {title}"}
    note = notes.get(statement.state)
    return {
        "vulnerability": {"name": statement.vulnerability},
        "products": [{"@id": product, "subcomponents": [{"@id": library}]}],
        "status": "fixed" if statement.state is State.FIXED else _INVESTIGATED,
        **({"status_notes": note} if note else {}),
    }
