"""A root file system with another C library, in which `reproduce.py` builds the second time."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests" / "integration"))

import root_filesystems as files  # noqa: E402

MUSL, NONE = "musl", "none"
_PYTHONS = ("usr/local/bin/python3", "usr/bin/python3")


class NoMachine(Exception):
    """A root file system cannot be used; the text is what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildMachine:
    """A root file system with a Python that has everywheel, and the text that describes its C library.

    `tools` is the folder of a store with tools for its Python and others, which builds there use as well.
    """

    root: Path
    python: str
    libc: str
    tools: Path | None = None

    def run(
        self, args: tuple[str, ...], folder: Path, *, environment: Mapping[str, str], user: int | None, **options: Any
    ) -> None:
        """Run everywheel in the project of a folder, which is in the root file system under the same name.

        The options are those of `subprocess.run`.
        """
        inside = f"/{folder.name}"
        command = shlex.join([self.python, "-m", "everywheel", *args])
        tools = {self.tools: f"{inside}/store/tools"} if self.tools else {}
        variables = {"PIP_FIND_LINKS": "", **environment}  # a folder of this machine
        print(
            files.call_in_root(
                self.root,
                command,
                binds={folder: inside, **tools},
                environment={name: value.replace(str(folder), inside) for name, value in variables.items()},
                cwd=f"{inside}/project",
                user=user,
                **options,
            ),
            end="",
        )


def make_machine(name: str, scratch: Path, tools: Path | None) -> BuildMachine:
    """Return the machine of a root file system, an image, or `musl`, which is made from Debian's packages and PyPI.

    Raises NoMachine when that is not possible here.
    """
    if os.geteuid() != 0 or sys.platform != "linux":
        raise NoMachine("a root file system needs root and Linux")
    root = scratch / "machine"
    if name == MUSL:
        python = _make_musl(root, scratch)
    else:
        if Path(name).is_dir():
            copy_root(Path(name), root)
        else:
            _export_image(name, root)
        python = _install(root, name)
    (root / "tmp").mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    code = "import os, platform; print(' '.join(platform.libc_ver()).strip() or 'musl')"
    libc = files.call_in_root(root, f'{python} -c "{code}"').strip()
    return BuildMachine(root=root, python=python, libc=libc, tools=tools)


def copy_root(source: Path, root: Path) -> None:
    """Copy a root file system without what a kernel provides; folders of these names further below are files of programs."""

    def ignore(folder: str, names: list[str]) -> list[str]:
        return [name for name in ("dev", "proc", "sys") if Path(folder) == source]

    shutil.copytree(source, root, symlinks=True, ignore=ignore)


def _make_musl(root: Path, scratch: Path) -> str:
    if shutil.which("apt-get") is None:
        raise NoMachine("the system with musl is made with apt-get, which is missing (`--machine IMAGE` names another)")
    files.make_musl_root(root, scratch / "packages", files.build_libz(scratch / "zlib"))
    files.install_on_musl(root, scratch / "wheels")
    _copy_git(root)
    files.copy_network_files(root)
    return "/python/bin/python3.13"


def _copy_git(root: Path) -> None:
    """Copy this machine's git, which applies patches, with the C library that only it uses there, into a folder of its own."""
    git = shutil.which("git")
    if git is None:
        raise NoMachine("git is missing, which applies patches")
    folder = root / "git"
    folder.mkdir()
    paths = [git, *re.findall(r"/\S+", files.call(["ldd", git]))]
    for path in paths:
        shutil.copy(path, folder)
        (folder / Path(path).name).chmod(0o755)
    (loader,) = [Path(path).name for path in paths if Path(path).name.startswith("ld-")]
    wrapper = root / "usr" / "bin" / "git"
    wrapper.write_text(f'#!/bin/sh\nexec /git/{loader} --library-path /git /git/{Path(git).name} "$@"\n')
    wrapper.chmod(0o755)


def _export_image(name: str, root: Path) -> None:
    """Write the files of an image into a folder."""
    try:
        container = docker.from_env().containers.create(name, "true")
    except docker.errors.DockerException as error:
        raise NoMachine(f"{name} is neither a folder nor an image of Docker: {str(error)[:300]}") from None
    archive = root.with_name("image.tar")
    try:
        with archive.open("wb") as file:
            file.writelines(container.export())
    finally:
        container.remove()
    root.mkdir()
    files.call(["tar", "--extract", "--file", archive, "--directory", root, "--exclude=dev/*"])
    archive.unlink()


def _install(root: Path, name: str) -> str:
    """Install everywheel in a root file system with the pins of its requirements, and return its Python."""
    python = next((path for path in _PYTHONS if os.path.lexists(root / path)), "")
    if not python:
        raise NoMachine(f"{name} has no Python ({' or '.join(f'/{path}' for path in _PYTHONS)})")
    if not any((root / folder / "git").exists() for folder in ("usr/local/bin", "usr/bin", "bin")):
        raise NoMachine(f"{name} has no git, which applies patches")
    files.copy_network_files(root)
    files.copy_repository(root / "opt" / "everywheel")
    pip = "/opt/venv/bin/python -m pip install -q"
    files.call_in_root(
        root,
        f"/{python} -m venv /opt/venv && {pip} --require-hashes -r .github/requirements/everywheel.txt"
        f" && {pip} --no-deps .",
        environment={"PIP_FIND_LINKS": ""},
        cwd="/opt/everywheel",
    )
    return "/opt/venv/bin/python"
