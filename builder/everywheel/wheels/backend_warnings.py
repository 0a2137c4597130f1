"""Warnings of a build backend, which pyproject_hooks would print on the terminal of the calling process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from everywheel.execution.process import log_lines


def log_warnings(command: Sequence[str], log: Path, label: str) -> None:
    """Move the warnings of a finished call of a hook from its results to the log.

    The last argument of the command is the directory with `output.json`, which pyproject_hooks reads next: it emits each
    entry of `warnings` as a warning of the calling process (https://github.com/pypa/pyproject-hooks). With another format
    of the file, nothing is moved.
    """
    file = Path(command[-1]) / "output.json"
    try:
        output = json.loads(file.read_text(encoding="utf-8"))
        warnings = output.pop("warnings")
        lines = [f"{entry['filename']}:{entry['lineno']}: warning: {entry['message']}" for entry in warnings]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return
    if lines:
        log_lines(log, label, [line for text in lines for line in text.splitlines()])
        file.write_text(json.dumps(output), encoding="utf-8")
