"""Rebuilds of a wheel from the commit of its provenance: the same bytes, and what explains others."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

from fixture_project import FixtureProject

TAG = "musllinux_1_2_aarch64"


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
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    project.replace("extension/meson.build", "fixture", "changed after the release")

    output, errors = project.run("rebuild", str(wheel), "--output", "rebuild.json")

    assert f"identical: {wheel.name} (sha256 {sha256}), from commit {head}\n" in output
    assert "warning" not in errors
    statement = json.loads((project.root / "rebuild.json").read_text())
    assert statement["subject"] == [{"name": wheel.name, "digest": {"sha256": sha256}}]
    assert statement["predicate"]["verificationResult"] == "PASSED"
    assert statement["predicate"]["everywheel_rebuilt"]["digest"] == {"sha256": sha256}
    assert not list((project.store / "tmp").iterdir())
