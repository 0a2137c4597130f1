"""The temporary store of a rebuild: no wheel that was built before is in it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from everywheel.errors import BuildError
from everywheel.execution.files import remove_path, translate_os_errors
from everywheel.planning.steps import Plan
from everywheel.store.local import Store

_SHARED = ("sources", "tools", "zig")


@contextlib.contextmanager
def open_build_store(store: Store, *, fresh: bool) -> Iterator[Store]:
    """Yield a temporary store, and remove it at the end, except after a failed build, whose logs are in it.

    It shares the sources of `store`, whose hashes are checked before every use, and unless it is `fresh`, the tools and the
    compiler's cache.
    """
    with translate_os_errors(store.root):
        folder = Path(tempfile.mkdtemp(dir=store.root / "tmp", prefix="rebuild-"))
    keep = False
    try:
        with translate_os_errors(store.root):
            for name in _SHARED[:1] if fresh else _SHARED:
                (folder / name).symlink_to((store.root / name).resolve(), target_is_directory=True)
        yield Store(folder)
    except BuildError:
        keep = True
        raise
    finally:
        if not keep:
            remove_path(folder)


def share_libraries(plan: Plan, source: Store, store: Store) -> None:
    """Add the libraries of a plan that one store has to another one on the same file system; no wheels."""
    for step in plan.libraries.values():
        entry = source.find(step.key)
        if entry is None or store.find(step.key) is not None:
            continue
        with translate_os_errors(store.root), store.open_temporary() as temporary:
            temporary.unlink()
            os.link(source.path(entry), temporary)
            store.put(temporary, entry)
