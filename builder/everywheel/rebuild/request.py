"""The build that a wheel's provenance describes, read from files that anyone may have written."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from packaging.version import InvalidVersion, Version
from securesystemslib.signer import SSlibKey

from everywheel.config.recipe import Linkage
from everywheel.errors import UsageError
from everywheel.execution.files import hash_file
from everywheel.execution.input_files import UnusableFile, read_file
from everywheel.platforms.target import Target, parse_target
from everywheel.provenance.envelope import InvalidEnvelope, is_envelope, open_envelope
from everywheel.provenance.statement import InvalidStatement, Provenance, read_statement
from everywheel.provenance.verify import find_statement
from everywheel.toolchains.compilers import EngineName

LARGEST_STATEMENT = 16 << 20  # bytes
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PUBLISHED = "use the statement that was published with the wheel"


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildRequest:
    """A wheel, its provenance, and the facts of it that a build needs.

    `sha256` and `statement` are the hashes of the wheel and of the file with the provenance. `folder` is the path of the
    project in its repository, and `python` the label of a Python.
    """

    wheel: str
    sha256: str
    statement: str
    provenance: Provenance
    commit: str
    folder: PurePosixPath
    target: Target
    python: str
    engine: EngineName
    linkage: Linkage


def read_request(wheel: Path, statement: Path | None, keys: Sequence[SSlibKey]) -> RebuildRequest:
    """Return the build of a wheel as its provenance describes it, by default that next to the wheel.

    With keys, one of them must have signed it. Raises UsageError for a missing or wrong statement, and for one whose build
    this installation cannot repeat.
    """
    file = statement or find_statement(wheel)
    try:
        sha256 = hash_file(wheel)
    except OSError as error:
        raise UsageError(
            f"{wheel} cannot be read",
            details={"reason": (error.strerror or str(error)).lower()},
            hint="name a wheel, such as dist/demo-1.0-py3-none-any.whl",
        ) from None
    try:
        content = read_file(file, LARGEST_STATEMENT)
        provenance = read_statement(open_payload(content, keys))
    except FileNotFoundError:
        raise UsageError(
            f"{wheel.name} has no provenance",
            details={"missing": file},
            hint="download it with the wheel, or name it with `--provenance FILE`; `everywheel provenance` writes it",
        ) from None
    except (UnusableFile, InvalidEnvelope, InvalidStatement) as reason:
        raise UsageError(
            f"the provenance of {wheel.name} cannot be used", details={"file": file, "reason": reason}, hint=_PUBLISHED
        ) from None
    _check_subject(wheel.name, sha256, provenance)
    _check_toolkit(wheel.name, provenance)
    commit, folder = _find_commit(wheel.name, provenance)
    return RebuildRequest(
        wheel=wheel.name,
        sha256=sha256,
        statement=hashlib.sha256(content).hexdigest(),
        provenance=provenance,
        commit=commit,
        folder=folder,
        target=parse_target(_read_parameter(wheel.name, provenance, "target")),
        python=_read_parameter(wheel.name, provenance, "python"),
        engine=EngineName(_read_choice(wheel.name, provenance, "engine", (EngineName.ZIG, EngineName.NATIVE))),
        linkage=Linkage(_read_choice(wheel.name, provenance, "linkage", tuple(Linkage))),
    )


def open_payload(content: bytes, keys: Sequence[SSlibKey]) -> bytes:
    """Return a statement, which may be in an envelope; raise InvalidEnvelope if there are keys and none has signed it."""
    if is_envelope(content):
        return open_envelope(content, keys)
    if keys:
        raise InvalidEnvelope("it is not signed")
    return content


def _check_subject(wheel: str, sha256: str, provenance: Provenance) -> None:
    if provenance.subjects.get(wheel) == sha256:
        return
    subjects = ", ".join(f"{name} (sha256 {digest})" for name, digest in sorted(provenance.subjects.items()))
    raise UsageError(
        f"the provenance of {wheel} is about another file",
        details={"wheel": f"sha256 {sha256}", "statement": subjects or "about no file"},
        hint=_PUBLISHED,
    )


def _check_toolkit(wheel: str, provenance: Provenance) -> None:
    """Raise UsageError unless the installed version of everywheel is the one that has built the wheel."""
    installed = version("everywheel")
    if provenance.toolkit == installed:
        return
    try:
        needed = str(Version(provenance.toolkit))
    except InvalidVersion:
        raise UsageError(
            f"the provenance of {wheel} is not by everywheel",
            details={"built by": provenance.builder},
            hint="only wheels with a statement by `everywheel provenance` can be rebuilt",
        ) from None
    raise UsageError(
        f"{wheel} was built by everywheel {needed}, and {installed} is installed",
        hint=f"`pip install 'everywheel[provenance]=={needed}'`, preferably in a new virtual environment",
    )


def _find_commit(wheel: str, provenance: Provenance) -> tuple[str, PurePosixPath]:
    """Return the commit of the project, and the path of the project in its repository."""
    for source in provenance.inputs:
        digest, annotations = source.get("digest"), source.get("annotations")
        commit = digest.get("gitCommit") if isinstance(digest, dict) else None
        if commit is None:
            continue
        folder = annotations.get("root", ".") if isinstance(annotations, dict) else "."
        if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
            raise _refuse(wheel, "commit", commit)
        path = PurePosixPath(folder if isinstance(folder, str) else "/")
        if path.is_absolute() or ".." in path.parts:
            raise _refuse(wheel, "root", folder)
        return commit, path
    raise UsageError(
        f"the provenance of {wheel} names no commit",
        details={"built by": provenance.builder},
        hint="`everywheel provenance` names the commit of a git checkout without other changes: commit before the build",
    )


def _read_parameter(wheel: str, provenance: Provenance, name: str) -> str:
    value = provenance.parameters.get(name)
    if not isinstance(value, str):
        raise _refuse(wheel, name, value)
    return value


def _read_choice(wheel: str, provenance: Provenance, name: str, choices: Sequence[str]) -> str:
    value = _read_parameter(wheel, provenance, name)
    if value not in choices:
        raise _refuse(wheel, name, value)
    return value


def _refuse(wheel: str, name: str, value: object) -> UsageError:
    return UsageError(
        f"the provenance of {wheel}: its '{name}' cannot be rebuilt",
        details={name: repr(value)[:200]},
        hint=_PUBLISHED,
    )
