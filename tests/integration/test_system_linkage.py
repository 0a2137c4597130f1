"""Linkage `system`: one wheel without libraries uses the libvips of Debian 11, 12 and 13."""

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

LIBVIPS_VERSIONS = {"debian-11-libvips": "8.10.5", "debian-12-libvips": "8.14.1", "debian-13-libvips": "8.16.1"}
OLD_LIBVIPS = "int vips_version(int which) { return (int[]){8, 9, 2}[which]; }\n"
TESTS = [f"extension/tests/test_{name}.py" for name in ("encode", "arrays")]
SYSTEM_TESTS = "extension/tests/test_system.py"
# In Python, because these images have no env(1).
SET_VARIABLE = "os.environ['WEBPENCODE_OLD_LIBVIPS'] = '/project/old'"
RUN_TESTS = f"pytest.main(['-q', *{TESTS}]) or pytest.main(['-q', '{SYSTEM_TESTS}'])"
TEST_PROGRAM = f"import os, pytest; {SET_VARIABLE}; raise SystemExit({RUN_TESTS})"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with a wheel for system linkage, and in old/ a library that reports to be libvips 8.9."""
    with find_runtime():
        pass
    folder = tmp_path_factory.mktemp("system")
    copy_repository(folder)
    call([sys.executable, "-m", "everywheel", "build", "--linkage", "system", "-t", "manylinux2014_x86_64"], cwd=folder)
    (folder / "old").mkdir()
    (folder / "old" / "old.c").write_text(OLD_LIBVIPS)
    tools = ensure_tools(default_store().absolute())
    compiler = [tools.zig, "cc", "-target", "x86_64-linux-gnu.2.17", "-shared", "-s", "-Wl,-soname,libvips.so.42"]
    call([*compiler, "old.c", "-o", "libvips.so.42"], cwd=folder / "old")
    return folder


@pytest.fixture(scope="module")
def wheel(project: Path) -> Path:
    return next((project / "wheelhouse" / "zig-system").glob("*-abi3-*.whl"))


def smoke(project: Path, wheel: Path, command: str, *images: str) -> dict[str, dict[str, Any]]:
    """Run the smoke test of a wheel; return the results by image."""
    options = [arg for image in images for arg in ("--image", image)]
    process = subprocess.run(
        [sys.executable, "-m", "everywheel", "smoke", wheel, *options, "--json", "--command", command],
        cwd=project,
        env=dict(os.environ),
        text=True,
        capture_output=True,
        check=False,
    )
    return {result["image"]: result for result in json.loads(process.stdout)}


def test_the_wheel_contains_no_library(wheel: Path) -> None:
    contents = read_wheel(wheel)

    assert [name for name in contents.files if ".so" in name] == ["webpencode/_webpencode.abi3.so"]
    assert [name for name in contents.files if "/licenses/" in name] == [f"{contents.dist_info}/licenses/LICENSE"]
    assert wheel.stat().st_size < 100_000


def test_the_wheel_works_with_the_libvips_of_each_debian(project: Path, wheel: Path) -> None:
    results = smoke(project, wheel, shlex.join(["python", "-c", TEST_PROGRAM]), *LIBVIPS_VERSIONS)

    assert [result["state"] for result in results.values()] == ["passed"] * 3, results
    for image in LIBVIPS_VERSIONS:
        names = [Path(path).name for path in results[image]["system_libraries"]]
        assert any(name.startswith("libvips.so.42") for name in names), names
        # The last line summarizes test_system.py, which is skipped for other linkages.
        assert "skipped" not in results[image]["evidence"][-1], results[image]


@pytest.mark.parametrize(("image", "version"), LIBVIPS_VERSIONS.items())
def test_versions_reports_the_libvips_of_the_system(project: Path, wheel: Path, image: str, version: str) -> None:
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
    raise SystemExit("libvips is installed")
"""

pytestmark = pytest.mark.xdist_group("system_linkage")


def test_the_error_on_a_system_without_libvips_has_the_command_that_installs_it(project: Path, wheel: Path) -> None:
    result = smoke(project, wheel, shlex.join(["python", "-c", MISSING]), "debian-12")["debian-12"]

    assert result["state"] == "passed", result
