"""Rebuilds of a wheel from the commit of its provenance: the same bytes, and what explains others."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from everywheel.execution.files import hash_file
from everywheel.provenance.verify import find_statement
from everywheel.store.local import FIXED_TIME
from everywheel.wheels.wheel import add_files, pack_wheel, read_wheel
from fixture_project import FixtureProject

TAG = "musllinux_1_2_aarch64"
VERSION = "1.0"


def commit(folder: Path) -> str:
    """Commit the files of a folder into a new repository, and return the commit."""
    user = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    for args in (["init", "--quiet"], ["add", "."], [*user, "commit", "--quiet", "--message", "release"]):
        subprocess.run(["git", *args], cwd=folder, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    return head.stdout.strip()


def test_a_wheel_is_rebuilt_from_the_commit_of_its_provenance(project: FixtureProject) -> None:
    project.run("lock")
    (project.root / ".gitignore").write_text("wheelhouse\n")
    # The project is in a folder of the repository.
    (project.folder / ".gitignore").write_text("/store\n/pack\n/mirror\n")
    head = commit(project.folder)
    project.build("-t", TAG)
    project.run("provenance", "-t", TAG)
    (wheel,) = (project.root / "wheelhouse").glob("*.whl")
    sha256 = hash_file(wheel)
    project.replace("extension/meson.build", "fixture", "changed after the release")

    subprocess.run(["git", "tag", f"v{VERSION}"], cwd=project.folder, check=True)

    release = (f"v{VERSION}", "--from", "wheelhouse", "--wheel", f"*{TAG}.whl")
    output, errors = project.run("rebuild", *release, "--output", "rebuild.json")

    assert f"identical: {wheel.name} (sha256 {sha256}), from commit {head}\n" in output
    assert "warning" not in errors
    statement = json.loads((project.root / "rebuild.json").read_text())
    assert statement["subject"] == [{"name": wheel.name, "digest": {"sha256": sha256}}]
    assert statement["predicate"]["verificationResult"] == "PASSED"
    assert statement["predicate"]["everywheel_rebuilt"]["digest"] == {"sha256": sha256}
    assert not list((project.store / "tmp").iterdir())

    released = read_wheel(wheel)
    (module,) = (name for name in released.files if name.endswith(".so") and "/" not in name)
    code = bytearray(released.files[module].data)
    position = code.index(b"clang version")  # in .comment
    code[position] ^= 1
    other = pack_wheel(add_files(released, {module: bytes(code)}), project.folder / "other", epoch=FIXED_TIME)
    find_statement(other).write_text(find_statement(wheel).read_text().replace(sha256, hash_file(other)))

    arguments = ("rebuild", str(other), "--challenge", str(find_statement(wheel)), "--keep", "kept")
    output, errors = project.run(*arguments, exit_code=5)

    assert f"{find_statement(wheel)}: agrees: the same bytes, by " in output
    assert hash_file(project.root / "kept" / wheel.name) == sha256
    assert f"error: {wheel.name}: the rebuild has other bytes\n  wheel: sha256 {hash_file(other)}\n" in errors
    assert f"  | {module}: 1 of {len(code)} bytes differ, the first at offset {position}\n" in errors
    assert f"  | {module}: sections that differ: .comment\n" in errors
    assert "  | input: " not in errors
