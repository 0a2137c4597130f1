"""Headers and libraries of the build machine do not affect a build: with unusable ones, the bytes are the same."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from pathlib import Path

import pytest
from everywheel.store.local import default_store
from fixture_project import FixtureProject
from root_filesystems import call, copy_repository

pytestmark = pytest.mark.xdist_group("isolation")

HEADERS = (
    "assert.h",
    "dlfcn.h",
    "errno.h",
    "ffi.h",
    "features.h",
    "fcntl.h",
    "jpeglib.h",
    "limits.h",
    "math.h",
    "pcre2.h",
    "png.h",
    "pthread.h",
    "stdint.h",
    "stdio.h",
    "stdlib.h",
    "string.h",
    "unistd.h",
    "zconf.h",
    "zlib.h",
    "expat.h",
    "lcms2.h",
    "glib.h",
    "glib-2.0/glib.h",
    "glib-object.h",
    "gio/gio.h",
    "hwy/highway.h",
    "libexif/exif-data.h",
    "vips/vips.h",
    "webp/encode.h",
    "python3.11/Python.h",
    "Python.h",
    "linux/limits.h",
)
LIBRARIES = (
    "c",
    "dl",
    "exif",
    "expat",
    "ffi",
    "gio-2.0",
    "glib-2.0",
    "gobject-2.0",
    "gmodule-2.0",
    "hwy",
    "jpeg",
    "lcms2",
    "m",
    "pcre2-8",
    "png",
    "png16",
    "pthread",
    "python3",
    "python3.11",
    "rt",
    "sharpyuv",
    "stdc++",
    "vips",
    "webp",
    "webpmux",
    "webpdemux",
    "z",
)
NATIVE = f"manylinux2014_{platform.machine()}"
OBJECTS = ("crt1.o", "crti.o", "crtn.o", "Scrt1.o")


@pytest.fixture
def mount_commands(tmp_path: Path) -> str:
    """Shell commands that mount unusable headers and libraries over those of this machine, in a mount namespace.

    Libraries are replaced under the names that linkers use (libz.so), not under those that programs load (libz.so.1).
    """
    headers, libraries = tmp_path / "headers", tmp_path / "libraries"
    for name in HEADERS:
        (headers / name).parent.mkdir(parents=True, exist_ok=True)
        (headers / name).write_text('#error "a header of the build machine was used"\n')
    libraries.mkdir()
    for name in (*(f"lib{name}{suffix}" for name in LIBRARIES for suffix in (".so", ".a")), *OBJECTS):
        (libraries / name).write_text("not a library\n")
    (libraries / "pkgconfig").mkdir()
    for name in LIBRARIES:
        (libraries / "pkgconfig" / f"{name}.pc").write_text(
            f"Name: {name}\nVersion: 99\nDescription: unusable\nLibs: -lno\n"
        )
    lines = ["mkdir -p /usr/include /usr/local/include /usr/local/lib"]
    for unusable, folders in (
        (headers, ("/usr/include", f"/usr/include/{platform.machine()}-linux-gnu", "/usr/local/include")),
        (libraries, ("/usr/lib", f"/usr/lib/{platform.machine()}-linux-gnu", "/usr/local/lib")),
    ):
        lines += [
            f"if [ -d {folder} ]; then mount -t overlay overlay -o lowerdir={unusable}:{folder} {folder}; fi"
            for folder in folders
        ]
    lines.append(f"grep -q unusable /usr/lib/{platform.machine()}-linux-gnu/pkgconfig/z.pc")
    return "\n".join(lines) + "\n"


def build_isolated(project: Path, store: Path, mount_commands: str, *args: str, **variables: str) -> None:
    """Build a project with unusable headers and libraries mounted; the store shares tools and sources with this machine's."""
    store.mkdir(exist_ok=True)
    for name in ("tools", "sources"):
        if not (store / name).exists():
            (store / name).symlink_to(default_store() / name)
    build = shlex.join([sys.executable, "-m", "everywheel", "--project", str(project), "build", *args])
    call(
        ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", f"{mount_commands}exec {build}"],
        env={**os.environ, "EVERYWHEEL_STORE": str(store), **variables},
    )


def test_files_of_the_build_machine_do_not_change_the_bytes(
    mount_commands: str, tmp_path: Path, python_headers: Path
) -> None:
    """The compiler's cache is empty too, so that the compiler searches for headers and libraries again."""
    normal, isolated = (
        FixtureProject(tmp_path / "normal", python_headers),
        FixtureProject(tmp_path / "isolated", python_headers),
    )
    normal.build("--target", NATIVE)
    (isolated.store / "zig").unlink()

    build_isolated(isolated.root, isolated.store, mount_commands, "-t", NATIVE, EVERYWHEEL_MIRRORS=str(isolated.mirror))

    assert {name for name, _ in read_store(isolated.store)} == {"cpython", "fixture", "libbar", "libfoo"}
    assert read_store(isolated.store) == read_store(normal.store)
    assert isolated.wheels() == normal.wheels()


@pytest.mark.exhaustive  # compiles all libraries again
def test_files_of_the_build_machine_do_not_change_the_bytes_of_every_library(
    all_wheels: list[Path], mount_commands: str, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    copy_repository(tmp_path / "project")

    build_isolated(tmp_path / "project", store, mount_commands, "--target", NATIVE)

    isolated, normal = read_store(store), read_store(default_store())
    assert {name for name, _ in isolated} >= {"glib", "libvips", "libwebp", "highway", "expat", "libpng", "webpencode"}
    assert isolated == {key: normal[key] for key in isolated}
    built = {path.name: path.read_bytes() for path in (tmp_path / "project" / "wheelhouse").glob("*.whl")}
    assert built == {path.name: path.read_bytes() for path in all_wheels if path.name.endswith(f"{NATIVE}.whl")}


def read_store(store: Path) -> dict[tuple[str, str], str]:
    """Return the sha256 of every artifact of a store by name and key."""
    environment = {**os.environ, "EVERYWHEEL_STORE": str(store)}
    entries = json.loads(call([sys.executable, "-m", "everywheel", "store", "list", "--json"], env=environment))
    return {(entry["name"], entry["key"]): entry["sha256"] for entry in entries}
