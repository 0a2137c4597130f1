"""The audit of whole files: broken archives, summaries of correct wheels, and the error with all findings."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from everywheel.audit import CheckSummary, Finding, Report, audit_wheel, describe_finding, fail_on_findings
from everywheel.audit.checks import CHECKS
from everywheel.audit.sbom import Component
from everywheel.audit.wheel_contents import read_wheel_contents
from everywheel.binaries.elf import read_elf
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.errors import AuditError, BuildError, UsageError
from everywheel.wheels.wheel import Wheel, WheelFile, encode_digest, pack_wheel, read_wheel

NAME = "demo-1.0-py3-none-any.whl"
INFO = "demo-1.0.dist-info"
FILES = {
    "demo/__init__.py": b"x = 1\n",
    f"{INFO}/METADATA": b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nLicense-Expression: MIT\nLicense-File: LICENSE\n",
    f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{INFO}/licenses/LICENSE": b"MIT\n",
}


def make_wheel(folder: Path, **files: bytes) -> Path:
    contents = {path: WheelFile(data=data) for path, data in {**FILES, **files}.items()}
    wheel = Wheel(name="demo", version="1.0", build="", python="py3", abi="none", platform="any", files=contents)
    return pack_wheel(wheel, folder, epoch=1577836800)


def rewrite(path: Path, change: dict[str, bytes | None]) -> Path:
    """Replace members without updating RECORD; None removes one."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, **change}.items():
            if data is not None:
                archive.writestr(name, data)
    return path


def list_findings(path: Path) -> list[tuple[str, str, str]]:
    return [(finding.check, finding.file, finding.message) for finding in audit_wheel(path).findings]


def test_a_correct_pure_wheel_has_no_findings(tmp_path: Path) -> None:
    report = audit_wheel(make_wheel(tmp_path))

    assert (report.wheel, report.findings, report.files) == (NAME, (), ())
    assert [(summary.check, summary.message) for summary in report.checks] == [
        ("archive", "5 files, 509 bytes unpacked"),
        ("record", "every file compared with its hash"),
        ("tags", "py3-none-any"),
        ("elf", "0 modules, 0 libraries, 0 others"),
        ("arch", "no ELF file"),
        ("symbols", "no versioned symbol; no platform tag has a policy"),
        ("undefined", "0 required symbols compared"),
        ("libraries", "needs from the system: nothing"),
        ("rpath", "none"),
        ("dlopen", "no library outside of the wheel"),
        ("stack", "no ELF file"),
        ("textrel", "0 files with text relocations"),
        ("pages", "no ELF file"),
        (
            "hardening",
            "0 of 0 libraries with RELRO, 0 also with BIND_NOW, 0 with stack protector, 0 with FORTIFY, 0 with CET or BTI",
        ),
        ("debug", "0 bytes"),
        ("paths", "searched for 0 paths of the build"),
        ("exports", "0 files checked"),
        ("abi3", "not required: the ABI tag is none"),
        ("licenses", "1 text; no SBOM lists a library"),
    ]


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        audit_wheel(tmp_path / NAME)

    assert caught.value.render() == (
        f"error: {tmp_path / NAME}: no such file\n  hint: name a finished wheel, such as wheelhouse/*.whl"
    )


def test_an_invalid_wheel_file_name_is_a_finding(tmp_path: Path) -> None:
    path = make_wheel(tmp_path).rename(tmp_path / "demo.whl")

    ((check, file, message),) = list_findings(path)

    assert (check, file) == ("archive", "demo.whl")
    assert message.startswith("not a valid wheel file name: ")


def test_a_file_that_is_not_a_zip_archive_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"not a zip archive")

    assert list_findings(path) == [("archive", NAME, "not a zip archive: it has no directory at its end")]


def test_a_truncated_archive_is_a_finding(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    path.write_bytes(path.read_bytes()[:-50])

    assert list_findings(path) == [("archive", NAME, "not a zip archive: it has no directory at its end")]


def test_a_damaged_member_is_a_finding(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"x = 1\n", b"x = 2\n"))

    assert list_findings(path)[0] == (
        "archive",
        "demo/__init__.py",
        "cannot be read: its checksum is wrong",
    )


