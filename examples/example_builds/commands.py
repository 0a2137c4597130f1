"""Commands that the builds run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path


class ExampleError(Exception):
    """An error about what the user passed or installed."""


def run(command: Iterable[str | Path], *, cwd: Path, env: Mapping[str, str]) -> str:
    """Run a command and return its output; raise ExampleError with it when the command fails."""
    args = [str(arg) for arg in command]
    result = subprocess.run(
        args, cwd=cwd, env=env, text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if result.returncode != 0:
        raise ExampleError(f"{' '.join(args[:3])} … exited with {result.returncode}:\n{result.stdout[-4000:]}")
    return result.stdout
