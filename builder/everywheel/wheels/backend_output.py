"""The output of a call of a build backend: its warnings, and errors that only the calling process would describe.

The last argument of the command is the directory with `output.json`, which pyproject_hooks reads next
(https://github.com/pypa/pyproject-hooks).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from everywheel.errors import BuildError, UsageError
from everywheel.execution.process import log_lines


def check_backend(command: Sequence[str], backend: str, label: str) -> None:
    """Raise UsageError for a backend that cannot be imported, and BuildError for one that does not support a call."""
    output = _read(command)
    cause = output.get("traceback") or output.get("backend_error") or ""
    reason = (str(cause).strip().splitlines() or [""])[-1]
    if output.get("no_backend"):
        raise UsageError(
            f"{label}: the build backend {backend} cannot be imported",
            details={"reason": reason},
            hint="is the distribution that contains it in `requires` of [build-system]? `build-backend` names its module",
        )
    if output.get("unsupported"):
        raise BuildError(
            f"{label}: the build backend {backend} does not support {command[-2]}", details={"reason": reason}
        )


def log_warnings(command: Sequence[str], log: Path, label: str) -> None:
    """Move the warnings of a finished call of a hook from its results to the log.

    pyproject_hooks would emit each entry of `warnings` as a warning of the calling process, on its terminal. With another
    format of the file, nothing is moved.
    """
    output = _read(command)
    try:
        warnings = output.pop("warnings")
        lines = [f"{entry['filename']}:{entry['lineno']}: warning: {entry['message']}" for entry in warnings]
    except (LookupError, TypeError):
        return
    if lines:
        log_lines(log, label, [line for text in lines for line in text.splitlines()])
        _find(command).write_text(json.dumps(output), encoding="utf-8")


def _find(command: Sequence[str]) -> Path:
    return Path(command[-1]) / "output.json"


def _read(command: Sequence[str]) -> dict[str, Any]:
    """Return the content of the file; nothing if it has another format."""
    try:
        output = json.loads(_find(command).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return output if isinstance(output, dict) else {}
