"""Damaged stores and damaged records: a build in one delivers the same bytes, or ends with an error that states the state."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cases import Case, Workspace
from damage import HOSTILE_NAMES, damage_entry, damage_json
from fixture_project import FixtureProject
from sandbox import RunResult, list_files

TARGET = "manylinux2014_x86_64"
CHAIN = 3
_REPAIRS = (
    ["store", "gc", "--damaged"],
    ["store", "verify"],
    ["store", "list"],
    ["store", "gc", "--all", "--older-than", "0"],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodStore:
    """A project with its sound store, and the files of the prefix and of the wheel that were built from it."""

    project: FixtureProject
    prefix: dict[str, str]
    wheels: dict[str, str]

    def copy_store(self, folder: Path) -> Path:
        """Copy the store into a folder; tools and the compiler's cache stay links to those that all cases share."""
        return shutil.copytree(self.project.store, folder / "store", symlinks=True)


def build_good_store(project: FixtureProject) -> GoodStore:
    """Build a chain of header libraries and the fixture's wheel, whose results every case is compared with."""
    for index in range(CHAIN):
        project.add_headers_recipe(f"h{index}", f"h{index - 1}" if index else "")
    prefix = project.folder / "good-prefix"
    project.run(*_deps(prefix))
    project.build("--target", TARGET)
    return GoodStore(project=project, prefix=dict(list_files(prefix)), wheels=project.wheels())


def make_store_case(good: GoodStore, workspace: Workspace) -> Case:
    """Damage one to three entries of a store; one case in ten builds the wheel, the others a chain of libraries."""
    store = good.copy_store(workspace.folder)
    entries = [path for path in store.rglob("*") if path.relative_to(store).parts[0] not in ("tools", "zig")]
    if workspace.random.random() < 0.3:
        entries = [path for path in entries if path.parent == store]
    chosen = workspace.random.sample(sorted(entries), workspace.random.randint(1, 3))
    damages = [damage_entry(path, workspace.random, workspace.canaries.folder) for path in chosen if _exists(path)]
    return _make_case(good, workspace, store, ", ".join(damages))


def make_record_case(good: GoodStore, workspace: Workspace) -> Case:
    """Change values in one to three records of a store to hostile ones."""
    store = good.copy_store(workspace.folder)
    records = sorted((store / "artifacts").glob("*.json"))
    canaries = workspace.canaries.folder
    names = (
        *HOSTILE_NAMES,
        *(str(path) for path in canaries.rglob("*")),
        f"../{canaries.name}/passwd",
        f"artifacts/../../{canaries.name}/passwd",
    )
    chosen = workspace.random.sample(records, workspace.random.randint(1, 3))
    for path in chosen:
        path.write_text(damage_json(path.read_text(), workspace.random, names), errors="surrogateescape")
    texts = [path.read_bytes()[:300].decode(errors="replace") for path in chosen]
    return _make_case(good, workspace, store, "records " + " and ".join(map(repr, texts)))


def _make_case(good: GoodStore, workspace: Workspace, store: Path, description: str) -> Case:
    root = good.project.root
    variables = {"EVERYWHEEL_STORE": str(store), "EVERYWHEEL_MIRRORS": str(good.project.mirror)}
    repairs = [_REPAIRS[0], *workspace.random.sample(_REPAIRS, 1)] if workspace.random.random() < 0.5 else []
    if workspace.random.random() < 0.1:
        root = shutil.copytree(root, workspace.folder / "project")
        build = ["build", "--target", TARGET]
        check = partial(_check_wheels, good, root / "wheelhouse")
    else:
        prefix = workspace.folder / "prefix"
        build = _deps(prefix)
        check = partial(_check_prefix, good, prefix)
    return Case(description=description, commands=[*repairs, build], cwd=root, variables=variables, check=check)


def _deps(prefix: Path) -> list[str]:
    return ["deps", f"h{CHAIN - 1}", "-t", TARGET, "--prefix", str(prefix)]


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _check_prefix(good: GoodStore, prefix: Path, results: Sequence[RunResult]) -> str | None:
    return _check_end(results) or (
        "the prefix has other files" if not results[-1].exit_code and dict(list_files(prefix)) != good.prefix else None
    )


def _check_wheels(good: GoodStore, wheelhouse: Path, results: Sequence[RunResult]) -> str | None:
    if problem := _check_end(results):
        return problem
    wheels = {name: content for name, content in list_files(wheelhouse) if name.endswith(".whl")}
    return "the wheelhouse has other wheels" if not results[-1].exit_code and wheels != good.wheels else None


def _check_end(results: Sequence[RunResult]) -> str | None:
    """A build in a damaged store succeeds or ends with exit code 7, and no state stops a repairing command."""
    if results[-1].exit_code not in (0, 7):
        return f"the build ended with exit code {results[-1].exit_code}"
    codes = [result.exit_code for result in results[:-1]]
    return f"repairing commands ended with {codes}" if not set(codes) <= {0, 1, 7} else None


def load_good_store(folder: Path, python_headers: Path) -> GoodStore:
    """Read the results that `save_good_store` wrote, inside the sandbox."""
    from fixture_project import open_existing

    saved = json.loads((folder / "good.json").read_text())
    project = open_existing(folder / "good", python_headers)
    return GoodStore(project=project, prefix=saved["prefix"], wheels=saved["wheels"])


def save_good_store(good: GoodStore, folder: Path) -> None:
    """Write the results of a good store for `load_good_store`."""
    (folder / "good.json").write_text(json.dumps({"prefix": good.prefix, "wheels": good.wheels}))
