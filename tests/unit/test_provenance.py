"""Provenance: the statement of a planned wheel, its signature, and verification with right and wrong statements."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from everywheel.config.pins import Pin
from everywheel.config.project import Smoke, load_project
from everywheel.errors import UsageError
from everywheel.planning.plan import make_plan
from everywheel.planning.step_keys import Identities
from everywheel.provenance.build import describe_build
from everywheel.provenance.checks import Check, Verdict
from everywheel.provenance.envelope import (
    InvalidEnvelope,
    is_envelope,
    load_public_keys,
    open_envelope,
    sign_statement,
)
from everywheel.provenance.smoke_statement import find_smoke_statement, make_smoke_statement
from everywheel.provenance.statement import InvalidStatement, make_statement, read_statement
from everywheel.provenance.verify import Evidence, find_statement, read_sums, verify_wheel
from everywheel.smoke.result import SmokeResult, SmokeState
from everywheel.store.entry import EntryKind, StoreEntry
from everywheel.toolchains.compilers import EngineName
from everywheel.wheels.wheel import Wheel, WheelFile, pack_wheel

ROOT = Path(__file__).parents[2]
SOURCE = "a" * 64
SBOM = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "components": [
        {
            "type": "library",
            "name": "foo",
            "version": "1.0",
            "purl": f"pkg:generic/foo@1.0?checksum=sha256:{SOURCE}",
            "licenses": [{"license": {"id": "MIT"}}],
        }
    ],
}
METADATA = "Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nLicense-Expression: MIT\nLicense-File: foo/LICENSE\n"
FILES = {
    "demo.py": "answer = 42\n",
    "demo-1.0.dist-info/METADATA": METADATA,
    "demo-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "demo-1.0.dist-info/licenses/foo/LICENSE": "Permission is hereby granted\n",
    "demo-1.0.dist-info/sboms/everywheel.cdx.json": json.dumps(SBOM),
}


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    files = {name: WheelFile(data=text.encode()) for name, text in FILES.items()}
    values = {"name": "demo", "version": "1.0", "build": "", "python": "py3", "abi": "none", "platform": "any"}
    return pack_wheel(Wheel(**values, files=files), tmp_path, epoch=1577836800, compress=False)


@pytest.fixture(scope="module")
def statement() -> dict[str, Any]:
    """The statement of a wheel of this project, whose hash is made up."""
    project = replace(load_project(ROOT), build_pins=(Pin(name="meson", version="1.9", hashes=("b" * 64, "c" * 64)),))
    plan = make_plan(project, project.targets[:1], Identities(artifacts="a", toolchain="t", packaging="p"))
    step = next(iter(plan.wheels.values()))
    entry = StoreEntry(
        key=step.key,
        kind=EntryKind.WHEEL,
        name=step.name,
        version=step.version,
        target=step.platform,
        file="wheels/x/demo.whl",
        sha256="d" * 64,
        size=1,
        created=0.0,
    )
    tools = (Pin(name="ziglang", version="0.17.1", hashes=("e" * 64,)),)
    build = describe_build(project, plan, step, entry, EngineName.ZIG, tools)
    assert make_statement(build, "https://example.org/ci") == make_statement(build, "https://example.org/ci")
    return dict(json.loads(make_statement(build, "https://example.org/ci")))


def write_statement(statement: dict[str, Any], wheel: Path, **subject: str) -> bytes:
    """Return the bytes of a statement about a wheel; `subject` replaces its name or hash."""
    values = {"name": wheel.name, "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(), **subject}
    inputs = [*statement["predicate"]["buildDefinition"]["resolvedDependencies"], {"digest": {"sha256": SOURCE}}]
    definition = {**statement["predicate"]["buildDefinition"], "resolvedDependencies": inputs}
    subjects = [{"name": values["name"], "digest": {"sha256": values["sha256"]}}]
    predicate = {**statement["predicate"], "buildDefinition": definition}
    return json.dumps({**statement, "subject": subjects, "predicate": predicate}).encode()


def write_keys(folder: Path) -> tuple[Path, Path]:
    key = Ed25519PrivateKey.generate()
    private, public = folder / "key.pem", folder / "key.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def test_a_statement_lists_every_source_patch_recipe_requirement_and_tool(statement: dict[str, Any]) -> None:
    project = load_project(ROOT)
    definition = statement["predicate"]["buildDefinition"]
    inputs = {each["name"]: each for each in definition["resolvedDependencies"]}

    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert statement["subject"] == [{"name": "demo.whl", "digest": {"sha256": "d" * 64}}]
    assert statement["predicate"]["runDetails"]["builder"]["id"] == "https://example.org/ci"
    assert definition["externalParameters"]["target"] == project.targets[0].tag
    for name in ("glib", "libvips", "zlib", "nasm"):
        source = project.recipes[name].source
        archive = inputs[f"{name} {project.recipes[name].version}: {source.filename}"]
        assert archive["digest"] == {"sha256": source.sha256, "sha1": source.sha1}
        assert inputs[f"recipe {name}"]["annotations"]["files"] == dict(project.recipes[name].files)
        for patch in source.patches:
            entry = inputs[f"{name} {project.recipes[name].version}: {patch.file or patch.name}"]
            assert entry["digest"]["sha256"] == patch.sha256
            assert entry.get("annotations", {}).get("fixes", []) == list(patch.fixes)
    assert inputs["build requirement meson 1.9"]["annotations"] == {"sha256": ["b" * 64, "c" * 64]}
    assert inputs["tool ziglang 0.17.1"]["uri"] == "pkg:pypi/ziglang@0.17.1"


def make_result(wheel: Path, image: str, state: SmokeState = SmokeState.PASSED, **details: Any) -> SmokeResult:
    return SmokeResult(
        wheel=wheel.name,
        target="manylinux2014_x86_64",
        image=image,
        libc="glibc",
        arch="x86_64",
        state=state,
        **details,
    )


def write_smoke_statement(wheel: Path, key: Path | None = None, *states: SmokeState) -> bytes:
    """Write the statement about a wheel's smoke tests, by default one that passed, next to the wheel, and return it."""
    results = [
        make_result(wheel, f"system-{index}", state) for index, state in enumerate(states or [SmokeState.PASSED])
    ]
    content = make_smoke_statement(hashlib.sha256(wheel.read_bytes()).hexdigest(), results, Smoke())
    find_smoke_statement(wheel).write_bytes(content if key is None else sign_statement(content, key))
    return content


