"""The exact output of every user error that needs neither a compiler nor a network.

Each case is a directory. Its `case.toml` has the arguments of the command (`args`), the exit code (`exit`), environment
variables (`env`), paths to remove from the project (`remove`), then folders (`folders`), FIFOs (`fifos`) and links (`links`:
paths to targets) to create in it, and files to store in that encoding (`latin-1`). Its other files are copied over the
project in `base/`, and those in `store/` to an empty store. `pytest tests/failing --update` writes the current output to
`expected.txt`: read the difference before you commit it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from everywheel.cli.main import main
from everywheel.sources.deadline import Deadline

CASES_DIR = Path(__file__).parent
CASES = sorted(path.parent.name for path in CASES_DIR.glob("*/case.toml"))
# Cases that also run in a process of their own: one for each exit code before a build (usage, source, environment).
PROGRAM_CASES = ("misspelled-target", "offline-without-sources", "unknown-container-runtime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case whose project and store were copied to a temporary directory."""

    args: list[str]
    exit_code: int
    project: Path
    store: Path
    environment: Mapping[str, str]

    def normalize(self, output: str) -> str:
        """Replace the temporary paths, and remove progress lines, which contain times."""
        lines = [line for line in output.splitlines(keepends=True) if not line.startswith("[")]
        return "".join(lines).replace(str(self.project), "{dir}").replace(str(self.store), "{store}")


def copy_case(name: str, folder: Path) -> Case:
    """Copy the project and the store of a case to a directory."""
    project, store, empty = folder / "project", folder / "store", folder / "empty"
    empty.mkdir()
    shutil.copytree(CASES_DIR / "base", project)
    shutil.copytree(CASES_DIR / name, project, dirs_exist_ok=True)
    case = tomllib.loads((CASES_DIR / name / "case.toml").read_text())
    for path in case.get("remove", ()):
        shutil.rmtree(project / path) if (project / path).is_dir() else (project / path).unlink()
    for path in case.get("latin-1", ()):
        (project / path).write_bytes((project / path).read_text(encoding="utf-8").encode("latin-1"))
    for path in case.get("folders", ()):
        (project / path).mkdir(parents=True)
    for path in case.get("fifos", ()):
        os.mkfifo(project / path)
    for path, target in case.get("links", {}).items():
        (project / path).symlink_to(target)
    if (project / "store").exists():
        (project / "store").rename(store)
    variables = {key: value.replace("{dir}", str(project)) for key, value in case.get("env", {}).items()}
    # PATH has no apt, whose output differs between machines.
    fixed = {"PATH": str(empty), "HOME": str(folder), "EVERYWHEEL_STORE": str(store), "COLUMNS": "200"}
    return Case(
        args=case["args"], exit_code=case["exit"], project=project, store=store, environment={**fixed, **variables}
    )


@pytest.fixture
def isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An empty environment, and no delay between the attempts of a download; SIGTERM's handler is restored at the end."""
    handler = signal.getsignal(signal.SIGTERM)
    for variable in list(os.environ):
        if not variable.startswith("PYTEST_"):
            monkeypatch.delenv(variable)
    monkeypatch.setattr(Deadline, "sleep", lambda deadline, seconds: None)
    yield monkeypatch
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.parametrize("name", CASES)
def test_the_output_of_an_error_is_as_expected(
    name: str, isolated: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    case, expected = copy_case(name, tmp_path), CASES_DIR / name / "expected.txt"
    isolated.chdir(case.project)
    for variable, value in case.environment.items():
        isolated.setenv(variable, value)

    result = CliRunner().invoke(main, case.args, prog_name="everywheel")
    output = case.normalize(result.output)

    if request.config.getoption("--update"):
        expected.write_text(output)
    assert (result.exit_code, output) == (case.exit_code, expected.read_text())
    error = next(line for line in output.splitlines() if line.startswith("error: "))
    hints = [line for line in output.splitlines() if line.startswith("  hint: ")]
    assert error[7:8] == error[7:8].lower(), "the text of an error begins in lower case"
    assert len(hints) == 1, "an error has exactly one hint"


@pytest.mark.parametrize("name", PROGRAM_CASES)
def test_the_program_has_the_output_and_exit_code_of_the_command(name: str, tmp_path: Path) -> None:
    case = copy_case(name, tmp_path)

    result = subprocess.run(
        [sys.executable, "-m", "everywheel", *case.args],
        cwd=case.project,
        env=case.environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )

    assert (result.returncode, case.normalize(result.stdout)) == (
        case.exit_code,
        (CASES_DIR / name / "expected.txt").read_text(),
    )
