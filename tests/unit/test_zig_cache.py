"""The caches of zig in the store: the next run gets what a run adds, programs included."""

from __future__ import annotations

import os
from pathlib import Path

from everywheel.store.stamped_dir import seal_stamped_dir
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
