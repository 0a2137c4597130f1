"""A small project of two libraries and an extension, built for real; its sources come from a folder of this machine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from everywheel.config.recipe_loader import load_recipe
from everywheel.store.local import default_store, pack_tree

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures"


@dataclass
class Workshop:
    """A copy of the fixture project, with a store of its own that shares tools and sources with this machine's."""

    folder: Path
    project: Path = field(init=False)
    store: Path = field(init=False)
    mirror: Path = field(init=False)

    def __post_init__(self) -> None:
        self.project, self.store, self.mirror = (self.folder / name for name in ("project", "store", "mirror"))
        self.mirror.mkdir(parents=True)
        shutil.copytree(FIXTURES / "project", self.project)
        self.replace("pyproject.toml", "@shipped@", str(ROOT / "recipes"))
        for name in ("libfoo", "libbar"):
            self.pack(name, f"@{name}@")
        self.new_store("store")

    def new_store(self, name: str) -> Path:
        """Make a store that has the tools, the compiler's cache and the CPython headers' source, and nothing else."""
        self.store = self.folder / name
        (self.store / "sources").mkdir(parents=True)
        shared = default_store()
        for part in ("tools", "zig"):
            (shared / part).mkdir(parents=True, exist_ok=True)
            (self.store / part).symlink_to(shared / part)
        headers = load_recipe(ROOT / "recipes" / "cpython" / "recipe.toml").source.sha256
        os.link(shared / "sources" / headers, self.store / "sources" / headers)
        return self.store

    def pack(self, name: str, old: str, source: Path | None = None) -> str:
        """Pack a library's source into the mirror and pin it in the place of `old`; return its sha256."""
        tree = self.folder / "pack" / name
        shutil.copytree(source or FIXTURES / name, tree / f"{name}-1.0", dirs_exist_ok=True)
        archive = self.folder / f"{name}.tar.gz"
        pack_tree(tree, archive, level=9)
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        archive.replace(self.mirror / digest)
        self.replace(f"recipes/{name}/recipe.toml", old, digest)
        return digest

    def replace(self, file: str, old: str, new: str) -> None:
        """Change a file of the project."""
        path = self.project / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "EVERYWHEEL_STORE": str(self.store),
            "EVERYWHEEL_MIRRORS": str(self.mirror),
            **variables,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "everywheel", *arguments],
            cwd=self.project,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, exit_code: int = 0, **variables: str) -> tuple[str, str]:
        """Type a command; return what it printed on standard output and on standard error."""
        process = self.start(*arguments, **variables)
        output, errors = process.communicate()
        assert process.returncode == exit_code, output + errors
        return output, errors

    def build(self, *arguments: str, **variables: str) -> dict[str, str]:
        """Build; return the outcome of every step that was not in the store, by its id."""
        report: dict[str, Any] = json.loads(self.run("build", "--json", *arguments, **variables)[0])
        return {step["id"]: step["outcome"] for step in report["steps"]}

    def wheels(self) -> dict[str, str]:
        """Return the sha256 of each finished wheel by its file name."""
        files = sorted((self.project / "wheelhouse").glob("*.whl"))
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
