"""Paths of a store that build tools cannot handle, and file systems that do not run programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from everywheel.errors import MachineError
from everywheel.toolchains.store_location import MAX_BYTES, REFUSED, check_store_location, find_path_defect


@pytest.mark.parametrize("character", [*REFUSED, "\n", "\t", "\x7f", "\udcff"])
def test_a_store_with_a_character_that_a_tool_cannot_handle_is_refused(tmp_path: Path, character: str) -> None:
    with pytest.raises(MachineError) as raised:
        check_store_location(tmp_path / f"a{character}b")

    error = raised.value
    assert (error.exit_code, error.fact) == (7, "build tools cannot handle the path of the store")
    assert error.hint is not None
    assert error.hint.startswith("set EVERYWHEEL_STORE to a directory with none of ")
    error.render().encode()  # it can be printed


def test_a_linked_directory_of_a_store_is_checked_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "a,b").mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "work").symlink_to(tmp_path / "a,b")

    with pytest.raises(MachineError, match="cannot handle the path"):
        check_store_location(tmp_path / "store")


def test_a_directory_of_a_store_that_is_a_link_to_itself_is_left_to_the_check_of_its_directories(
    tmp_path: Path,
) -> None:
    (tmp_path / "work").symlink_to("work")

    check_store_location(tmp_path)


def test_the_length_of_a_path_is_limited() -> None:
    longest = "/" + "ü" * 250 + "/" + "a" * (MAX_BYTES - 502)

    assert [find_path_defect(path) for path in (longest, longest + "a")] == [
        None,
        f"{MAX_BYTES + 1} bytes are too long: at most {MAX_BYTES}",
    ]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a file system")
def test_a_store_on_a_file_system_without_programs_is_named_by_each_command_and_by_doctor(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    script = (
        'mount -t tmpfs -o noexec none "$1" && export EVERYWHEEL_STORE="$1" && shift\n'
        '"$@" sources fetch; echo "exit $?"\n"$@" doctor | grep store; echo "exit $?"'
    )
    command = [sys.executable, "-m", "everywheel", "-p", str(Path(__file__).parents[1] / "failing" / "base")]

    result = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", store, *command],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if "unshare failed" in result.stdout or "mount:" in result.stdout:
        pytest.skip(f"cannot mount: {result.stdout}")

    lines = result.stdout.splitlines()
    assert lines[:4] == [
        "error: programs cannot be started in the store: its file system is mounted with the option noexec",
        f"  store: {store}",
        "  hint: set EVERYWHEEL_STORE to a directory on another file system, or mount this one with exec",
        "exit 7",
    ]
    assert (
        "missing  store:             programs cannot be started in the store: its file system is mounted"
        in result.stdout
    )
