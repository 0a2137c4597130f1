"""Under Wine: a program that uses the DLLs for Windows, and the extension's tests with a CPython for Windows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from everywheel.platforms.target import parse_target
from everywheel.store.local import default_store
from everywheel.toolchains.build_tools import ensure_tools
from root_filesystems import REPOSITORY, call

pytestmark = pytest.mark.xdist_group("windows")

PHOTO = REPOSITORY / "extension" / "tests" / "data" / "photo.jpg"


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The environment of a new Wine prefix."""
    if shutil.which("wine") is None:
        pytest.skip("Wine is not installed (Debian: `apt-get install wine wine64`)")
    prefix = tmp_path_factory.mktemp("windows")
    environment = {**os.environ, "WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
    subprocess.run(["wine", "winecfg", "-v", "win10"], env=environment, check=True, capture_output=True)
    yield environment
    subprocess.run(["/usr/lib/wine/wineserver", "--kill"], env=environment, check=False)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prefix with the libraries for win_amd64."""
    folder = tmp_path_factory.mktemp("prefixes")
    command = [
        sys.executable,
        "-m",
        "everywheel",
        "--project",
        REPOSITORY,
        "deps",
        "--target",
        "win_amd64",
        "--output-dir",
        folder,
    ]
    call(command)
    return folder / "win_amd64"


def test_a_program_writes_a_thumbnail_with_the_dlls(prefix: Path, wine: Mapping[str, str], tmp_path: Path) -> None:
    tools = ensure_tools(default_store())
    zig = [tools.zig, "cc", "-target", parse_target("win_amd64").zig, "-O2", "-s"]
    include = [f"-I{prefix / 'include'}", *(f"-I{prefix / p}" for p in ("include/glib-2.0", "lib/glib-2.0/include"))]
    call(
        [
            *zig,
            *include,
            REPOSITORY / "tests/integration/thumbnail.c",
            prefix / "lib" / "libvips.dll.a",
            "-o",
            tmp_path / "thumbnail.exe",
        ]
    )
    for dll in (prefix / "bin").glob("*.dll"):
        shutil.copy(dll, tmp_path)
    shutil.copy(PHOTO, tmp_path / "photo.jpg")

    command = ["wine", "thumbnail.exe", "photo.jpg", "small.webp", "90"]
    process = subprocess.run(command, cwd=tmp_path, env=dict(wine), capture_output=True, text=True, check=False)

    assert process.stdout.startswith("90 x 60 with libvips 8."), process.stdout + process.stderr
    output = (tmp_path / "small.webp").read_bytes()
    assert (output[:4], output[8:12]) == (b"RIFF", b"WEBP")


def test_the_extensions_tests_pass_in_a_cpython_for_windows(wine: Mapping[str, str]) -> None:
    project = ["--project", REPOSITORY]
    call([sys.executable, "-m", "everywheel", *project, "build", "--target", "win_amd64"])
    wheels = (REPOSITORY / "wheelhouse").glob("*-win_amd64.whl")

    command = [sys.executable, "-m", "everywheel", *project, "smoke", "--require-run", "--json", *wheels]
    process = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert process.returncode == 0, process.stdout + process.stderr
    results = json.loads(process.stdout)
    assert results
    assert [(result["state"], result["python"]) for result in results] == [("passed under Wine", "3.13.0")] * len(
        results
    )
    assert all(" passed" in result["evidence"][-1] and result["test_seconds"] > 0 for result in results)
    assert "not tested on Windows" in process.stderr
