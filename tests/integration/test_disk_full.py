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


@pytest.mark.parametrize("large", [("sources", "tools", "zig"), ("sources", "tools", "zig", "work", "logs")])
def test_a_full_disk_is_an_error_and_the_next_build_succeeds(
    tmp_path: Path, python_headers: Path, large: tuple[str, ...]
) -> None:
    """`large` are the directories of the store on a large file system; the disk is full while unpacking, or while packing."""
    ensure_tools(default_store())
    project = FixtureProject(tmp_path, python_headers)
    project.run("sources", "fetch")
    store = project.store
    build = shlex.join([sys.executable, "-m", "everywheel", "--project", str(project.root), "build", "-t", TARGET])
    links = "".join(
        f"mkdir -p {tmp_path}/large/{name}\nln -s {tmp_path}/large/{name} {store}/{name}\n" for name in large
    )
    (tmp_path / "large").mkdir()
    for name in large:
        if (store / name).exists():
            (store / name).rename(tmp_path / "large" / name)
    script = f"""
mount -t tmpfs -o size=128k none {store}
{links}
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
