"""The rebuild of the last release: its tag is built by its own sessions, and a failed comparison is an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from root_filesystems import REPOSITORY

SCRIPT = REPOSITORY / ".ci" / "rebuild_release.py"
NOXFILE = """
import nox

nox.options.default_venv_backend = "none"

@nox.session(name="build-all")
def build_all(session):
    print("{text}", *session.posargs)

@nox.session
def everywheel(session):
    print("{text}", *session.posargs)
    if session.posargs[:2] == ["release", "check"] and {fails}:
        session.error("other bytes")
"""


def commit(root: Path, text: str, *, fails: bool = False) -> None:
    (root / "noxfile.py").write_text(NOXFILE.format(text=text, fails=fails))
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    for line in (["add", "-A"], [*identity, "commit", "-qm", text]):
        subprocess.run(["git", *line], cwd=root, check=True)


def rebuild(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("fails", [False, True])
def test_the_tag_of_the_last_release_is_built_and_checked(tmp_path: Path, fails: bool) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    commit(tmp_path, "before a release")
    assert rebuild(tmp_path).returncode == 10
    for version in ("0.9", "0.10"):
        (tmp_path / "releases" / version).mkdir(parents=True)
        (tmp_path / "releases" / version / "SHA256SUMS").write_text("")
        commit(tmp_path, f"release {version}", fails=fails)
        subprocess.run(["git", "tag", f"v{version}"], cwd=tmp_path, check=True)
    commit(tmp_path, "later")

    result = rebuild(tmp_path)

    assert (result.returncode == 0) is not fails, result.stdout + result.stderr
    assert [line for line in result.stdout.splitlines() if line.startswith(("release 0.10", "later"))] == [
        "release 0.10 --targets release --no-remote",
        "release 0.10 sdist",
        "release 0.10 release check wheelhouse --tag v0.10",
    ]