def check_smoke(wheel: Path, content: bytes | None = None, **evidence: Any) -> tuple[Verdict, str]:
    """Return the check of the smoke tests; `content` replaces the statement."""
    if content is not None:
        find_smoke_statement(wheel).write_bytes(content)
    (check,) = [each for each in verify_wheel(wheel, Evidence(**evidence)) if each.name == "smoke"]
    return check.verdict, check.detail


def test_a_statement_about_smoke_tests_has_images_pythons_and_results(wheel: Path) -> None:
    results = [
        make_result(
            wheel,
            "debian-12",
            python="3.11.2",
            actual_libc="glibc 2.36",
            image_digest=f"sha256:{'1' * 64}",
            image_reference=f"docker.io/library/debian@sha256:{'2' * 64}",
            imported=("demo",),
        ),
        make_result(
            wheel, "debian-11", python="3.9.2", image_digest=f"sha256:{'3' * 64}", emulated=True, cpu="Nehalem"
        ),
        make_result(wheel, "centos-7", SmokeState.STATIC),
        make_result(wheel, "Windows", SmokeState.UNDER_WINE, python="3.13.0"),
    ]
    smoke = Smoke(requires=("pytest",), command=("python", "-m", "pytest"))

    statement = json.loads(make_smoke_statement("d" * 64, results, smoke))

    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert statement["subject"] == [{"name": wheel.name, "digest": {"sha256": "d" * 64}}]
    predicate = statement["predicate"]
    assert {key: predicate[key] for key in predicate if key != "configuration"} == {
        "result": "WARNED",
        "passedTests": ["debian-12", "debian-11"],
        "warnedTests": ["centos-7: static only", "Windows: passed under Wine"],
        "failedTests": [],
    }
    toolkit, *images = predicate["configuration"]
    assert toolkit["uri"].startswith("pkg:pypi/everywheel@")
    assert toolkit["annotations"] == {"command": ["python", "-m", "pytest"], "requires": ["pytest"]}
    assert images == [
        {
            "name": "debian-12",
            "uri": f"docker.io/library/debian@sha256:{'2' * 64}",
            "digest": {"sha256": "1" * 64},
            "annotations": {
                "architecture": "x86_64",
                "libc": "glibc 2.36",
                "python": "3.11.2",
                "imported": ["demo"],
            },
        },
        {
            "name": "debian-11",
            "digest": {"sha256": "3" * 64},
            "annotations": {"architecture": "x86_64", "python": "3.9.2", "emulator": "Nehalem"},
        },
    ]


