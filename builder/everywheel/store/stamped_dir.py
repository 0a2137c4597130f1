"""Directories of the store that are filled by one process and used only when they are complete and undamaged.

Virtual environments, downloaded wheels and primed compiler caches cannot be renamed into place as files can: they contain
their own path, or several programs write them. So a directory is filled in place, under a lock, and a stamp is written
last: the manifest of the directory. If there is no stamp, or the content differs from it, the next process removes the
directory and fills it again.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable
from pathlib import Path

from everywheel.errors import MachineError
from everywheel.execution.files import remove_path, translate_os_errors
from everywheel.execution.notices import report_notice
from everywheel.store.layout import file_size, is_inside
from everywheel.store.lease import make_lock
from everywheel.store.manifest import compare_with_manifest, make_manifest, read_manifest, write_manifest

STAMP = "complete"
"""The name of the file that marks a directory as complete; it contains the directory's manifest."""


def ensure_stamped_dir(
    path: Path,
    fill: Callable[[Path], None],
    *,
    title: str,
    offline: bool = False,
    ignored: tuple[str, ...] = (),
) -> Path:
    """Return the directory `path`, after filling it if it is not complete yet, or if a file in it was changed.

    `fill` receives the path of an empty directory and writes its content; after an exception the directory is incomplete.
    The operating system releases the lock of a process that dies. `title` names the content in errors: `build tools`;
    `ignored` are names in the directory that may change later. Raises MachineError for a directory that is not complete
    when `offline` forbids the download.
    """
    with translate_os_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    path = path.parent.resolve() / path.name  # scripts in it name this path, which must not depend on symbolic links
    damage = find_damage(path)
    if not damage:
        _touch(path)
        return path
    if offline:
        raise MachineError(
            f"{title}: {_summarize(path, damage)}, and --offline forbids the download",
            details={"path": path},
            hint="run the same command once without --offline",
        )
    with translate_os_errors(path.parent), make_lock(path.with_name(f"{path.name}.lock")):
        damage = find_damage(path)
        if not damage:
            return path
        if (path / STAMP).exists():
            report_notice(f"{title}: {_summarize(path, damage)}; it is made again")
        remove_path(path)
        path.mkdir()
        fill(path)
        seal_stamped_dir(path, ignored=ignored)
    return path


def seal_stamped_dir(path: Path, *, ignored: tuple[str, ...] = ()) -> None:
    """Write the manifest of a directory, whose lock the caller holds."""
    write_manifest(make_manifest(path, ignored=(STAMP, *ignored)), path / STAMP)


def find_damage(path: Path, *, thorough: bool = False) -> list[str]:
    """Return one line for each file that was changed, removed or added since the directory was filled.

    A directory that is not complete has one line too. `thorough` reads every file, otherwise those with another status.
    """
    try:
        manifest = read_manifest(path / STAMP)
        damage, current = compare_with_manifest(path, manifest, thorough=thorough)
    except FileNotFoundError:
        return ["not complete"]
    except (OSError, ValueError) as error:
        return [f"unreadable: {error}"]
    if not damage and current != manifest:
        with contextlib.suppress(OSError):  # a store that is read-only keeps the old status
            write_manifest(current, path / STAMP)
    return damage


def list_stamped_dirs(root: Path) -> list[Path]:
    """Return the complete directories in a store; not those behind a link, which belong to another store.

    Earlier versions wrote an empty stamp: such a directory is not used anymore, and `everywheel store gc` removes it.
    """
    stamps = [stamp for part in ("tools", "zig") for stamp in (root / part).glob(f"*/{STAMP}")]
    return sorted(stamp.parent for stamp in stamps if is_inside(root, stamp) and file_size(stamp) > 0)


def _summarize(path: Path, damage: list[str]) -> str:
    if not (path / STAMP).exists():
        return "not in the store"
    rest = f" and {len(damage) - 1} more" if len(damage) > 1 else ""
    return f"damaged in the store ({damage[0]}{rest})"


def _touch(path: Path) -> None:
    """Record the current time as the last use of a directory; `everywheel store gc` keeps recently used ones."""
    with contextlib.suppress(OSError):
        os.utime(path / STAMP)


def last_use(path: Path) -> float:
    """Return when a directory was last used, in seconds since 1970; for an incomplete one, when it was last changed.

    One that a running command has just replaced or removed was used now.
    """
    for file in (path / STAMP, path):
        with contextlib.suppress(FileNotFoundError):
            return file.lstat().st_mtime
    return math.inf
