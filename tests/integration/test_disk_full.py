"""A store on a real file system that is too small: the words, and that the next run goes on once there is room."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from everywheel.store.local import default_store
from everywheel.toolchains.build_tools import ensure_tools
from roots import call
from workshop import Workshop

TARGET = "manylinux_2_17_x86_64"


@pytest.mark.parametrize("roomy", [("sources", "tools", "zig"), ("sources", "tools", "zig", "work", "logs")])
def test_a_full_disk_is_named_and_loses_nothing(tmp_path: Path, roomy: tuple[str, ...]) -> None:
    """`roomy` are the store's folders that lie elsewhere: the disk is full while unpacking, or while packing."""
    ensure_tools(default_store())
    workshop = Workshop(tmp_path)
    workshop.run("sources", "fetch")
    store = workshop.store
    build = shlex.join([sys.executable, "-m", "everywheel", "--project", str(workshop.project), "build", "-t", TARGET])
    links = "".join(
        f"mkdir -p {tmp_path}/roomy/{name}\nln -s {tmp_path}/roomy/{name} {store}/{name}\n" for name in roomy
    )
    (tmp_path / "roomy").mkdir()
    for name in roomy:
        if (store / name).exists():
            (store / name).rename(tmp_path / "roomy" / name)
    script = f"""
mount -t tmpfs -o size=128k none {store}
{links}
export EVERYWHEEL_STORE={store} EVERYWHEEL_MIRRORS={workshop.mirror}
if {build}; then exit 1; fi
echo --- more room
mount -o remount,size=1g {store}
{build}
"""
    output = call(["unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", script])

    full, _, after = output.partition("--- more room\n")
    told = full.replace(str(store), "{store}").splitlines()
    assert "error: no space left on the disk" in told, full
    assert f"built: {workshop.project}/wheelhouse/fixture-1.0-cp311-abi3-manylinux2014_x86_64.whl" in after
