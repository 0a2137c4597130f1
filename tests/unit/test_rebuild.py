"""Rebuilds: which statements are refused, how differences of wheels are explained, and statements of other parties."""

from __future__ import annotations

import json
import os
import shutil
import struct
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from everywheel.binaries.elf_sections import hash_sections
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.cli.main import main
from everywheel.errors import UsageError
from everywheel.execution.files import hash_file
from everywheel.provenance.envelope import load_public_keys
from everywheel.provenance.verify import find_statement
from everywheel.rebuild.checkout import check_out
from everywheel.rebuild.comparison import compare_inputs, compare_parameters, compare_wheels, run_diffoscope
from everywheel.rebuild.request import RebuildRequest, read_request
from everywheel.rebuild.statement import compare_statement, make_summary
from example_provenance import COMMIT, EPOCH, NAME, PROJECT, commit, make_statement, write_wheel


def make_elf(**sections: bytes) -> bytes:
    """Return a small ELF file with sections of the given content, and no segments."""
    names = b"\0" + b"".join(f".{name}\0".encode() for name in (*sections, "shstrtab"))
    contents = {**sections, "shstrtab": names}
    body, headers, offset = b"", bytes(64), 64
    for name, content in contents.items():
        kind = 3 if name == "shstrtab" else 1
        start = names.index(f".{name}\0".encode())
        headers += struct.pack("<IIQQQQIIQQ", start, kind, 0, 0, offset, len(content), 0, 0, 1, 0)
        body, offset = body + content, offset + len(content)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    count = len(contents) + 1
    header = struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, offset, 0, 64, 0, 0, 64, count, count - 1)
    return ident + header + body + headers


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return write_wheel(tmp_path / "dist", {"demo.py": b"answer = 42\n"})


def read(wheel: Path, **changes: Any) -> RebuildRequest:
    find_statement(wheel).write_text(json.dumps(make_statement(wheel, **changes)))
    return read_request(wheel, None, ())


def test_a_statement_has_what_a_rebuild_needs(wheel: Path) -> None:
    request = read(wheel)

    assert (request.commit, str(request.folder), request.python) == (COMMIT, "sub", "cp311-abi3")
    assert (request.target.tag, request.engine, request.linkage) == ("manylinux_2_17_x86_64", "zig", "shared")
    assert (request.sha256, request.statement) == (hash_file(wheel), hash_file(find_statement(wheel)))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"name": "other.whl", "sha256": "b" * 64},
            f"error: the provenance of {NAME} is about another file\n  wheel: sha256 {{sha256}}\n"
            f"  statement: other.whl (sha256 {'b' * 64})\n  hint: use the statement that was published with the wheel",
        ),
        (
            {"commit": None},
            f"error: the provenance of {NAME} names no commit\n  built by: https://example.org/ci\n  hint: `everywheel "
            "provenance` names the commit of a git checkout without other changes: commit before the build",
        ),
        (
            {"commit": "--upload-pack=x"},
            f"error: the provenance of {NAME}: its 'commit' cannot be rebuilt\n  commit: '--upload-pack=x'\n"
            "  hint: use the statement that was published with the wheel",
        ),
        (
            {"root": "../elsewhere"},
            f"error: the provenance of {NAME}: its 'root' cannot be rebuilt\n  root: '../elsewhere'\n"
            "  hint: use the statement that was published with the wheel",
        ),
        (
            {"engine": "container"},
            f"error: the provenance of {NAME}: its 'engine' cannot be rebuilt\n  engine: 'container'\n"
            "  hint: use the statement that was published with the wheel",
        ),
        (
            {"toolkit": "0.0.1"},
            f"error: {NAME} was built by everywheel 0.0.1, and {version('everywheel')} is installed\n"
            "  hint: `pip install 'everywheel[provenance]==0.0.1'`, preferably in a new virtual environment",
        ),
        (
            {"toolkit": "1; rm -r ."},
            f"error: the provenance of {NAME} is not by everywheel\n  built by: https://example.org/ci\n"
            "  hint: only wheels with a statement by `everywheel provenance` can be rebuilt",
        ),
    ],
)
def test_a_statement_that_cannot_be_rebuilt_is_refused(changes: dict[str, Any], text: str, wheel: Path) -> None:
    with pytest.raises(UsageError) as refused:
        read(wheel, **changes)

    assert refused.value.render() == text.replace("{sha256}", hash_file(wheel))


