"""Every mistake that a user can make without a compiler or a network, and the exact words that it gives.

A case is a folder: `case.toml` says what is typed (`args`), the `exit` code, and variables (`env`); other files are laid
over the project in `base/`; `store/` is laid over an empty store. `pytest tests/failing --update` writes what is printed
now into `expected.txt`: read it before you commit it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = sorted(path.parent.name for path in HERE.glob("*/case.toml"))


def run_case(name: str, folder: Path) -> tuple[int, str]:
    """Type a case's words in a copy of its project; return the exit code and all that was printed."""
    project, store, nothing = folder / "project", folder / "store", folder / "nothing"
    nothing.mkdir()
    shutil.copytree(HERE / "base", project)
    shutil.copytree(HERE / name, project, dirs_exist_ok=True)
    case = tomllib.loads((HERE / name / "case.toml").read_text())
    for path in case.get("remove", ()):
        shutil.rmtree(project / path) if (project / path).is_dir() else (project / path).unlink()
    if (project / "store").exists():
        (project / "store").rename(store)
    variables = {key: value.replace("{dir}", str(project)) for key, value in case.get("env", {}).items()}
    result = subprocess.run(
        [sys.executable, "-m", "everywheel", *case["args"]],
        cwd=project,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        # No package client on PATH: what apt answers is not the same on every machine.
        env={"PATH": str(nothing), "HOME": str(folder), "EVERYWHEEL_STORE": str(store), "COLUMNS": "200", **variables},
    )
    # What goes on meanwhile is told with the time that it took.
    told = "".join(line for line in result.stdout.splitlines(keepends=True) if not line.startswith("["))
    words = told.replace(str(project), "{dir}").replace(str(store), "{store}")
    return result.returncode, words


@pytest.mark.parametrize("name", CASES)
def test_the_words_are_these(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    expected = HERE / name / "expected.txt"
    exit_code = tomllib.loads((HERE / name / "case.toml").read_text())["exit"]

    code, words = run_case(name, tmp_path)

    if request.config.getoption("--update"):
        expected.write_text(words)
    assert (code, words) == (exit_code, expected.read_text())
    first = next(line for line in words.splitlines() if line.startswith("error: "))
    hints = [line for line in words.splitlines() if line.startswith("  hint: ")]
    assert first[7:8] == first[7:8].lower(), "errors begin in lower case"
    assert len(hints) == 1, "an error says what to do next"
