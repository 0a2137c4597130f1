"""No header and no library of the build machine gets into a build."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

from roots import REPOSITORY, call

from builder.store import default_store

# One library for each build system, one that requires another, and one in C++.
PROJECT = f"""
[tool.everywheel]
extension = "ext"
recipes = ["{REPOSITORY / "recipes"}"]
requires = ["expat", "highway", "libpng"]
shared = ["libpng"]
python = {{ headers = "cpython", tag = "cp311" }}
targets = ["manylinux2014_x86_64"]
"""
POISON = '#error "a header of the build machine was used"\n'
HEADERS = (
    "stdio.h",
    "stdlib.h",
    "string.h",
    "math.h",
    "zlib.h",
    "zconf.h",
    "png.h",
    "expat.h",
    "features.h",
    "hwy/highway.h",
)
LIBRARIES = ("libc.so", "libm.so", "libz.so", "libz.a", "libpng16.so", "libexpat.so", "libstdc++.so", "libpthread.a")


def build(folder: Path, wrap: str = "") -> dict[str, str]:
    """Build in a store of its own, with a compiler cache of its own; return the artifacts' hashes by recipe."""
    (folder / "ext").mkdir(parents=True)
    (folder / "ext" / "pyproject.toml").write_text('[project]\nname = "none"\n[build-system]\nrequires = []\n')
    (folder / "pyproject.toml").write_text(PROJECT)
    store = folder / "store"
    store.mkdir()
    for name in ("tools", "sources"):
        (default_store() / name).mkdir(parents=True, exist_ok=True)
        (store / name).symlink_to(default_store() / name)
    environment = {**os.environ, "EVERYWHEEL_STORE": str(store)}
    everywheel = [sys.executable, "-m", "builder", "--project", str(folder)]
    call([*everywheel, "sources", "fetch"], env=environment)
    line = f"{wrap}exec {shlex.join([*everywheel, 'deps', '--offline'])}"
    call(["unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", line], env=environment)
    entries = json.loads(call([sys.executable, "-m", "builder", "store", "ls", "--json"], env=environment))
    return {entry["name"]: entry["sha256"] for entry in entries}


def test_a_poisoned_build_machine_gives_the_same_bytes(tmp_path: Path) -> None:
    headers, libraries = tmp_path / "headers", tmp_path / "libraries"
    for name in HEADERS:
        (headers / name).parent.mkdir(parents=True, exist_ok=True)
        (headers / name).write_text(POISON)
    libraries.mkdir()
    for name in LIBRARIES:
        (libraries / name).write_text("not a library\n")
    call([sys.executable, "-c", "from builder.tools import ensure_tools; from builder.store import Store, default_store;"
          "ensure_tools(Store(default_store()).root)"])  # fmt: skip
    wrap = f"mkdir -p /usr/include /usr/local/include\nmount --bind {headers} /usr/include\n"
    wrap += f"mount --bind {headers} /usr/local/include\nmount --bind {libraries} /usr/local/lib\n"
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"):
        for name in LIBRARIES:
            # A link leads to the library that programs load at run time, this very Python for one.
            file = f"{folder}/{name}"
            wrap += f"if [ -e {file} ] && [ ! -L {file} ]; then mount --bind {libraries / name} {file}; fi\n"

    poisoned = build(tmp_path / "poisoned", wrap)

    assert poisoned == build(tmp_path / "clean")
    assert set(poisoned) == {"cpython", "expat", "highway", "libpng", "zlib"}
