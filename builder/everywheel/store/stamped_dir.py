"""Directories of the store that are filled by one process and used only when they are complete.

Virtual environments, downloaded wheels and primed compiler caches cannot be renamed into place as files can: they contain
their own path, or several programs write them. So a directory is filled in place, under a lock, and a stamp is written
last. If there is no stamp, the next process removes the files of the interrupted attempt and starts again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from everywheel.errors import MachineError

STAMP = "complete"
"""The name of the file that marks a directory as complete."""


def ensure_stamped_dir(path: Path, fill: Callable[[Path], None], *, title: str, offline: bool = False) -> Path:
    """Return the directory `path`, after filling it if it is not complete yet.

    `fill` receives the path of an empty directory and writes its content; after an exception the directory is incomplete.
    The operating system releases the lock of a process that dies. `title` names the content in errors: `build tools`.
    Raises MachineError for a directory that is not complete when `offline` forbids the download.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.parent.resolve() / path.name  # scripts in it name this path, which must not depend on symbolic links
    stamp = path / STAMP
    if stamp.exists():
        return path
    if offline:
        raise MachineError(
            f"{title}: not in the store, and --offline forbids the download",
            details={"path": path},
            hint="run the same command once without --offline",
        )
    with FileLock(f"{path}.lock"):
        if not stamp.exists():
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
            fill(path)
            stamp.write_text("")
    return path
