"""Verification of a wheel: what is right, what is wrong, and what could not be checked. Nothing is right by default."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from securesystemslib.signer import SSlibKey

from everywheel.audit import audit_wheel
from everywheel.errors import BuildError, UsageError, count_noun
from everywheel.execution.files import hash_file
from everywheel.execution.input_files import UnusableFile, read_file
from everywheel.provenance.envelope import InvalidEnvelope, is_envelope, open_envelope
from everywheel.provenance.statement import InvalidStatement, Provenance, read_statement
from everywheel.vulnerabilities.components import list_components
from everywheel.wheels.wheel import Wheel, read_wheel

_LARGEST_STATEMENT = 16 << 20  # bytes


class Verdict(StrEnum):
    """The result of a check."""

    OK = "ok"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check of a wheel with its result; `detail` is the evidence, or what is missing for the check."""

    name: str
    verdict: Verdict
    detail: str


def find_statement(wheel: Path) -> Path:
    """Return the file with the provenance of a wheel, next to it."""
    return wheel.with_name(f"{wheel.name}.provenance.json")


def verify_wheel(
    path: Path, statement: Path | None, keys: Sequence[SSlibKey], sums: Mapping[str, str]
) -> tuple[Check, ...]:
    """Check a wheel's hash, contents, SBOM, provenance and signature.

    `statement` is the file with the provenance, by default the one next to the wheel; `sums` are published hashes
    by file name.
    """
    sha256 = hash_file(path)
    return tuple(_list_checks(path, sha256, statement or find_statement(path), keys, sums))


def _list_checks(
    path: Path, sha256: str, statement: Path, keys: Sequence[SSlibKey], sums: Mapping[str, str]
) -> Iterator[Check]:
    yield _check_hash(path.name, sha256, sums)
    yield _check_contents(path)
    try:
        wheel = read_wheel(path)
    except BuildError as error:
        yield _fail("SBOM", str(error))
        return
    digests = yield from _check_sbom(wheel)
    content = _read_statement_file(statement)
    if isinstance(content, Check):
        yield content
        yield _skip("signature", "there is no statement")
        return
    try:
        payload = open_envelope(content, keys) if is_envelope(content) else content
        provenance = read_statement(payload)
    except (InvalidEnvelope, InvalidStatement) as reason:
        yield _fail("provenance", f"{statement.name}: {reason}")
        return
    yield _check_provenance(path.name, sha256, provenance)
    yield _check_inputs(digests, provenance)
    yield _check_signature(content, keys)


def _check_hash(name: str, sha256: str, sums: Mapping[str, str]) -> Check:
    if not sums:
        return _skip("hash", "no list of hashes is named (`--sums SHA256SUMS`)")
    if name not in sums:
        return _fail("hash", "the list of hashes does not have this file")
    return _decide("hash", sums[name] == sha256, f"sha256 {sha256}", f"sha256 {sha256}, but the list has {sums[name]}")


def _check_contents(path: Path) -> Check:
    findings = audit_wheel(path).findings
    message = "; ".join(f"{finding.check}: {finding.message}" for finding in findings[:3])
    return _decide(
        "contents",
        not findings,
        "RECORD and tags are right, no finding of the audit",
        f"{count_noun(len(findings), 'finding')} of the audit: {message}",
    )


def _check_sbom(wheel: Wheel) -> Generator[Check, None, dict[str, str]]:
    """Yield the check of the SBOM, and return the sha256 of the sources of the libraries that it lists."""
    try:
        components = list_components(wheel)
    except UsageError as error:
        yield _fail("SBOM", error.fact)
        return {}
    yield _decide("SBOM", True, f"lists {count_noun(len(components), 'library', 'libraries')}", "")
    return {each.title: each.sha256 for each in components if each.sha256}


def _read_statement_file(statement: Path) -> bytes | Check:
    try:
        return read_file(statement, _LARGEST_STATEMENT)
    except FileNotFoundError:
        return _skip(
            "provenance", f"there is no {statement.name} next to the wheel (`--provenance FILE` names another one)"
        )
    except UnusableFile as reason:
        return _fail("provenance", str(reason))


def _check_provenance(name: str, sha256: str, provenance: Provenance) -> Check:
    if name not in provenance.subjects:
        others = ", ".join(sorted(provenance.subjects)) or "none"
        return _fail("provenance", f"the statement is about other files: {others}")
    stated = provenance.subjects[name]
    return _decide(
        "provenance",
        stated == sha256,
        f"built by {provenance.builder}, {count_noun(len(provenance.inputs), 'input')}",
        f"the statement is about a file with sha256 {stated}",
    )


def _check_inputs(digests: Mapping[str, str], provenance: Provenance) -> Check:
    """Compare the sources that the SBOM names with the inputs of the statement."""
    stated = {each.get("digest", {}).get("sha256") for each in provenance.inputs}
    missing = sorted(title for title, sha256 in digests.items() if sha256 not in stated)
    return _decide(
        "inputs",
        not missing,
        f"the sources of {count_noun(len(digests), 'library', 'libraries')} are inputs of the statement",
        f"the statement has no source of {', '.join(missing)}",
    )


def _check_signature(content: bytes, keys: Sequence[SSlibKey]) -> Check:
    if not is_envelope(content):
        return _skip("signature", "the statement is not signed")
    if not keys:
        return _skip("signature", "no public key is named (`--key FILE`)")
    return _decide("signature", True, "by one of the keys", "")


def _decide(name: str, right: bool, detail: str, fault: str) -> Check:
    return Check(name=name, verdict=Verdict.OK, detail=detail) if right else _fail(name, fault)


def _fail(name: str, detail: str) -> Check:
    return Check(name=name, verdict=Verdict.FAILED, detail=detail)


def _skip(name: str, detail: str) -> Check:
    return Check(name=name, verdict=Verdict.NOT_CHECKED, detail=detail)


def read_sums(file: Path) -> dict[str, str]:
    """Return the hashes by file name in a list of `sha256sum`; raise UsageError for another file."""
    try:
        lines = read_file(file, _LARGEST_STATEMENT).decode().splitlines()
        pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
        return {
            name.lstrip("*").rpartition("/")[2]: digest for digest, name in pairs if len(bytes.fromhex(digest)) == 32
        }
    except FileNotFoundError:
        reason = "no such file"
    except (UnusableFile, ValueError) as error:
        reason = str(error)
    raise UsageError(
        f"{file} is not a list of hashes", details={"reason": reason}, hint="`sha256sum FILE…` writes such a list"
    )