def test_a_wheel_without_dist_info_is_a_finding(tmp_path: Path) -> None:
    path = rewrite(make_wheel(tmp_path), {**{name: None for name in FILES if INFO in name}, f"{INFO}/RECORD": None})

    assert list_findings(path) == [("archive", NAME, "0 .dist-info directories instead of 1")]


def test_a_second_dist_info_is_a_finding(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, **{"other-2.dist-info/METADATA": b""})

    assert list_findings(path) == [
        ("archive", NAME, "2 .dist-info directories instead of 1: demo-1.0.dist-info, other-2.dist-info")
    ]


def test_another_projects_dist_info_is_a_finding(tmp_path: Path) -> None:
    path = make_wheel(tmp_path).rename(tmp_path / "other-1.0-py3-none-any.whl")

    assert list_findings(path) == [
        (
            "archive",
            path.name,
            "the .dist-info directory is demo-1.0.dist-info, but the file name requires other-1.0.dist-info",
        )
    ]


def test_a_missing_metadata_file_is_a_finding(tmp_path: Path) -> None:
    path = rewrite(make_wheel(tmp_path), {f"{INFO}/METADATA": None})

    assert list_findings(path) == [
        ("archive", f"{INFO}/METADATA", "missing"),
        ("record", f"{INFO}/METADATA", "listed in RECORD, but missing from the wheel"),
    ]


def test_a_changed_file_is_a_finding_with_both_hashes(tmp_path: Path) -> None:
    path = rewrite(make_wheel(tmp_path), {"demo/__init__.py": b"x = 2"})

    (finding,) = audit_wheel(path).findings

    assert (finding.check, finding.file, finding.message) == (
        "record",
        "demo/__init__.py",
        "the hash differs from the one in RECORD",
    )
    assert finding.evidence == (
        f"RECORD: sha256={encode_digest(hashlib.sha256(FILES['demo/__init__.py']).digest())}",
        f"file:   sha256={encode_digest(hashlib.sha256(b'x = 2').digest())}",
    )


def test_a_file_that_record_does_not_list_is_a_finding(tmp_path: Path) -> None:
    path = rewrite(make_wheel(tmp_path), {"demo/new.py": b""})

    assert list_findings(path) == [("record", "demo/new.py", "not listed in RECORD")]


