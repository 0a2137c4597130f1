"""The caches of zig: verified ones in the store, and a private copy of them for each run.

zig compiles the C library of a target, and its own run-time library, when they are first used, and keeps them in a cache. It
compares the sources of an entry with the cache, but not the entry itself: an object that was damaged later would be linked
into every wheel. So a run never uses a cache that another run wrote. It copies the cache of each target from the store, where
a manifest has the hashes of all files, and returns what zig added, such as the C++ library, after the run has succeeded.
Objects of the code that is built are in another cache, which ends with the run.

Links would not do: zig writes a library that is complete once more, into the same folder, if its own path differs.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from everywheel.store.lease import make_lock
from everywheel.store.stamped_dir import find_damage, seal_stamped_dir

# Parsed sources of zig's standard library (z/), 45 MB, are quickly made again. The parts are copied in this order:
# an entry in h/ is the last file of a compilation that zig writes, and refers to files in the others.
_PARTS = ("b", "o", "h")


def cache_variables(folder: Path) -> dict[str, str]:
    """Return the variables that select the private caches in a directory: `global` for libraries of zig, `local` for code."""
    return {"ZIG_GLOBAL_CACHE_DIR": str(folder / "global"), "ZIG_LOCAL_CACHE_DIR": str(folder / "local")}


def strip_cache(folder: Path) -> None:
    """Remove from private caches what is not copied to another run."""
    for path in (folder / "local", *(folder / "global").iterdir()):
        if path.name not in _PARTS:
            shutil.rmtree(path, ignore_errors=True)


def copy_cache(stored: Path, private: Path) -> None:
    """Copy a cache from the store; it is locked meanwhile, since another run may add files."""
    with make_lock(stored.with_name(f"{stored.name}.lock")):
        _copy_added_files(stored / "global", private / "global")


def return_cache(stored: Path, private: Path) -> None:
    """Add to a cache in the store what zig compiled during a run, unless it was damaged in the meantime."""
    entries = private / "global" / "o"
    if not any(not (stored / "global" / "o" / path.name).exists() for path in entries.glob("*")):
        return
    with make_lock(stored.with_name(f"{stored.name}.lock")):
        if not find_damage(stored):
            _copy_added_files(private / "global", stored / "global")
            seal_stamped_dir(stored)


def _copy_added_files(origin: Path, destination: Path) -> None:
    for part in _PARTS:
        for folder, _, names in os.walk(origin / part):
            target = destination / Path(folder).relative_to(origin)
            target.mkdir(parents=True, exist_ok=True)
            for name in names:
                if not (target / name).exists():
                    # With its mode: zig compiles some of its own programs, such as the resource compiler.
                    shutil.copy(Path(folder, name), target / name)