def test_an_unsigned_statement_is_refused_if_a_key_is_named(wheel: Path, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "key.pub").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    find_statement(wheel).write_text(json.dumps(make_statement(wheel)))

    with pytest.raises(UsageError) as refused:
        read_request(wheel, None, load_public_keys([tmp_path / "key.pub"]))
    assert "  reason: it is not signed\n" in refused.value.render()


def test_equal_wheels_have_no_difference(tmp_path: Path) -> None:
    files = {"demo.py": b"1", "demo.so": make_elf(text=b"code")}

    assert compare_wheels(write_wheel(tmp_path / "a", files), write_wheel(tmp_path / "b", files)) == ()


def test_a_difference_is_explained_by_files_and_sections(tmp_path: Path) -> None:
    old = {"a.py": b"x = 1\n", "gone.py": b"", "lib.so": make_elf(text=b"code", data=b"1234")}
    new = {"a.py": b"x = 1\nx = 2\n", "lib.so": make_elf(text=b"cade", data=b"1234"), "new.py": b""}

    differences = compare_wheels(write_wheel(tmp_path / "a", old), write_wheel(tmp_path / "b", new))

    assert differences == (
        "only in the wheel: gone.py",
        "only in the rebuild: new.py",
        "a.py: 6 bytes, 12 in the rebuild",
        "lib.so: 1 of 351 bytes differ, the first at offset 65",
        "lib.so: sections that differ: .text",
    )


def test_archives_with_equal_files_differ_in_order_or_times(tmp_path: Path) -> None:
    files = {"a.py": b"1", "b.py": b"2"}
    wheel = write_wheel(tmp_path / "a", files)
    later = write_wheel(tmp_path / "b", files, epoch=EPOCH + 86400)
    other_order = write_wheel(tmp_path / "c", dict(reversed(files.items())))

    assert compare_wheels(wheel, later) == ("all files are equal; the times or other bytes of the archive differ",)
    assert compare_wheels(wheel, other_order) == ("all files are equal; their order differs",)


def test_an_archive_that_cannot_be_read_is_a_difference(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "a", {"a.py": b"1"})
    broken = tmp_path / NAME
    broken.write_bytes(b"no archive")

    (difference,) = compare_wheels(broken, wheel)

    assert difference == "the archive cannot be read: it has no directory at its end"


def test_sections_that_overlap_or_end_after_the_file_are_refused() -> None:
    elf = make_elf(text=b"code")
    long = elf.replace(struct.pack("<QQ", 64, 4), struct.pack("<QQ", 64, 1 << 40))

    assert hash_sections(elf).keys() == {"", ".text", ".shstrtab"}
    for broken in (long, elf[:100]):
        with pytest.raises(UnreadableElf):
            hash_sections(broken)


def test_inputs_and_settings_that_differ_are_named() -> None:
    stated = [{"name": "a", "digest": {"sha256": "1"}}, {"name": "b"}, {"name": "c"}]
    used = [{"name": "a", "digest": {"sha256": "2"}}, {"name": "c"}, {"name": "d"}]

    assert compare_inputs(stated, used) == ("only in the statement: b", "only in the rebuild: d", "a: another digest")
    assert compare_parameters({"x": 1, "y": 2}, {"x": 1, "y": 3}) == ("setting y: 2, 3 in the rebuild",)


