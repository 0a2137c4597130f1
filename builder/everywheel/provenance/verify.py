"""Verification of a wheel: what is right, what is wrong, and what could not be checked. Nothing is right by default."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from securesystemslib.signer import SSlibKey

from everywheel.audit import audit_wheel
from everywheel.errors import BuildError, UsageError, count_noun
from everywheel.execution.files import hash_file
from everywheel.execution.input_files import UnusableFile, read_file
from everywheel.provenance.checks import Check, Verdict, decide, fail, skip
from everywheel.provenance.envelope import InvalidEnvelope, is_envelope, open_envelope
from everywheel.provenance.smoke_statement import check_smoke_tests, find_smoke_statement, read_smoke_statement
from everywheel.provenance.statement import InvalidStatement, find_other_subject, read_statement
from everywheel.vulnerabilities.components import list_components
from everywheel.wheels.wheel import read_wheel

_LARGEST_STATEMENT = 16 << 20  # bytes


def find_statement(wheel: Path) -> Path:
    """Return the file with the provenance of a wheel, next to it."""
    return wheel.with_name(f"{wheel.name}.provenance.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Public keys, published hashes by file name, and files with statements, which a wheel is verified with.

    `identity` is who must have signed by a certificate of sigstore, and `issuer` who must have confirmed that identity.
    `commit` is the commit that must have been built, if any. `provenance` and `smoke` are the files with the provenance and
    the results of the smoke tests; those next to the wheel if they are None. `attestations` is the provenance object of an
    index, which is checked if it exists or a `publisher` must have published the wheel.
    """

    keys: Sequence[SSlibKey] = ()
    sums: Mapping[str, str] = field(default_factory=dict)
    provenance: Path | None = None
    smoke: Path | None = None
    commit: str = ""
    attestations: Path | None = None
    publisher: str = ""
    identity: str = ""
    issuer: str = ""


def verify_wheel(path: Path, evidence: Evidence) -> tuple[Check, ...]:
    """Check a wheel's hash, contents, SBOM, provenance, smoke tests and the signatures of wheel and statements."""
    return tuple(_list_checks(path, hash_file(path), evidence))


def _list_checks(path: Path, sha256: str, evidence: Evidence) -> Iterator[Check]:
    yield _check_hash(path.name, sha256, evidence.sums)
    yield _check_contents(path)
    digests = yield from _check_sbom(path)
    provenance = _read_statement_file("provenance", evidence.provenance or find_statement(path), evidence.keys)
    if isinstance(provenance, Check):
        yield provenance
    else:
        yield from _check_provenance(path.name, sha256, provenance, digests, evidence.commit)
    smoke = _read_statement_file("smoke", evidence.smoke or find_smoke_statement(path), evidence.keys)
    yield smoke if isinstance(smoke, Check) else _check_smoke(path.name, sha256, smoke)
    statements = {each.label: each for each in (provenance, smoke) if isinstance(each, Statement)}
    certificate = _check_certificates(path, statements, evidence)
    if certificate is not None:
        yield certificate
    certified = certificate is not None and certificate.verdict is Verdict.OK
    yield check_signatures(statements, evidence.keys, certified=certified)
    file = evidence.attestations or path.with_name(f"{path.name}.provenance")
    if evidence.attestations or evidence.publisher or file.exists():
        yield _check_index_object(path, file, evidence.publisher)


def _check_certificates(path: Path, statements: Mapping[str, Statement], evidence: Evidence) -> Check | None:
    """Check the bundles of sigstore of the wheel and its statements; None if there is none and no identity is stated."""
    files = {"wheel": path, **{label: each.path for label, each in statements.items()}}
    try:
        from everywheel.provenance.certificates import check_certificates, find_bundle
    except ModuleNotFoundError as error:
        if not evidence.identity:
            return None
        return skip("certificate", f"{error.name} is not installed (`pip install 'everywheel[attestations]'`)")
    if not evidence.identity and not any(find_bundle(file) for file in files.values()):
        return None
    return check_certificates(files, evidence.identity, evidence.issuer)


