"""Installed tools and compiler caches that were damaged, and settings of pip that would install something else."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.config.pins import parse_pins, render_pins
from everywheel.execution.notices import listen_to_notices
from everywheel.platforms.target import NEWEST_GLIBC, parse_target
from everywheel.store.local import Store
from everywheel.toolchains import build_tools
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.compiler_rt import compiler_rt_identity
from everywheel.toolchains.installed import find_damaged_installations
from everywheel.toolchains.toolchain_writer import write_toolchain
from everywheel.toolchains.virtual_env import site_packages
from everywheel.toolchains.zig import ZigEngine
from fixture_project import FixtureProject

TARGET = "manylinux_2_17_x86_64"
SOME_TOOLS = ("cmake", "meson", "ninja")
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


def test_the_newest_glibc_of_a_target_is_that_of_zig(shared_store: Path) -> None:
    """The file lists library names as C strings, then the versions of glibc, in three bytes each."""
    data = (ensure_tools(shared_store).zig.parent / "lib" / "libc" / "glibc" / "abilists").read_bytes()
    start = 1
    for _ in range(data[0]):
        start = data.index(b"\0", start) + 1
    versions = data[start + 1 : start + 1 + 3 * data[start]]

    assert max(zip(versions[::3], versions[1::3], strict=True)) == NEWEST_GLIBC


def test_tools_are_installed_again_when_a_program_is_truncated_or_a_module_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip runs with settings that would leave the environment empty, or would refuse to install.

    Only some of the tools are installed: the others are installed and checked by the same functions.
    """
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    pins = tmp_path / "tools.txt"
    pins.write_text(render_pins([pin for pin in parse_pins(build_tools.PINS.read_text()) if pin.name in SOME_TOOLS]))
    monkeypatch.setattr(build_tools, "PINS", pins)
    tools = ensure_tools(tmp_path / "store")
    module = site_packages(tools.bin.parent) / "mesonbuild" / "mesonmain.py"
    before = module.read_bytes(), tools.ninja.read_bytes()
    module.write_bytes(b"FOO = 1\n" + before[0])
    with tools.ninja.open("r+b") as file:
        file.truncate(len(before[1]) // 2)

    damage = find_damaged_installations(tmp_path / "store")
    notices: list[str] = []
    with listen_to_notices(notices.append):
        ensure_tools(tmp_path / "store")

    assert [len(lines) for lines in damage.values()] == [2]
    assert [notice.partition(": damaged")[0] for notice in notices] == ["build tools"]
    assert (module.read_bytes(), tools.ninja.read_bytes()) == before
    assert find_damaged_installations(tmp_path / "store") == {}


def link_atexit(engine: ZigEngine, folder: Path) -> bytes:
    """Link a library that calls atexit(), which glibc has in an archive that zig compiles, libc_nonshared.a."""
    engine.prime_cache(parse_target(TARGET))
    compilers = engine.compilers(parse_target(TARGET))
    (folder / "foo.c").write_text("#include <stdlib.h>\nint foo(void (*bar)(void)) { return atexit(bar); }\n")
    command = [*compilers.c, "-g0", "-s", "-shared", "-fPIC", "foo.c", *compilers.link, "-o", "libfoo.so"]
    subprocess.run(command, cwd=folder, env={**os.environ, **compilers.environment}, check=True)
    return (folder / "libfoo.so").read_bytes()


def test_a_damaged_compiler_cache_is_reported_and_made_again(
    project: FixtureProject, shared_store: Path, tmp_path: Path
) -> None:
    """One bit of an object of the C library is flipped: without a check, zig would link it into every wheel."""
    cache, target = project.store / "zig", parse_target(TARGET)
    engine = ZigEngine(store=Store(project.store), tools=ensure_tools(shared_store), cache=tmp_path / "private")
    before = link_atexit(engine, tmp_path)
    (stored,) = cache.resolve().glob(f"compiled-{compiler_rt_identity()}-{target.zig}/")
    cache.unlink()
    shutil.copytree(stored, cache / stored.name, symlinks=True)
    damaged = min((cache / stored.name).rglob("libc_nonshared.a"))
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    notices: list[str] = []

    with listen_to_notices(notices.append):
        again = link_atexit(replace(engine, cache=tmp_path / "other"), tmp_path)

    name = damaged.relative_to(cache / stored.name)
    assert notices == [f"compiler for {TARGET}: damaged in the store (changed: {name}); it is made again"]
    assert again == before


def test_blanks_in_a_variable_of_pkg_config_are_not_escaped_as_those_in_flags_are(
    shared_store: Path, tmp_path: Path
) -> None:
    target, workspace = parse_target(TARGET), tmp_path / "a folder of a user"
    engine = ZigEngine(store=Store(tmp_path / "store"), tools=ensure_tools(shared_store), cache=tmp_path / "zig")
    workspace.mkdir()
    toolchain = write_toolchain(target, engine.compilers(target), engine.tools, workspace)
    folder = toolchain.prefix / "lib" / "pkgconfig"
    folder.mkdir(parents=True)
    (folder / "foo.pc").write_text(
        "prefix=${pcfiledir}/../..\nprograms=${prefix}/bin:${prefix}/libexec\n"
        "Name: foo\nDescription: foo\nVersion: 1\nCflags: -I${prefix}/include/foo\n"
    )

    def query(option: str) -> str:
        command = [toolchain.program("pkg-config"), option, "foo"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.rstrip("\n")

    assert query("--variable=programs") == f"{folder}/../../bin:{folder}/../../libexec"
    assert shlex.split(query("--cflags")) == [f"-I{folder}/../../include/foo"]
    unknown = subprocess.run([toolchain.program("pkg-config"), "--variable=programs", "bar"], capture_output=True)
    assert unknown.returncode == 1


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
