"""Installed tools and compiler caches that were damaged, and settings of pip that would install something else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from everywheel.execution.notices import listen_to_notices
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.installed import find_damaged_installations
from fixture_project import FixtureProject

TARGET = "manylinux_2_17_x86_64"
HOSTILE = {
    "PIP_TARGET": "elsewhere",
    "PIP_PREFIX": "elsewhere",
    "PIP_DRY_RUN": "1",
    "PIP_NO_DEPS": "0",
    "PIP_USER": "1",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_CONSTRAINT": "missing.txt",
    "PYTHONHOME": "/nowhere",
    "VIRTUAL_ENV": "/nowhere",
}


def test_tools_are_installed_again_when_a_program_is_truncated_or_a_header_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip runs with settings that would leave the environment empty, or would refuse to install."""
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    tools = ensure_tools(tmp_path)
    header = tools.zig.parent / "lib" / "libc" / "include" / "generic-glibc" / "stdio.h"
    before = header.read_bytes(), tools.zig.stat().st_size
    header.write_bytes(b"#define FOO 1\n" + before[0])
    with tools.zig.open("r+b") as file:
        file.truncate(1_000_000)

    damage = find_damaged_installations(tmp_path)
    notices: list[str] = []
    with listen_to_notices(notices.append):
        ensure_tools(tmp_path)

    assert [len(lines) for lines in damage.values()] == [2]
    assert [notice.partition(": damaged")[0] for notice in notices] == ["build tools"]
    assert (header.read_bytes(), tools.zig.stat().st_size) == before
    assert find_damaged_installations(tmp_path) == {}


def test_a_damaged_compiler_cache_is_reported_and_made_again(project_copy: FixtureProject) -> None:
    """One bit of an object of the C library is flipped: without a check, zig would link it into every wheel."""
    shared = project_copy.store / "zig"
    (stored,) = shared.resolve().glob("libraries-*-x86_64-linux-gnu.2.17/")
    shared.unlink()
    shutil.copytree(stored, shared / stored.name, symlinks=True)
    before = project_copy.wheels()
    (damaged, *_) = (shared / stored.name).rglob("libc_nonshared.a")
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    shutil.rmtree(project_copy.store / "wheels")

    errors = project_copy.run("build", "--target", TARGET)[1]

    name = damaged.relative_to(shared / stored.name)
    assert f"warning: compiler for {TARGET}: damaged in the store (changed: {name}); it is made again\n" in errors
    assert project_copy.wheels() == before


def test_unusual_paths_of_store_project_home_and_temporary_directory_give_the_same_bytes(
    project: FixtureProject, built_project: FixtureProject, tmp_path: Path
) -> None:
    """The store's path has characters that build tools can handle; the others also have those that they cannot."""
    folder = tmp_path / "a'b\"c,d\\e$f#g%h;i&j(k*l üm:n\no|p=q{r}[s]?."
    (folder / "tmp").mkdir(parents=True)
    project.root = Path(shutil.move(project.root, folder / "project"))
    project.new_store("-a ü&(b)!@+^~{}.<c>d.")

    project.build("--target", TARGET, HOME=str(folder), TMPDIR=str(folder / "tmp"))

    ((name, digest),) = project.wheels().items()
    assert digest == built_project.wheels()[name]