def _check_index_object(path: Path, file: Path, publisher: str) -> Check:
    try:
        from everywheel.provenance.index_attestation import check_index_object
    except ModuleNotFoundError as error:
        return skip("index", f"{error.name} is not installed (`pip install 'everywheel[attestations]'`)")
    return check_index_object(path, file, publisher)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A file with a statement: the name of its check, and whether it is signed; with keys, by one of them."""

    label: str
    path: Path
    payload: bytes
    is_signed: bool


def _read_statement_file(label: str, file: Path, keys: Sequence[SSlibKey]) -> Statement | Check:
    """Return the statement in a file, or the check that it fails."""
    try:
        content = read_file(file, _LARGEST_STATEMENT)
        is_signed = is_envelope(content)
        payload = open_envelope(content, keys) if is_signed else content
    except FileNotFoundError:
        return skip(label, f"there is no {file.name} next to the wheel (`--{label} FILE` names another one)")
    except UnusableFile as reason:
        return fail(label, str(reason))
    except InvalidEnvelope as reason:
        return fail(label, f"{file.name}: {reason}")
    return Statement(label=label, path=file, payload=payload, is_signed=is_signed)


def _check_hash(name: str, sha256: str, sums: Mapping[str, str]) -> Check:
    if not sums:
        return skip("hash", "no list of hashes is named (`--sums SHA256SUMS`)")
    if name not in sums:
        return fail("hash", "the list of hashes does not have this file")
    return decide("hash", sums[name] == sha256, f"sha256 {sha256}", f"sha256 {sha256}, but the list has {sums[name]}")


def _check_contents(path: Path) -> Check:
    findings = audit_wheel(path).findings
    message = "; ".join(f"{finding.check}: {finding.message}" for finding in findings[:3])
    return decide(
        "contents",
        not findings,
        "RECORD and tags are right, no finding of the audit",
        f"{count_noun(len(findings), 'finding')} of the audit: {message}",
    )


def _check_sbom(path: Path) -> Generator[Check, None, dict[str, str]]:
    """Yield the check of the SBOM, and return the sha256 of the sources of the libraries that it lists."""
    try:
        components = list_components(read_wheel(path))
    except (BuildError, UsageError) as error:
        yield fail("SBOM", error.fact)
        return {}
    yield decide("SBOM", True, f"lists {count_noun(len(components), 'library', 'libraries')}", "")
    return {each.title: each.sha256 for each in components if each.sha256}


def _check_provenance(
    name: str, sha256: str, statement: Statement, digests: Mapping[str, str], commit: str
) -> Iterator[Check]:
    """Check that a statement is about a wheel and a commit, and that the sources which the SBOM names are inputs of it."""
    try:
        provenance = read_statement(statement.payload)
    except InvalidStatement as reason:
        yield fail("provenance", f"{statement.path.name}: {reason}")
        return
    detail = f"built by {provenance.builder}, {count_noun(len(provenance.inputs), 'input')}"
    fault = find_other_subject(name, sha256, provenance.subjects) or _find_other_commit(provenance.commit, commit)
    yield decide("provenance", not fault, detail, fault)
    stated = {each.get("digest", {}).get("sha256") for each in provenance.inputs}
    missing = sorted(title for title, source in digests.items() if source not in stated)
    yield decide(
        "inputs",
        not missing,
        f"the sources of {count_noun(len(digests), 'library', 'libraries')} are inputs of the statement",
        f"the statement has no source of {', '.join(missing)}",
    )


def _find_other_commit(stated: str, expected: str) -> str:
    if not expected or stated == expected:
        return ""
    return f"the statement names {f'the commit {stated[:100]}' if stated else 'no commit'}, not {expected}"


def _check_smoke(name: str, sha256: str, statement: Statement) -> Check:
    try:
        return check_smoke_tests(name, sha256, read_smoke_statement(statement.payload))
    except InvalidStatement as reason:
        return fail("smoke", f"{statement.path.name}: {reason}")


def check_signatures(statements: Mapping[str, Statement], keys: Sequence[SSlibKey], *, certified: bool) -> Check:
    """Check that every statement is signed: with keys by one of them, with an identity by its certificate, with both by both.

    A signature by another key, and a wrong certificate, have failed before.
    """
    if not statements:
        return skip("signature", "there is no usable statement")
    unsigned = " and of ".join(label for label, each in statements.items() if not each.is_signed)
    signers = [*(["one of the keys"] if keys else []), *(["the certificate"] if certified else [])]
    if certified and keys and unsigned:
        return skip("signature", f"not signed by one of the keys, only by the certificate: the statement of {unsigned}")
    if unsigned and not certified:
        return skip("signature", f"not signed: the statement of {unsigned}")
    if not signers:
        return skip("signature", "no public key is named (`--key FILE`)")
    return decide("signature", True, f"by {' and by '.join(signers)}: {', '.join(statements)}", "")


def read_sums(file: Path) -> dict[str, str]:
    """Return the hashes by file name in a list of `sha256sum`; raise UsageError for another file."""
    sums: dict[str, str] = {}
    try:
        for line in read_file(file, _LARGEST_STATEMENT).decode().splitlines():
            if line.strip() and not line.startswith("#"):
                digest, name = line.split(maxsplit=1)
                name, digest = name.lstrip("*").rpartition("/")[2], bytes.fromhex(digest).hex()
                if len(digest) == 64 and sums.setdefault(name, digest) != digest:
                    raise ValueError(f"it has two hashes of {name}")
        return sums
    except FileNotFoundError:
        reason = "no such file"
    except (UnusableFile, ValueError) as error:
        reason = str(error)
    raise UsageError(
        f"{file} is not a list of hashes", details={"reason": reason}, hint="`sha256sum FILE…` writes such a list"
    )
