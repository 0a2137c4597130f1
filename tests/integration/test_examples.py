"""The programs in examples/, built on this machine, run on systems that have no libvips."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from root_filesystems import REPOSITORY, call, download_package, make_libc_root

pytestmark = pytest.mark.xdist_group("examples")

PHOTO = REPOSITORY / "extension" / "tests" / "data" / "photo.jpg"
# glibc finds $ORIGIN in /proc.
ENTER = 'mkdir -p "$1/proc" && mount -t proc proc "$1/proc" && exec chroot "$@"'
ENTER_ROOT = ("unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", ENTER, "sh")
SHAPES = ("static-amd64", "folder-amd64", "gcc-amd64")
TWO_GLIBS = """go-server: two copies of GLib are in this process: that of libvips, and {}. \
Link the other library to the one in libvips, or move it to another process
"""


@pytest.fixture(scope="module")
def go_environment(machine: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of this machine with Debian 13's Go, the oldest that the server accepts, on PATH."""
    if machine != "x86_64":
        pytest.skip("the programs for x86_64 would run under QEMU")
    folder = tmp_path_factory.mktemp("go")
    for name in ("golang-1.24-go", "golang-1.24-src"):
        call(["dpkg-deb", "--extract", download_package(name, "trixie", folder), folder / "root"])
    path = f"{folder}/root/usr/lib/go-1.24/bin:{os.environ['PATH']}"
    return {**os.environ, "PATH": path}


@pytest.fixture(scope="module")
def output(go_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the programs, and the output of the script that built and ran them."""
    folder = tmp_path_factory.mktemp("examples")
    script = [sys.executable, REPOSITORY / "examples" / "build_examples.py", "--run", *SHAPES]
    text = call([*script, "--sdk", folder / "sdk", "--output-dir", folder / "out"], cwd=folder, env=go_environment)
    return folder / "out", text


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Systems by name: the C libraries of Debian 11 and 13, and one that has no file."""
    folder = tmp_path_factory.mktemp("roots")
    for suite in ("bullseye", "trixie"):
        make_libc_root(folder / suite, folder / f"{suite}-packages", suite)
    (folder / "empty").mkdir()
    return {name: folder / name for name in ("bullseye", "trixie", "empty")}


@contextlib.contextmanager
def serve(root: Path, programs: Path) -> Iterator[str]:
    """Run the server in a root file system with a folder of pictures, yield its URL, and stop it."""
    pictures = root / "pictures"
    pictures.mkdir(exist_ok=True)
    shutil.copy(PHOTO, pictures)
    (pictures / "notes.txt").write_text("no picture")
    (root / "secret.jpg").write_bytes(PHOTO.read_bytes())
    (pictures / "link.jpg").unlink(missing_ok=True)
    (pictures / "link.jpg").symlink_to("../secret.jpg")
    command = [*ENTER_ROOT, str(root), f"/{programs.name}/go-server", "-listen", "127.0.0.1:0", "/pictures"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        started = server.stderr.readline()
        yield f"http://{json.loads(started)['address']}"
        server.send_signal(signal.SIGTERM)
        lines = [json.loads(line) for line in server.stderr.read().splitlines()]
        assert server.wait(timeout=30) == 0
        assert [line["msg"] for line in lines][-2:] == ["stopping", "stopped"]
    finally:
        server.kill()
        server.wait()


def get(url: str, accept: str = "*/*") -> tuple[int, str, bytes]:
    """Return status, media type and body of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=30) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read()


def test_the_script_builds_and_runs_all_programs(output: tuple[Path, str]) -> None:
    ran = re.findall(r"^(\S+: \S+): 100 x 67 with libvips \d+\.\d+\.\d+$", output[1], re.MULTILINE)

    ways = ("by-name", "cmake", "gcc", "meson")
    expected = ["static-amd64: thumbnail", "folder-amd64: thumbnail", *(f"gcc-amd64: thumbnail-{way}" for way in ways)]
    assert sorted(ran) == sorted([*expected, "gcc-amd64: ctypes"])
    assert re.search(r"^static-amd64: go test: ok ", output[1], re.MULTILINE)


@pytest.mark.parametrize(
    ("shape", "system"),
    [("static-amd64", "empty"), ("static-amd64", "bullseye"), ("folder-amd64", "bullseye"), ("folder-amd64", "trixie")],
)
def test_programs_on_systems_without_libvips(
    output: tuple[Path, str], roots: dict[str, Path], shape: str, system: str
) -> None:
    root = roots[system]
    shutil.copytree(output[0] / shape, root / shape, dirs_exist_ok=True)
    shutil.copy(PHOTO, root)

    text = call([*ENTER_ROOT, root, f"/{shape}/thumbnail", "/photo.jpg", "/photo.webp", "100"])
    with serve(root, output[0] / shape) as url:
        health = get(f"{url}/healthz")
        thumbnail = get(f"{url}/photo.jpg?width=100", "image/webp")
        refusals = [get(f"{url}/{path}") for path in ("%2e%2e/secret.jpg", "link.jpg", "notes.txt", "none.jpg")]

    assert text.startswith("100 x 67 with libvips ")
    assert json.loads(health[2])["formats"] == ["webp", "jpeg", "png"]
    assert thumbnail[:2] == (200, "image/webp")
    assert thumbnail[2][8:12] == b"WEBP"
    assert [(status, body.decode()) for status, _, body in refusals] == [
        (400, "the path leaves the folder\n"),
        (400, "the path leaves the folder\n"),
        (415, "the file is not a picture\n"),
        (404, "there is no such picture\n"),
    ]


@pytest.mark.parametrize(("shape", "newest"), [("static-amd64", None), ("folder-amd64", (2, 17))])
def test_the_oldest_glibc_that_programs_need(
    output: tuple[Path, str], shape: str, newest: tuple[int, int] | None
) -> None:
    report = json.loads(call([sys.executable, "-m", "everywheel", "explain", "--json", output[0] / shape]))

    versions = [
        tuple(map(int, need["number"].split(".")))
        for platform in report[0]["platforms"]
        for need in platform["requires"]
        if need["family"] == "GLIBC"
    ]
    assert max(versions, default=None) == newest


def test_a_second_glib_in_the_process_is_an_error(output: tuple[Path, str], tmp_path: Path) -> None:
    other = tmp_path / "libgobject-2.0.so.0"
    (tmp_path / "glib.c").write_text("void g_object_unref(void *object) { (void)object; }\n")
    call(["gcc", "-shared", "-fPIC", "-o", other, tmp_path / "glib.c"])

    result = subprocess.run(
        [output[0] / "folder-amd64" / "go-server", tmp_path],
        env={**os.environ, "LD_PRELOAD": str(other)},
        capture_output=True,
        text=True,
    )

    assert (result.returncode, result.stderr) == (1, TWO_GLIBS.format(other))