@pytest.mark.parametrize(
    ("states", "verdict", "detail"),
    [
        ([SmokeState.PASSED], Verdict.OK, "passed on 1 system: system-0"),
        (
            [SmokeState.PASSED] * 7 + [SmokeState.NO_PYTHON],
            Verdict.OK,
            "passed on 7 systems: system-0, system-1, system-2, system-3, system-4 and 2 more; 1 warning: "
            "system-7: no interpreter",
        ),
        ([SmokeState.PASSED, SmokeState.FAILED], Verdict.FAILED, "failed on system-1"),
        ([SmokeState.PASSED, SmokeState.ERROR], Verdict.FAILED, "failed on system-1: could not run"),
        (
            [SmokeState.STATIC, SmokeState.UNDER_WINE],
            Verdict.NOT_CHECKED,
            "the wheel was run on no system: system-0: static only, system-1: passed under Wine",
        ),
    ],
)
def test_a_wheel_must_have_passed_on_a_system_and_failed_on_none(
    wheel: Path, states: list[SmokeState], verdict: Verdict, detail: str
) -> None:
    write_smoke_statement(wheel, None, *states)

    assert check_smoke(wheel) == (verdict, detail)


def test_a_wrong_statement_about_smoke_tests_fails(wheel: Path, statement: dict[str, Any], tmp_path: Path) -> None:
    private, public = write_keys(tmp_path)
    content = write_smoke_statement(wheel)
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    envelope = json.loads(sign_statement(content.replace(b"system-0", b"system-9"), private))
    forged = json.dumps({**envelope, "payload": base64.b64encode(content).decode()}).encode()
    name = find_smoke_statement(wheel).name

    assert check_smoke(wheel, content.replace(wheel.name.encode(), b"other.whl")) == (
        Verdict.FAILED,
        "the statement is about other files: other.whl",
    )
    assert check_smoke(wheel, content.replace(sha256.encode(), b"f" * 64)) == (
        Verdict.FAILED,
        f"the statement is about a file with sha256 {'f' * 64}",
    )
    assert check_smoke(wheel, content.replace(b'"system-0"', b"")) == (
        Verdict.FAILED,
        f"{name}: its result is 'PASSED', but that of its tests is 'WARNED'",
    )
    assert check_smoke(wheel, content.replace(b'"failedTests": []', b'"failedTests": ["system-1"]')) == (
        Verdict.FAILED,
        f"{name}: its result is 'PASSED', but that of its tests is 'FAILED'",
    )
    assert check_smoke(wheel, content.replace(b'"failedTests": []', b'"failedTests": [1]')) == (
        Verdict.FAILED,
        f"{name}: its 'failedTests' is not a list of names",
    )
    assert check_smoke(wheel, write_statement(statement, wheel)) == (
        Verdict.FAILED,
        f"{name}: its predicate is https://slsa.dev/provenance/v1, not https://in-toto.io/attestation/test-result/v0.1",
    )
    assert check_smoke(wheel, forged, keys=load_public_keys([public])) == (
        Verdict.FAILED,
        f"{name}: none of the keys has signed it",
    )
    verdict, detail = check_smoke(wheel, content[:-20])
    assert (verdict, detail.startswith(f"{name}: ")) == (Verdict.FAILED, True)


