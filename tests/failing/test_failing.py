"""Every mistake that a user can make without a compiler or a network, with the exact text that is printed for it.

A case is a folder: `case.toml` has the arguments (`args`), the exit code (`exit`), and variables (`env`); other files are
copied over the project in `base/`; `store/` is copied over an empty store. `pytest tests/failing --update` writes the present
output into `expected.txt`: read the difference before you commit it.
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

HERE = Path(__file__).parent
CASES = sorted(path.parent.name for path in HERE.glob("*/case.toml"))
# One of each kind of exit code that ends before anything is built: usage, source, environment.
PROGRAM_CASES = ("misspelled-target", "offline-without-sources", "unknown-runtime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case, copied into a folder of its own and ready to run."""

    args: list[str]
    exit_code: int
    project: Path
    store: Path
    environment: Mapping[str, str]

    def normalize(self, output: str) -> str:
        """Replace this machine's paths, and leave out progress lines: they contain times."""
        lines = [line for line in output.splitlines(keepends=True) if not line.startswith("[")]
        return "".join(lines).replace(str(self.project), "{dir}").replace(str(self.store), "{store}")


def copy_case(name: str, folder: Path) -> Case:
    """Copy a case's project and store below a folder."""
    project, store, empty = folder / "project", folder / "store", folder / "empty"
    empty.mkdir()
    shutil.copytree(HERE / "base", project)
    shutil.copytree(HERE / name, project, dirs_exist_ok=True)
    case = tomllib.loads((HERE / name / "case.toml").read_text())
    for path in case.get("remove", ()):
        shutil.rmtree(project / path) if (project / path).is_dir() else (project / path).unlink()
    if (project / "store").exists():
        (project / "store").rename(store)
    variables = {key: value.replace("{dir}", str(project)) for key, value in case.get("env", {}).items()}
    # No package client on PATH: what apt answers is not the same on every machine.
    fixed = {"PATH": str(empty), "HOME": str(folder), "EVERYWHEEL_STORE": str(store), "COLUMNS": "200"}
    return Case(
        args=case["args"], exit_code=case["exit"], project=project, store=store, environment={**fixed, **variables}
    )


@pytest.fixture
def isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An empty environment, and this process's signal handlers and working directory restored at the end."""
    handler = signal.getsignal(signal.SIGTERM)
    for variable in list(os.environ):
        if not variable.startswith("PYTEST_"):
            monkeypatch.delenv(variable)
    yield monkeypatch
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.parametrize("name", CASES)
def test_an_error_has_its_exact_text(
    name: str, isolated: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    case, expected = copy_case(name, tmp_path), HERE / name / "expected.txt"
    isolated.chdir(case.project)
    for variable, value in case.environment.items():
        isolated.setenv(variable, value)

    result = CliRunner().invoke(main, case.args, prog_name="everywheel")
    output = case.normalize(result.output)

    if request.config.getoption("--update"):
        expected.write_text(output)
    assert (result.exit_code, output) == (case.exit_code, expected.read_text())
    first = next(line for line in output.splitlines() if line.startswith("error: "))
    hints = [line for line in output.splitlines() if line.startswith("  hint: ")]
    assert first[7:8] == first[7:8].lower(), "errors begin in lower case"
    assert len(hints) == 1, "an error has one hint: what to do next"


@pytest.mark.parametrize("name", PROGRAM_CASES)
def test_the_program_ends_as_the_command_does(name: str, tmp_path: Path) -> None:
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
        (HERE / name / "expected.txt").read_text(),
    )