def test_a_weak_hash_is_a_finding(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    with zipfile.ZipFile(path) as archive:
        lines = archive.read(f"{INFO}/RECORD").decode().splitlines()
    weak = "\n".join(["demo/__init__.py,md5=abc,6", *lines[1:]])

    assert list_findings(rewrite(path, {f"{INFO}/RECORD": weak.encode()})) == [
        ("record", "demo/__init__.py", "RECORD has no sha256 for this file, only 'md5=abc'")
    ]


def test_a_path_that_leads_out_of_the_wheel_is_a_finding(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, **{"../evil.py": b""})

    assert list_findings(path) == [("archive", "../evil.py", "the path leads out of the directory")]


def test_two_members_with_one_name_are_a_finding(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("demo/__init__.py", b"x = 1\n")

    assert list_findings(path) == [("archive", "demo/__init__.py", "2 members have this name")]


def test_a_file_with_only_the_header_of_an_elf_file_is_a_finding(tmp_path: Path) -> None:
    (finding,) = audit_wheel(make_wheel(tmp_path, **{"demo/x.so": b"\x7fELF\x02\x01\x01"})).findings

    assert (finding.check, finding.file) == ("elf", "demo/x.so")
    assert finding.message.startswith("not a complete ELF file (")


@pytest.mark.parametrize(
    "tail", [b"", b"\x00", b"\xff" * 60, b"\x02\x01\x01" + b"\x00" * 9 + b"\x03\x00\x3e\x00" + b"\xff" * 44]
)
def test_the_elf_reader_raises_no_other_exception_for_malformed_files(tail: bytes) -> None:
    with pytest.raises(UnreadableElf, match=r"not a complete ELF file|truncated|its header lists 65535 sections"):
        read_elf(b"\x7fELF" + tail)


def test_an_sbom_that_is_not_json_is_a_finding(tmp_path: Path) -> None:
    ((check, file, message),) = list_findings(make_wheel(tmp_path, **{f"{INFO}/sboms/x.cdx.json": b"[1, 2"}))

    assert (check, file) == ("licenses", f"{INFO}/sboms/x.cdx.json")
    assert message.startswith("not a readable CycloneDX document: ")


def test_an_sbom_of_another_tool_is_read(tmp_path: Path) -> None:
    document = {
        "bomFormat": "CycloneDX",
        "metadata": {"component": {"type": "library", "name": "Demo"}},
        "components": [
            {"type": "library", "name": "demo", "version": "1.0"},
            {
                "type": "library",
                "name": "foo",
                "version": "2",
                "scope": "required",
                "licenses": [{"license": {"id": "MIT"}}, {"expression": "A OR B"}],
            },
            {"type": "application", "name": "gcc"},
            {"type": "library", "name": "cc", "version": "1.4.0", "scope": "excluded"},
            {"type": "library", "name": "rayon", "version": "1.0", "scope": "optional"},
        ],
    }
    contents, _ = read_wheel_contents(
        make_wheel(tmp_path, **{f"{INFO}/sboms/x.cdx.json": json.dumps(document).encode()})
    )
    assert contents is not None

    assert contents.sbom.unreadable == {}
    assert contents.sbom.components == (
        Component(name="foo", version="2", license="MIT AND (A OR B)", linkage="", files=(), exports=None),
    )
    assert contents.sbom.module_exports is None


def make_report(wheel: str, *findings: Finding) -> Report:
    return Report(
        wheel=wheel, size=1, checks=(CheckSummary(check="archive", message="1 file"),), files=(), findings=findings
    )


STACK = Finding(check="stack", file="a.so", message="requires it")
SYMBOL = Finding(check="symbols", file="a.so", message="needs GLIBC_2.34", evidence=("f@GLIBC_2.34",))


def test_the_error_lists_every_finding_with_its_evidence() -> None:
    with pytest.raises(AuditError) as caught:
        fail_on_findings((make_report("x.whl", STACK, SYMBOL),))

    assert caught.value.exit_code == 5
    assert caught.value.render() == (
        "error: x.whl: the audit has 2 findings\n"
        "  | stack (load): a.so: requires it\n"
        "  | symbols (load): a.so: needs GLIBC_2.34\n"
        "  |     f@GLIBC_2.34\n"
        "  hint: docs/troubleshooting.md explains how to fix each finding"
    )


def test_the_error_for_several_wheels_names_each() -> None:
    with pytest.raises(AuditError) as caught:
        fail_on_findings((make_report("x.whl"), make_report("y.whl", STACK)))

    assert caught.value.render() == (
        "error: 1 of 2 wheels: the audit has 1 finding\n"
        "  | y.whl\n"
        "  | stack (load): a.so: requires it\n"
        "  hint: docs/troubleshooting.md explains how to fix each finding"
    )


def test_a_report_without_findings_raises_nothing() -> None:
    fail_on_findings((make_report("x.whl"),))


def test_a_finding_has_its_own_lines() -> None:
    assert describe_finding(SYMBOL) == ["symbols (load): a.so: needs GLIBC_2.34", "    f@GLIBC_2.34"]


def patch(path: Path, offset: int, new: bytes) -> Path:
    """Change bytes of the first member's entry in an archive's directory."""
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x01\x02") + offset
    data[start : start + len(new)] = new
    path.write_bytes(data)
    return path


OTHER = "has another name, size or method in front of its data than in the directory"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({6: b"\xff\0"}, "'demo/__init__.py' requires version 25.5 of the format"),
        ({8: b"\0\x08", 46: b"\xff"}, f"'\\xffemo/__init__.py' {OTHER}"),
        ({46: b"\0"}, f"'\0emo/__init__.py' {OTHER}"),
        (
            {24: b"\xf0\xff\xff\xff"},
            "the archive would unpack to 4294967783 bytes, which is over 100 times its own size",
        ),
    ],
    ids=["version", "name", "no name", "bomb"],
)
def test_an_archive_that_zipfile_cannot_read_is_a_finding(
    tmp_path: Path, changes: dict[int, bytes], message: str
) -> None:
    path = make_wheel(tmp_path)
    for offset, new in changes.items():
        patch(path, offset, new)

    assert list_findings(path) == [("archive", NAME, message)]
    with pytest.raises(BuildError) as caught:
        read_wheel(path)
    assert caught.value.fact == f"{NAME} is not a readable wheel"