def test_every_statement_must_be_signed(wheel: Path, statement: dict[str, Any], tmp_path: Path) -> None:
    private, public = write_keys(tmp_path)
    find_statement(wheel).write_bytes(sign_statement(write_statement(statement, wheel), private))
    write_smoke_statement(wheel)
    keys = load_public_keys([public])

    assert verify_wheel(wheel, Evidence(keys=keys))[-1] == Check(
        name="signature", verdict=Verdict.NOT_CHECKED, detail="not signed: the statement of smoke"
    )

    write_smoke_statement(wheel, private)

    assert verify_wheel(wheel, Evidence(keys=keys))[-1] == Check(
        name="signature", verdict=Verdict.OK, detail="by one of the keys: provenance, smoke"
    )
    assert verify_wheel(wheel, Evidence())[-1].detail == "no public key is named (`--key FILE`)"


def test_a_wheel_is_verified_with_signed_statements_and_published_hashes(
    wheel: Path, statement: dict[str, Any], tmp_path: Path
) -> None:
    private, public = write_keys(tmp_path)
    find_statement(wheel).write_bytes(sign_statement(write_statement(statement, wheel), private))
    write_smoke_statement(wheel, private)
    sums = {wheel.name: hashlib.sha256(wheel.read_bytes()).hexdigest()}

    checks = verify_wheel(wheel, Evidence(keys=load_public_keys([public]), sums=sums))

    assert [(check.name, check.verdict) for check in checks] == [
        ("hash", Verdict.OK),
        ("contents", Verdict.OK),
        ("SBOM", Verdict.OK),
        ("provenance", Verdict.OK),
        ("inputs", Verdict.OK),
        ("smoke", Verdict.OK),
        ("signature", Verdict.OK),
    ]


def test_what_cannot_be_checked_is_named(wheel: Path, statement: dict[str, Any]) -> None:
    missing = {check.name: check.detail for check in verify_wheel(wheel, Evidence()) if check.verdict is not Verdict.OK}
    find_statement(wheel).write_bytes(write_statement(statement, wheel))
    unsigned = {check.name: (check.verdict, check.detail) for check in verify_wheel(wheel, Evidence())}

    assert missing == {
        "hash": "no list of hashes is named (`--sums SHA256SUMS`)",
        "provenance": "there is no demo-1.0-py3-none-any.whl.provenance.json next to the wheel "
        "(`--provenance FILE` names another one)",
        "smoke": "there is no demo-1.0-py3-none-any.whl.smoke.json next to the wheel (`--smoke FILE` names another one)",
        "signature": "there is no usable statement",
    }
    assert unsigned["signature"] == (Verdict.NOT_CHECKED, "not signed: the statement of provenance")


def forge(statement: dict[str, Any], wheel: Path, key: Path) -> bytes:
    """A signed statement whose payload was exchanged."""
    document = json.loads(sign_statement(write_statement(statement, wheel), key))
    payload = write_statement(statement, wheel, name="other.whl")
    return json.dumps({**document, "payload": base64.b64encode(payload).decode()}).encode()


def name_subject_twice(content: bytes) -> bytes:
    document = json.loads(content)
    other = {**document["subject"][0], "digest": {"sha256": "0" * 64}}
    return json.dumps({**document, "subject": [other, *document["subject"]]}).encode()


def truncate(statement: dict[str, Any], wheel: Path, key: Path) -> bytes:
    return write_statement(statement, wheel)[:-20]