def test_statements_of_other_parties_are_compared(wheel: Path, tmp_path: Path) -> None:
    request = read(wheel)
    same, other, forged, foreign = (tmp_path / name for name in ("same", "other", "forged", "foreign"))
    same.write_bytes(make_summary(request, request.sha256, "https://example.org/a"))
    other.write_bytes(make_summary(request, "c" * 64, "https://example.org/b"))
    forged.write_bytes(other.read_bytes().replace(b'"FAILED"', b'"PASSED"'))
    foreign.write_text(json.dumps(make_statement(wheel, name="x.whl")))

    def compare(file: Path) -> tuple[bool, str]:
        comparison = compare_statement(file, request, request.sha256, ())
        return comparison.agrees, comparison.detail

    assert compare(same) == (True, "the same bytes, by https://example.org/a")
    assert compare(other) == (False, f"other bytes (sha256 {'c' * 64}), by https://example.org/b")
    assert compare(find_statement(wheel)) == (True, "the same bytes, by https://example.org/ci")
    assert compare(foreign) == (False, "cannot be used: it is about other files: x.whl")
    assert compare(forged)[1].startswith(
        "cannot be used: it contradicts itself: PASSED, and the sha256 of its rebuild is"
    )
    assert compare(tmp_path / "absent") == (False, "no such file")
    assert not compare(wheel)[0]


def test_a_summary_names_the_wheel_the_provenance_and_the_result(wheel: Path) -> None:
    request = read(wheel)

    passed = json.loads(make_summary(request, request.sha256, "https://example.org"))
    failed = json.loads(make_summary(request, "c" * 64, "https://example.org"))

    assert passed["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert passed["predicate"]["resourceUri"] == f"pkg:pypi/demo@1.0?file_name={NAME}"
    assert passed["predicate"]["inputAttestations"] == [{"digest": {"sha256": hash_file(find_statement(wheel))}}]
    results = [
        (each["predicate"]["verificationResult"], each["predicate"]["verifiedLevels"]) for each in (passed, failed)
    ]
    assert results == [("PASSED", ["EVERYWHEEL_REBUILT"]), ("FAILED", ["FAILED"])]


def test_the_commit_is_checked_out_without_later_changes(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "file").write_text("1")
    head = commit(repository)
    (repository / "file").write_text("2")

    check_out(str(repository), head, tmp_path / "copy")

    assert (tmp_path / "copy" / "file").read_text() == "1"
    with pytest.raises(UsageError, match="no such folder"):
        check_out("ext::sh -c true", head, tmp_path / "other")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"commit": COMMIT},
            f"error: the repository does not have the commit {COMMIT} of the provenance\n  repository: {{dir}}\n"
            "  hint: `git fetch` may get it; `--repository` names another repository; the wheel may be from a fork\n",
        ),
        (
            {},
            "error: the commit {head} has no lock of the build requirements\n  missing: everywheel.lock\n"
            "  hint: a release that can be rebuilt has `everywheel.lock`, which `everywheel lock` writes, in its commit\n",
        ),
        (
            {"root": "absent"},
            "error: the commit {head} has no folder absent\n  hint: the provenance names another repository or folder: use "
            "the statement that was published with the wheel\n",
        ),
    ],
)
def test_a_commit_that_cannot_be_rebuilt_is_an_error(
    changes: dict[str, str], text: str, wheel: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    shutil.copytree(PROJECT, repository)
    head = commit(repository)
    find_statement(wheel).write_text(json.dumps(make_statement(wheel, **{"commit": head, "root": ".", **changes})))

    result = CliRunner().invoke(main, ["--project", str(repository), "rebuild", str(wheel)])

    assert (result.exit_code, result.output) == (2, text.replace("{dir}", str(repository)).replace("{head}", head))


def test_diffoscope_is_used_where_it_is_installed(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_diffoscope(wheel, wheel) == ()
    program = tmp_path / "diffoscope"
    program.write_text('#!/bin/sh\nfor number in $(/usr/bin/seq 50); do echo "line $number"; done\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), "/usr/bin", "/bin"]))

    lines = run_diffoscope(wheel, wheel)

    assert (lines[0], lines[1], lines[-2], lines[-1]) == ("diffoscope:", "line 1", "line 40", "… 10 more lines")
