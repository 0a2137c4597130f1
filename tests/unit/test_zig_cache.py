"""The caches of zig in the store: the next run gets what a run adds, programs included."""

from __future__ import annotations

import os
from pathlib import Path

from everywheel.store.stamped_dir import find_damage, seal_stamped_dir
from everywheel.toolchains.zig_cache import copy_cache, return_cache


def test_programs_that_zig_has_compiled_can_be_run_in_the_next_run(tmp_path: Path) -> None:
    stored, first, second = (tmp_path / name for name in ("stored", "first", "second"))
    (stored / "global").mkdir(parents=True)
    seal_stamped_dir(stored)
    program = first / "global" / "o" / "ab" / "resinator"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    return_cache(stored, first)
    copy_cache(stored, second)

    assert os.access(second / "global" / "o" / "ab" / "resinator", os.X_OK)


def test_what_zig_writes_in_a_run_changes_no_file_of_the_store(tmp_path: Path) -> None:
    stored, run = tmp_path / "stored", tmp_path / "run"
    (stored / "global" / "o" / "ab").mkdir(parents=True)
    (stored / "global" / "o" / "ab" / "libc.so.6").write_text("library")
    seal_stamped_dir(stored)

    copy_cache(stored, run)
    (run / "global" / "o" / "ab" / "libc.so.6").write_text("written again")
    (run / "global" / "o" / "ab" / "libm.so.6").write_text("added")

    assert find_damage(stored, thorough=True) == []