@pytest.mark.parametrize(
    ("make", "detail"),
    [
        (forge, "demo-1.0-py3-none-any.whl.provenance.json: none of the keys has signed it"),
        (truncate, "demo-1.0-py3-none-any.whl.provenance.json: Unterminated string"),
        (
            lambda *_: b'{"payload": 1, "signatures": []}',
            "demo-1.0-py3-none-any.whl.provenance.json: it is not an envelope: ",
        ),
        (lambda *_: b"[" * 100_000, "demo-1.0-py3-none-any.whl.provenance.json: "),
        (
            lambda statement, wheel, key: write_statement(statement, wheel, name="other.whl"),
            "the statement is about other files: other.whl",
        ),
        (
            lambda statement, wheel, key: write_statement(statement, wheel, sha256="f" * 64),
            f"the statement is about a file with sha256 {'f' * 64}",
        ),
        (
            lambda statement, wheel, key: write_statement({**statement, "predicateType": "https://example.org"}, wheel),
            "demo-1.0-py3-none-any.whl.provenance.json: its predicate is https://example.org, not "
            "https://slsa.dev/provenance/v1",
        ),
        (
            lambda statement, wheel, key: write_statement(statement, wheel).replace(
                b'"digest": {"sha256": "' + SOURCE.encode() + b'"}', b'"digest": "text"'
            ),
            "demo-1.0-py3-none-any.whl.provenance.json: a value is not an object",
        ),
        (
            lambda statement, wheel, key: write_statement(statement, wheel).replace(
                b'"' + SOURCE.encode() + b'"', b'["text"]'
            ),
            "demo-1.0-py3-none-any.whl.provenance.json: a digest is not a text",
        ),
        (
            # Readers differ in which of two equal keys counts.
            lambda statement, wheel, key: b'{"subject": [],' + write_statement(statement, wheel)[1:],
            "demo-1.0-py3-none-any.whl.provenance.json: an object has a key twice",
        ),
        (
            lambda statement, wheel, key: (
                b'{"payload": "e30=",' + sign_statement(write_statement(statement, wheel), key)[1:]
            ),
            "demo-1.0-py3-none-any.whl.provenance.json: it is not an envelope: an object has a key twice",
        ),
        (
            # Readers with protobuf accept two spellings of a field.
            lambda statement, wheel, key: b'{"predicate_type": "other",' + write_statement(statement, wheel)[1:],
            "demo-1.0-py3-none-any.whl.provenance.json: the key predicate_type must be predicateType",
        ),
        (
            lambda statement, wheel, key: b'{"note": NaN,' + write_statement(statement, wheel)[1:],
            "demo-1.0-py3-none-any.whl.provenance.json: JSON does not have NaN",
        ),
        (
            lambda statement, wheel, key: name_subject_twice(write_statement(statement, wheel)),
            "demo-1.0-py3-none-any.whl.provenance.json: it has several subjects with the same name: demo-1.0-py3-none-any.whl",
        ),
        (
            lambda statement, wheel, key: sign_statement(write_statement(statement, wheel), key).replace(
                b"vnd.in-toto+json", b"json"
            ),
            "demo-1.0-py3-none-any.whl.provenance.json: its payload is 'application/json', not 'application/vnd.in-toto+json'",
        ),
    ],
)
def test_a_wrong_statement_fails(
    make: Callable[[dict[str, Any], Path, Path], bytes],
    detail: str,
    wheel: Path,
    statement: dict[str, Any],
    tmp_path: Path,
) -> None:
    private, public = write_keys(tmp_path)
    find_statement(wheel).write_bytes(make(statement, wheel, private))

    checks = verify_wheel(wheel, Evidence(keys=load_public_keys([public])))

    (failed,) = [check for check in checks if check.verdict is Verdict.FAILED]
    assert failed.name == "provenance"
    assert failed.detail.startswith(detail)


def test_a_library_whose_source_the_statement_does_not_have_fails(wheel: Path, statement: dict[str, Any]) -> None:
    content = write_statement(statement, wheel).replace(SOURCE.encode(), b"9" * 64)
    find_statement(wheel).write_bytes(content)

    (failed,) = [check for check in verify_wheel(wheel, Evidence()) if check.verdict is Verdict.FAILED]

    assert (failed.name, failed.detail) == ("inputs", "the statement has no source of foo 1.0")


