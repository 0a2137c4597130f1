"""The directory for temporary files: a check that names it, before a program fails in it for reasons that it does not name."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from everywheel.errors import MachineError

_SPACE = 1 << 16  # bytes
_PREFIX = "everywheel-"


def check_temporary_directory() -> None:
    """Raise MachineError when $TMPDIR, or the system's temporary directory without it, cannot be written.

    Python silently uses another directory then, and other programs fail: uv reports that it cannot resolve packages.
    """
    configured = os.environ.get("TMPDIR")
    try:
        with tempfile.TemporaryFile(dir=configured or None, buffering=0) as file:
            if file.write(bytes(_SPACE)) != _SPACE:
                raise OSError(0, "no space left on device")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        details = {"TMPDIR": configured, "reason": reason} if configured else {"reason": reason}
        raise MachineError(
            "the directory for temporary files cannot be used",
            details=details,
            hint="set TMPDIR to a directory that you may write and that has free space",
        ) from None


@contextlib.contextmanager
def open_temporary_directory() -> Iterator[Path]:
    """Return a context manager that makes a temporary directory and removes it; raises MachineError if it cannot."""
    check_temporary_directory()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
        yield Path(folder)


def list_temporary_directories() -> list[Path]:
    """Return the directories of `open_temporary_directory` that exist, those of killed processes included."""
    try:
        return list(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"))
    except OSError:
        return []
