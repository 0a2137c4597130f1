"""Thorough verification of what a store has installed: tools, build requirements, packages for containers, compiler caches."""

from __future__ import annotations

import contextlib
from pathlib import Path

from everywheel.store.manifest import read_manifest
from everywheel.store.stamped_dir import STAMP, find_damage, list_stamped_dirs
from everywheel.toolchains.record import find_record_damage


def count_installed_files(store: Path) -> tuple[int, int]:
    """Return the number of complete directories in `tools/` and `zig/`, and of the files that their manifests list."""
    counts = []
    for path in list_stamped_dirs(store):
        with contextlib.suppress(OSError, ValueError):
            counts.append(len(read_manifest(path / STAMP).files))
    return len(counts), sum(counts)


def find_damaged_installations(store: Path) -> dict[Path, list[str]]:
    """Read every file of each complete directory in `tools/` and `zig/`; return one line for each damaged file, by directory.

    Files are compared with the manifest of the directory and, in virtual environments, with the RECORDs of packages.
    """
    checked = {path: find_damage(path, thorough=True) or _compare_records(path) for path in list_stamped_dirs(store)}
    return {path: damage for path, damage in checked.items() if damage}


def _compare_records(environment: Path) -> list[str]:
    sites = [
        site for pattern in ("lib/python*/site-packages", "Lib/site-packages") for site in environment.glob(pattern)
    ]
    return [line for site in sites for line in find_record_damage(site)]