def test_a_wheel_with_another_hash_or_with_a_changed_file_fails(wheel: Path) -> None:
    other = verify_wheel(wheel, Evidence(sums={wheel.name: "0" * 64}))[0]
    absent = verify_wheel(wheel, Evidence(sums={"other.whl": "0" * 64}))[0]
    wheel.write_bytes(wheel.read_bytes().replace(b"answer = 42", b"answer = 43"))
    contents = verify_wheel(wheel, Evidence())[1]

    assert (other.verdict, absent.verdict, contents.verdict) == (Verdict.FAILED,) * 3
    assert absent.detail == "the list of hashes does not have this file"


def test_a_signature_by_another_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    private, _ = write_keys(tmp_path)
    _, other = write_keys(tmp_path / "other")
    envelope = sign_statement(b"{}", private)

    assert is_envelope(envelope)
    assert open_envelope(envelope, ()) == b"{}"
    with pytest.raises(InvalidEnvelope, match=r"^none of the keys has signed it$"):
        open_envelope(envelope, load_public_keys([other]))


@pytest.mark.parametrize("signature", [{"keyid": ""}, {"keyid": "of another tool"}, {}])
def test_a_signature_counts_with_any_identifier_of_its_key(signature: dict[str, str], tmp_path: Path) -> None:
    private, public = write_keys(tmp_path)
    document = json.loads(sign_statement(b"{}", private))
    sig = document["signatures"][0]["sig"]

    envelope = json.dumps({**document, "signatures": [{"keyid": "x", "sig": "AAAA"}, {**signature, "sig": sig}]})

    assert open_envelope(envelope.encode(), load_public_keys([public])) == b"{}"


def test_a_key_of_cosign_is_accepted(tmp_path: Path) -> None:
    key = generate_private_key(SECP256R1())  # cosign generate-key-pair
    (tmp_path / "cosign.pub").write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    payload_type = "application/vnd.in-toto+json"
    signature = key.sign(f"DSSEv1 {len(payload_type)} {payload_type} 2 {{}}".encode(), ECDSA(SHA256()))
    envelope = {
        "payloadType": payload_type,
        "payload": base64.b64encode(b"{}").decode(),
        "signatures": [{"keyid": "", "sig": base64.b64encode(signature).decode()}],
    }

    assert open_envelope(json.dumps(envelope).encode(), load_public_keys([tmp_path / "cosign.pub"])) == b"{}"


def test_a_file_without_a_key_is_an_error(tmp_path: Path) -> None:
    private, public = write_keys(tmp_path)

    for call in (lambda: load_public_keys([private]), lambda: sign_statement(b"{}", public)):
        with pytest.raises(UsageError, match="is not a key in PEM without a passphrase"):
            call()
    with pytest.raises(UsageError, match="no such file"):
        load_public_keys([tmp_path / "absent"])


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"null", b'{"_type": "https://in-toto.io/Statement/v1"}', b'{"a": NaN}']
)
def test_other_json_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidStatement):
        read_statement(content)


def test_a_list_of_hashes_is_read_as_sha256sum_writes_it(tmp_path: Path) -> None:
    sums = tmp_path / "SHA256SUMS"
    sums.write_text(f"{'a' * 64}  dist/one.whl\n{'b' * 64} *two.whl\n")

    assert read_sums(sums) == {"one.whl": "a" * 64, "two.whl": "b" * 64}

    sums.write_text(f"{'A' * 64}  one.whl\n{'a' * 64}  one.whl\n")
    assert read_sums(sums) == {"one.whl": "a" * 64}

    sums.write_text(f"{'a' * 64}  one.whl\n{'b' * 64}  one.whl\n")
    with pytest.raises(UsageError, match="is not a list of hashes") as caught:
        read_sums(sums)
    assert caught.value.details == {"reason": "it has two hashes of one.whl"}

    sums.write_text("nothing")
    with pytest.raises(UsageError, match="is not a list of hashes"):
        read_sums(sums)
