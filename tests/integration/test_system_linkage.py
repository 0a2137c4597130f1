"""Linkage `system`: one wheel without libraries, on Debian 11, 12 and 13 with the libvips of each."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from everywheel.containers.runtime import find_runtime
from everywheel.store.local import default_store
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.wheels.wheel import read_wheel
from root_filesystems import call, copy_repository

SYSTEMS = {"debian-11-libvips": "8.10.5", "debian-12-libvips": "8.14.1", "debian-13-libvips": "8.16.1"}
OLD = "int vips_version(int which) { return (int[]){8, 9, 2}[which]; }\n"
TESTS = [f"extension/tests/test_{name}.py" for name in ("encode", "arrays")]
OWN = "extension/tests/test_system.py"
# These systems have no env(1).
SET = "os.environ['WEBPENCODE_OLD_LIBVIPS'] = '/project/old'"
RUN = f"import os, pytest; {SET}; raise SystemExit(pytest.main(['-q', *{TESTS}]) or pytest.main(['-q', '{OWN}']))"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository, with the wheel of system linkage built in it, and a library that reports to be libvips 8.9."""
    with find_runtime():
        pass
    folder = tmp_path_factory.mktemp("system")
    copy_repository(folder)
    call([sys.executable, "-m", "everywheel", "build", "--linkage", "system", "-t", "manylinux2014_x86_64"], cwd=folder)
    (folder / "old").mkdir()
    (folder / "old" / "old.c").write_text(OLD)
    tools = ensure_tools(default_store().absolute())
    compiler = [tools.zig, "cc", "-target", "x86_64-linux-gnu.2.17", "-shared", "-s", "-Wl,-soname,libvips.so.42"]
    call([*compiler, "old.c", "-o", "libvips.so.42"], cwd=folder / "old")
    return folder


@pytest.fixture(scope="module")
def wheel(project: Path) -> Path:
    return next((project / "wheelhouse" / "zig-system").glob("*-abi3-*.whl"))


def smoke(project: Path, wheel: Path, command: str, *images: str) -> dict[str, dict[str, Any]]:
    """Return the results of a wheel by image."""
    chosen = [arg for image in images for arg in ("--image", image)]
    ended = subprocess.run(
        [sys.executable, "-m", "everywheel", "smoke", wheel, *chosen, "--json", "--command", command],
        cwd=project,
        env=dict(os.environ),
        text=True,
        capture_output=True,
        check=False,
    )
    return {cell["image"]: cell for cell in json.loads(ended.stdout)}


def test_the_wheel_contains_no_library(wheel: Path) -> None:
    contents = read_wheel(wheel)

    assert [name for name in contents.files if ".so" in name] == ["webpencode/_webpencode.abi3.so"]
    assert [name for name in contents.files if "/licenses/" in name] == [f"{contents.dist_info}/licenses/LICENSE"]
    assert wheel.stat().st_size < 100_000


def test_it_works_with_the_libvips_of_each_debian(project: Path, wheel: Path) -> None:
    cells = smoke(project, wheel, shlex.join(["python", "-c", RUN]), *SYSTEMS)

    assert [cell["state"] for cell in cells.values()] == ["passed"] * 3, cells
    for image in SYSTEMS:
        names = [Path(path).name for path in cells[image]["system_libraries"]]
        assert any(name.startswith("libvips.so.42") for name in names), names
        # The last line is about the tests of this linkage, which a wheel of another one would skip.
        assert "skipped" not in cells[image]["evidence"][-1], cells[image]


@pytest.mark.parametrize(("image", "version"), SYSTEMS.items())
def test_the_versions_are_the_systems(project: Path, wheel: Path, image: str, version: str) -> None:
    command = f"python -c \"import webpencode; assert webpencode.versions()['libvips'] == '{version}', webpencode.versions()\""

    assert smoke(project, wheel, command, image)[image]["state"] == "passed"


MISSING = """
import webpencode
try:
    webpencode.probe(b"x")
except webpencode.MissingLibraryError as error:
    assert str(error).splitlines() == [
        "libvips 8.10 or newer is required, but none could be opened",
        "  dlopen: libvips.so.42: cannot open shared object file: No such file or directory",
        "  hint: `apt install libvips42`",
    ], error
else:
    raise SystemExit("there is a libvips")
"""

pytestmark = pytest.mark.xdist_group("system_linkage")


def test_a_system_without_libvips_gets_an_error_with_the_command_that_installs_it(project: Path, wheel: Path) -> None:
    cell = smoke(project, wheel, shlex.join(["python", "-c", MISSING]), "debian-12")["debian-12"]

    assert cell["state"] == "passed", cell
