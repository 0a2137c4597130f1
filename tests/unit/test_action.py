"""action.yml: what the workflows of other projects use; its build step runs here with a program that records its arguments."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "action.yml").read_text()
ACTION: dict[str, Any] = yaml.safe_load(TEXT)
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
# Prints the report of a finished build for `--json`.
PROGRAM = """#!/bin/sh
echo "$@" >> "$RUNNER_TEMP/calls"
case "$*" in *--json*) cat "$RUNNER_TEMP/report.json" ;; esac
"""


def test_every_action_is_pinned_as_in_the_workflows() -> None:
    used = re.findall(r"uses: (.+)", TEXT.partition("runs:")[2])
    workflows = "".join(path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml"))

    assert len(used) == 3
    assert [action for action in used if action not in workflows] == []


def test_the_toolkit_is_installed_from_the_checkout_with_pinned_requirements() -> None:
    script = next(step["run"] for step in STEPS if "-m venv" in step.get("run", ""))

    assert '--require-hashes --only-binary :all: -r "$TOOLKIT/.github/requirements/everywheel.txt"' in script
    assert (ROOT / ".github" / "requirements" / "everywheel.txt").is_file()
    assert 'pip --no-build-isolation "$TOOLKIT"' in script


def test_no_script_contains_an_input() -> None:
    """A script would run what an input contains; an environment variable is only a text."""
    assert [step["run"] for step in STEPS if "${{" in step.get("run", "")] == []


def test_every_input_is_used() -> None:
    assert [name for name in ACTION["inputs"] if f"inputs.{name} " not in TEXT] == []


@pytest.mark.parametrize(("smoke", "targets"), [("true", ""), ("false", "win_amd64 musllinux_1_2_x86_64")])
def test_the_build_step_passes_targets_and_finds_the_wheels(tmp_path: Path, smoke: str, targets: str) -> None:
    (step,) = (step for step in STEPS if step.get("id") == "build")
    program = tmp_path / "everywheel" / "bin" / "everywheel"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)
    folder = tmp_path / "my project" / "out"
    wheels = [{"path": str(folder / f"spam-1-{number}.whl")} for number in range(2)]
    (tmp_path / "report.json").write_text(json.dumps({"wheels": wheels}))
    variables = {"RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(tmp_path / "output")}
    variables |= {"PROJECT": "my project", "SMOKE": smoke, "TARGETS": targets}

    subprocess.run(["bash", "-euo", "pipefail", "-c", step["run"]], check=True, env={**os.environ, **variables})

    options = "".join(f" --target {target}" for target in targets.split())
    calls = [f"--project my project build{options}", f"--project my project build{options} --json"]
    calls += [f"--project my project smoke {wheels[0]['path']} {wheels[1]['path']}"] if smoke == "true" else []
    assert (tmp_path / "calls").read_text().splitlines() == calls
    assert (tmp_path / "output").read_text() == f"wheelhouse={folder}\n"
