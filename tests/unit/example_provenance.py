"""A wheel, its statement of provenance, and a repository with a commit: what tests of rebuilds begin with."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from everywheel.execution.files import hash_file
from everywheel.wheels.zip_writer import ZipEntry, pack_zip

NAME = "demo-1.0-cp311-abi3-manylinux2014_x86_64.whl"
COMMIT = "1234567890" * 4
EPOCH = 1577836800
PROJECT = Path(__file__).parents[1] / "failing" / "base"


def write_wheel(folder: Path, files: Mapping[str, bytes], *, epoch: int = EPOCH) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / NAME
    path.write_bytes(pack_zip([ZipEntry(name=name, data=data) for name, data in files.items()], epoch=epoch))
    return path


def make_statement(wheel: Path, **changes: Any) -> dict[str, Any]:
    """Return a statement of provenance; `changes` replace its parameters, its subject, its commit and its toolkit."""
    source = {"name": "demo 1.0", "digest": {"sha256": "a" * 64, "gitCommit": changes.pop("commit", COMMIT)}}
    source["annotations"] = {"path": "ext", "root": changes.pop("root", "sub")}
    if source["digest"]["gitCommit"] is None:
        del source["digest"]["gitCommit"]
    subject = {"name": changes.pop("name", wheel.name), "digest": {"sha256": changes.pop("sha256", hash_file(wheel))}}
    toolkit = {"everywheel": changes.pop("toolkit", version("everywheel"))}
    parameters = {
        "target": "manylinux2014_x86_64",
        "python": "cp311-abi3",
        "engine": "zig",
        "linkage": "shared",
        **changes,
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [subject],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {"externalParameters": parameters, "resolvedDependencies": [source]},
            "runDetails": {"builder": {"id": "https://example.org/ci", "version": toolkit}},
        },
    }


def commit(folder: Path) -> str:
    """Commit the files of a folder into a new repository, and return the commit."""
    user = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    for args in (["init", "-q"], ["add", "."], [*user, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", *args], cwd=folder, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    return head.stdout.strip()
