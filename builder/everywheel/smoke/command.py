"""Running the smoke command on the build machine, with an excerpt that shows why it failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from everywheel.errors import BuildError
from everywheel.execution.process import run_logged
from everywheel.smoke.explain import quote_failure


def run_smoke_command(
    command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], log: Path, label: str
) -> str:
    """Run a smoke command like `run_logged`; the BuildError of a command that fails quotes the end of its output."""
    start = log.stat().st_size if log.exists() else 0
    try:
        return run_logged(command, cwd=cwd, env=env, log=log, label=label)
    except BuildError as error:
        with log.open("rb") as file:
            file.seek(start)
            output = file.read().decode(errors="replace").partition("\n")[2]  # without the line of the command
        error.excerpt = quote_failure(output) or error.excerpt
        raise
