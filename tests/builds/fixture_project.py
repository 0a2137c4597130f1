"""A project with two small libraries and an extension, which the real command builds from sources in a local directory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from everywheel.config.recipe_loader import load_recipe
from everywheel.sources.fetch import fetch_sources
from everywheel.sources.locations import find_locations
from everywheel.sources.request import list_source_files
from everywheel.store.local import default_store, pack_tree
from filelock import FileLock

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
CPYTHON = ROOT / "recipes" / "cpython"
# The parts of CPython's source that its recipe reads: the headers, and for Windows the list of the import library's symbols.
CPYTHON_PARTS = ("Include", "LICENSE", "PC/pyconfig.h.in", "PC/python3dll.c")


def pack_python_headers(cache: Path) -> Path:
    """Return an archive with the parts of CPython's source that its recipe reads; it is packed once per `cache` directory.

    Unpacking the whole source would take most of the time of a build of the fixture project.
    """
    (source,) = list_source_files([load_recipe(CPYTHON / "recipe.toml")])
    archive = cache / f"headers-{source.sha256[:16]}.tar.gz"
    with FileLock(cache / "headers.lock"):
        if not archive.exists():
            files = fetch_sources([source], store=default_store(), locations=find_locations())
            tree = cache / "headers"
            with tarfile.open(files[source.sha256]) as source_archive:
                members = [member for member in source_archive if is_python_header(member.name)]
                source_archive.extractall(tree, members=members, filter="data")
            pack_tree(tree, cache / "unfinished", level=1)
            (cache / "unfinished").replace(archive)
    return archive


def is_python_header(name: str) -> bool:
    """Return whether the recipe reads a member of CPython's archive, such as `Python-3.13.5/Include/Python.h`."""
    path = name.partition("/")[2]
    return any(path == part or path.startswith(f"{part}/") for part in CPYTHON_PARTS)


@dataclass
class FixtureProject:
    """A copy of tests/fixtures/project in `root`, with its own store and a mirror that has its sources.

    The store shares the build tools and the compiler's cache with this machine's default store. `python_headers` is the
    archive of `pack_python_headers`, which the project's `cpython` recipe pins.
    """

    folder: Path
    python_headers: Path
    root: Path = field(init=False)
    store: Path = field(init=False)
    mirror: Path = field(init=False)

    def __post_init__(self) -> None:
        self.root, self.store, self.mirror = (self.folder / name for name in ("project", "store", "mirror"))
        self.mirror.mkdir(parents=True)
        shutil.copytree(FIXTURES / "project", self.root)
        shutil.copytree(CPYTHON, self.root / "recipes" / "cpython")
        for name in ("libfoo", "libbar"):
            self.pin(name, f"@{name}@", self.pack(name, FIXTURES / name))
        self.pin("cpython", load_recipe(CPYTHON / "recipe.toml").source.sha256, self.python_headers)
        self.new_store("store")

    def new_store(self, name: str) -> Path:
        """Create and use an empty store that shares the tools and the compiler's cache of this machine's store."""
        self.store = self.folder / name
        self.store.mkdir(parents=True)
        shared = default_store()
        for part in ("tools", "zig"):
            (shared / part).mkdir(parents=True, exist_ok=True)
            (self.store / part).symlink_to(shared / part)
        return self.store

    def pack(self, name: str, source: Path) -> Path:
        """Pack a library's source as upstream would, and return the archive."""
        tree = self.folder / "pack" / name
        shutil.copytree(source, tree / f"{name}-1.0", dirs_exist_ok=True)
        archive = self.folder / f"{name}.tar.gz"
        pack_tree(tree, archive, level=9)
        return archive

    def pin(self, name: str, old: str, archive: Path) -> None:
        """Copy an archive into the mirror and replace the hash `old` in a recipe by that of the archive."""
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        shutil.copyfile(archive, self.mirror / digest)
        self.replace(f"recipes/{name}/recipe.toml", old, digest)

    def add_headers_recipe(self, name: str, requires: str = "", folder: str = "", header: str = "") -> None:
        """Add a recipe that copies one header and requires at most one other recipe; its step takes milliseconds.

        By default, the header is `include/<name>/<name>.h`.
        """
        destination, file = folder or f"include/{name}", header or f"{name}.h"
        source = self.folder / "headers" / name
        source.mkdir(parents=True)
        (source / file).write_text(f"#define {name.upper()} 1\n")
        (source / "LICENSE").write_text("MIT\n")
        archive = self.pack(name, source)
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        archive.replace(self.mirror / digest)
        recipe = self.root / "recipes" / name
        recipe.mkdir()
        (recipe / "recipe.toml").write_text(
            f'name = "{name}"\nversion = "1.0"\nsummary = "a header"\nrequires = {[requires] if requires else []}\n'
            f'license = {{ spdx = "MIT", files = ["LICENSE"] }}\n'
            f'[source]\nurls = ["http://127.0.0.1:9/{name}-{{version}}.tar.gz"]\nsha256 = "{digest}"\n'
            f'[build]\nsystem = "headers"\n[build.headers]\n"." = "{destination}"\n'
            f'[products]\nheaders = ["{destination}/{file}"]\n'
        )

    def replace(self, file: str, old: str, new: str) -> None:
        """Replace text in a file of the project."""
        path = self.root / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def start(self, *arguments: str, wrapper: Sequence[str] = (), **variables: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "EVERYWHEEL_STORE": str(self.store),
            "EVERYWHEEL_MIRRORS": str(self.mirror),
            **variables,
        }
        return subprocess.Popen(
            [*wrapper, sys.executable, "-m", "everywheel", *arguments],
            cwd=self.root,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(
        self, *arguments: str, exit_code: int = 0, wrapper: Sequence[str] = (), **variables: str
    ) -> tuple[str, str]:
        """Run a command; return its standard output and standard error."""
        process = self.start(*arguments, wrapper=wrapper, **variables)
        output, errors = process.communicate()
        assert process.returncode == exit_code, output + errors
        return output, errors

    def build(self, *arguments: str, **variables: str) -> dict[str, str]:
        """Build; return the outcome of each step that was not in the store, by step id."""
        report: dict[str, Any] = json.loads(self.run("build", "--json", *arguments, **variables)[0])
        return {step["id"]: step["outcome"] for step in report["steps"]}

    def wheels(self) -> dict[str, str]:
        """Return the sha256 of each finished wheel by its file name."""
        files = sorted((self.root / "wheelhouse").glob("*.whl"))
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def find_wheel(self, tag: str, folder: str = "") -> Path:
        """Return the finished wheel whose file name has a platform tag."""
        (wheel,) = (self.root / "wheelhouse" / folder).glob(f"*-{tag}.whl")
        return wheel

    def copy_results(self, other: FixtureProject) -> None:
        """Replace the artifacts and wheels of this project by those of another one."""
        for part in ("artifacts", "resolutions", "wheels"):
            shutil.rmtree(self.store / part, ignore_errors=True)
            shutil.copytree(other.store / part, self.store / part)
        shutil.copytree(other.root / "wheelhouse", self.root / "wheelhouse")


def open_existing(folder: Path, python_headers: Path) -> FixtureProject:
    """Return the project that another worker created in a directory."""
    project = object.__new__(FixtureProject)
    project.folder, project.python_headers = folder, python_headers
    project.root, project.store, project.mirror = (folder / name for name in ("project", "store", "mirror"))
    return project
