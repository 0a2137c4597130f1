"""The caches of zig in the store: the next run gets what a run adds, programs included."""

from __future__ import annotations

import os
from pathlib import Path

from everywheel.execution.files import remove_path
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


def test_a_run_links_the_libraries_of_the_store_and_returns_only_what_zig_added(tmp_path: Path) -> None:
    stored, run = tmp_path / "stored", tmp_path / "run"
    (stored / "global" / "o" / "ab").mkdir(parents=True)
    (stored / "global" / "o" / "ab" / "libc.so.6").write_text("library")
    (stored / "global" / "h").mkdir()
    (stored / "global" / "h" / "ab.txt").write_text("entry")
    seal_stamped_dir(stored)

    copy_cache(stored, run)
    (run / "global" / "h" / "ab.txt").write_text("entry that zig has read again")
    (run / "global" / "o" / "cd").mkdir()
    (run / "global" / "o" / "cd" / "libc++.a").write_text("added")
    return_cache(stored, run)

    assert (run / "global" / "o" / "ab").readlink() == stored / "global" / "o" / "ab"
    assert (run / "global" / "o" / "ab" / "libc.so.6").read_text() == "library"
    assert (stored / "global" / "h" / "ab.txt").read_text() == "entry"
    assert (stored / "global" / "o" / "cd" / "libc++.a").read_text() == "added"
    assert find_damage(stored, thorough=True) == []


def test_the_end_of_a_run_removes_its_links_and_not_the_libraries_of_the_store(tmp_path: Path) -> None:
    stored, run = tmp_path / "stored", tmp_path / "run"
    (stored / "global" / "o" / "ab").mkdir(parents=True)
    (stored / "global" / "o" / "ab" / "libc.so.6").write_text("library")
    seal_stamped_dir(stored)

    copy_cache(stored, run)
    remove_path(run)

    assert not run.exists()
    assert find_damage(stored, thorough=True) == []


def test_a_run_returns_its_libraries_although_another_one_has_replaced_the_cache(tmp_path: Path) -> None:
    stored, run = tmp_path / "stored", tmp_path / "run"
    (stored / "global" / "o" / "ab").mkdir(parents=True)
    (stored / "global" / "o" / "ab" / "libc.so.6").write_text("library")
    seal_stamped_dir(stored)

    copy_cache(stored, run)
    remove_path(stored)
    (stored / "global" / "o").mkdir(parents=True)
    seal_stamped_dir(stored)
    (run / "global" / "o" / "cd").mkdir()
    (run / "global" / "o" / "cd" / "libc++.a").write_text("added")
    return_cache(stored, run)

    assert [path.name for path in (stored / "global" / "o").iterdir()] == ["cd"]
    assert find_damage(stored, thorough=True) == []
