"""A build in a store on a file system that is too small, and a second build after the file system was enlarged."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from everywheel.store.local import default_store
from everywheel.toolchains.build_tools import ensure_tools
from fixture_project import FixtureProject
from root_filesystems import call

TARGET = "manylinux_2_17_x86_64"


# What is on a large file system: what is written first, and the files of zig, 20 MB, of which each build makes a copy.
LARGE = ("sources", "tools", "zig", "logs")


@pytest.mark.parametrize("size", ["128k", "13m"], ids=["copying", "unpacking"])
def test_a_full_disk_is_an_error_and_the_next_build_succeeds(tmp_path: Path, python_headers: Path, size: str) -> None:
    """The disk is full when the compiler's cache is copied, or when a source is unpacked."""
    ensure_tools(default_store())
    project = FixtureProject(tmp_path, python_headers)
    project.run("sources", "fetch")
    store = project.store
    build = shlex.join([sys.executable, "-m", "everywheel", "--project", str(project.root), "build", "-t", TARGET])
    (tmp_path / "large").mkdir()
    for name in LARGE:
        (store / name).mkdir(exist_ok=True)
        (store / name).rename(tmp_path / "large" / name)
    mounts = "".join(f"mkdir {store}/{name}\nmount --bind {tmp_path}/large/{name} {store}/{name}\n" for name in LARGE)
    script = f"""
mount -t tmpfs -o size={size} none {store}
{mounts}
export EVERYWHEEL_STORE={store} EVERYWHEEL_MIRRORS={project.mirror}
if {build}; then exit 1; fi
echo --- more space
mount -o remount,size=1g {store}
{build}
"""
    output = call(["unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", script])

    full, _, after = output.partition("--- more space\n")
    lines = full.replace(str(store), "{store}").splitlines()
    assert "error: no space left on the disk" in lines, full
    assert f"built: {project.root}/wheelhouse/fixture-1.0-cp311-abi3-manylinux2014_x86_64.whl" in after