def test_a_wheel_with_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        read_wheel(patch(make_wheel(tmp_path), 8, b"\1"))

    assert caught.value.fact == f"{NAME} is not a readable wheel"


def test_a_member_without_a_name_is_a_finding(tmp_path: Path) -> None:
    path = rewrite(make_wheel(tmp_path), {".": b""})

    assert ("archive", ".", "the path has an empty part") in list_findings(path)


def test_a_symbolic_link_is_found(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    link = zipfile.ZipInfo("demo/link.so")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "libfoo.so.1")

    assert ("archive", "demo/link.so", "a symbolic link, which installers write as a regular file") in list_findings(
        path
    )


def test_a_size_that_differs_from_record_is_found(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    with zipfile.ZipFile(path) as archive:
        record = archive.read(f"{INFO}/RECORD").replace(b",6\n", b",7\n", 1)

    assert list_findings(rewrite(path, {f"{INFO}/RECORD": record})) == [
        ("record", "demo/__init__.py", "has 6 bytes, but RECORD lists 7")
    ]


def test_metadata_that_is_not_ascii_is_read_as_utf_8(tmp_path: Path) -> None:
    metadata = FILES[f"{INFO}/METADATA"] + "License-File: LICENSE-é\nLicense-File: LIZENZ-ü\n".encode()
    path = make_wheel(tmp_path, **{f"{INFO}/METADATA": metadata, f"{INFO}/licenses/LICENSE-é": b"MIT\n"})

    missing = ("licenses", f"{INFO}/licenses/LIZENZ-ü", "License-File lists this file, but it is missing")
    assert list_findings(path) == [missing]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"[" * 200_000, "maximum recursion depth exceeded"),
        (
            b'{"metadata": {"component": {"properties": [{"name": "everywheel:exports", "value": [1]}]}}}',
            "the value of everywheel:exports is not a string",
        ),
    ],
)
def test_a_malformed_sbom_is_a_finding(tmp_path: Path, document: bytes, reason: str) -> None:
    file = f"{INFO}/sboms/demo.cdx.json"

    ((check, where, message),) = list_findings(make_wheel(tmp_path, **{file: document}))

    assert (check, where) == ("licenses", file)
    assert message.startswith(f"not a readable CycloneDX document: {reason}")


def test_a_compressed_set_of_a_billion_tags_is_not_expanded(tmp_path: Path) -> None:
    line = "-".join([".".join("abcdefghij")] * 9)
    path = make_wheel(
        tmp_path, **{f"{INFO}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {line}\n".encode()}
    )

    (finding,) = audit_wheel(path).findings

    assert (finding.message, finding.evidence[0]) == (
        "the tags differ from those in the file name",
        f"WHEEL:     {line}",
    )


def test_names_that_differ_only_in_case_are_found(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, **{"demo/Codec.py": b"", "demo/codec.py": b"", "demo/other.py": b""})

    message = "differs from demo/Codec.py only in case: file systems of macOS and Windows keep only one of the two"
    assert list_findings(path) == [("archive", "demo/codec.py", message)]


def test_each_check_has_one_row_and_a_wheel_without_binaries_shows_those_of_linux(tmp_path: Path) -> None:
    names = [check.name for check in CHECKS]
    report = audit_wheel(make_wheel(tmp_path))

    assert len(set(names)) == len(names)
    assert [summary.check for summary in report.checks] == [c.name for c in CHECKS if c.applies_to(["linux"])]
