#!/usr/bin/env python3
"""Build a project twice under unlike circumstances and compare the bytes; run by `nox -s reproduce`.

`reproduce.py [--project DIR] [--target TAG]... [--machine NAME] [--share-tools] [--keep DIR]`: the second build differs
from the first in C library, user, home, folder, locale, time zone, umask, hash seed, number of processors and jobs. Each
build has a store of its own. The second installs the tools again, unless --share-tools is given; then, the user is the same.

The second build runs in a root file system, which needs root: by default in one whose only C library is musl, made from
Debian's packages, PyPI and this machine's git. `--machine` names another one, which has Python 3.11 or newer and git: a
folder, or an image of Docker; `none` stays on this machine. What is not varied is printed.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from build_machine import MUSL, NONE, BuildMachine, NoMachine, make_machine
from everywheel.config.project import load_project
from everywheel.execution.files import hash_file
from everywheel.execution.processors import count_processors
from everywheel.rebuild.comparison import compare_wheels
from everywheel.sources.request import list_source_files
from everywheel.store.entry import EntryKind
from everywheel.store.local import Store, default_store

OTHER_USER = 65534
IGNORED = ("wheelhouse", "dist", "jobs", ".nox", ".venv", ".git", "__pycache__")


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """The circumstances of one build: its folder, its user (None: that of this process), and what it is run with.

    `machine` is the root file system that it runs in, None for this machine.
    """

    folder: Path
    user: int | None
    locale: str
    zone: str
    umask: int
    seed: str
    processors: int
    machine: BuildMachine | None = None

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def project(self) -> Path:
        return self.folder / "project"

    def describe(self) -> str:
        user = os.getuid() if self.user is None else self.user
        libc = " ".join(platform.libc_ver()).strip() if self.machine is None else self.machine.libc
        return (
            f"{libc or 'unknown C library'}, user {user}, {self.project}, "
            f"LC_ALL={self.locale}, TZ={self.zone}, umask {self.umask:03o}, "
            f"PYTHONHASHSEED={self.seed}, {self.processors} processors"
        )

    def run(self, *args: str) -> None:
        """Run everywheel; its failure ends the script."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        if self.user is not None:
            os.chown(home, self.user, self.user)
        environment = {
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "LC_ALL": self.locale,
            "TZ": self.zone,
            "PYTHONHASHSEED": self.seed,
            "EVERYWHEEL_STORE": str(self.store),
        }
        if self.machine is not None:
            self.machine.run(
                args,
                self.folder,
                environment=environment,
                user=self.user,
                umask=self.umask,
                preexec_fn=self._use_processors,
            )
            return
        inherited = {
            name: value for name, value in os.environ.items() if name not in ("LANG", "LANGUAGE", "USER", "LOGNAME")
        }
        subprocess.run(
            [sys.executable, "-m", "everywheel", *args],
            check=True,
            cwd=self.project,
            env={**inherited, **environment},
            umask=self.umask,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
            preexec_fn=self._use_processors,
        )

    def _use_processors(self) -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: self.processors])


def main(args: Sequence[str]) -> int:
    """Run the script; return 5, the exit code of an audit, if the bytes differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=Path(), metavar="DIR")
    parser.add_argument("--target", action="append", default=[], metavar="TAG")
    parser.add_argument("--machine", default=MUSL, metavar="NAME")
    parser.add_argument("--share-tools", action="store_true")
    parser.add_argument("--keep", type=Path, metavar="DIR")
    options = parser.parse_args(args)
    with tempfile.TemporaryDirectory(prefix="reproduce-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        machine = find_machine(options.machine, folder, share_tools=options.share_tools)
        builds = choose_circumstances(folder, machine, share_tools=options.share_tools)
        for number, build in enumerate(builds):
            sources = [default_store() / "sources", builds[0].store / "sources"]
            prepare(build, options.project.resolve(), sources, share_tools=number == 0 or options.share_tools)
            print(f"build {number + 1}: {build.describe()}", flush=True)
            targets = [arg for target in options.target for arg in ("--target", target)]
            build.run("build", "--jobs", str(build.processors + number), *targets)
        if options.keep is not None:
            for number, build in enumerate(builds):
                shutil.copytree(build.project / "wheelhouse", options.keep / str(number + 1), dirs_exist_ok=True)
        lines = compare(*builds)
        print("\n".join(lines), flush=True)
    return 0 if all(line.startswith(("identical: ", "not compared: ")) for line in lines) else 5


def find_machine(name: str, folder: Path, *, share_tools: bool) -> BuildMachine | None:
    """Return the machine of the second build; None, with the reason printed, if it is this one.

    Raises SystemExit for a machine that was named, and that cannot be used.
    """
    tools = default_store() / "tools" if share_tools else None
    try:
        machine = make_machine(name, folder, tools) if name != NONE else None
        reason = "--machine none"
    except NoMachine as error:
        if name != MUSL:
            raise SystemExit(f"--machine {name}: {error}") from None
        machine, reason = None, str(error)
    if machine is None:
        print(f"not varied: the C library ({reason})", flush=True)
    return machine


def choose_circumstances(
    folder: Path, machine: BuildMachine | None, *, share_tools: bool
) -> tuple[Circumstances, Circumstances]:
    """Return the circumstances of both builds; the user is another one if that one can run the Python of the second."""
    user = None if share_tools or not (machine or runs_as(OTHER_USER)) else OTHER_USER
    if user is None:
        print("not varied: the user (this needs root, a Python that other users can run, and tools of their own)")
    listed = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
    others = [name for name in listed if name.partition(".")[0] not in ("C", "POSIX")]
    locale = next((name for name in others if name.startswith("tr_TR")), (others or ["C"])[0])
    processors = count_processors()
    first = Circumstances(
        folder=folder / "a", user=None, locale="C.UTF-8", zone="UTC", umask=0o022, seed="0", processors=processors
    )
    second = Circumstances(
        folder=folder / "a longer path with blanks and é",
        user=user,
        locale=locale,
        zone="EVW-13:45",
        umask=0o077,
        seed="4242",
        processors=1,
        machine=machine,
    )
    return first, second


def runs_as(user: int) -> bool:
    """Return whether another user can run this Python with everywheel."""
    if os.getuid() != 0:
        return False
    command = [sys.executable, "-c", "import everywheel.cli.main"]
    try:
        result = subprocess.run(command, user=user, group=user, extra_groups=[], cwd="/", capture_output=True)
    except PermissionError:  # of a folder above this Python
        return False
    return not result.returncode


def prepare(build: Circumstances, project: Path, sources: Sequence[Path], *, share_tools: bool) -> None:
    """Copy the project, at its last commit if it is a repository, and make a store with its sources from some folders.

    Another machine may have no client for packages, and no mirror that is a folder of this one.
    """
    build.folder.mkdir()
    if (project / ".git").exists():
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", project, build.project], check=True)
    else:
        shutil.copytree(project, build.project, ignore=shutil.ignore_patterns(*IGNORED))
    shared = default_store()
    build.store.mkdir()
    for name in ("tools", "zig") if share_tools and build.machine is None else ():
        (shared / name).mkdir(parents=True, exist_ok=True)
        (build.store / name).symlink_to(shared / name)
    (build.store / "sources").mkdir()
    for file in list_source_files(load_project(project).recipes.values()):
        source = next((path for folder in sources if (path := folder / file.sha256).is_file()), None)
        if source is not None:
            shutil.copyfile(source, build.store / "sources" / file.sha256)
    for path in (build.folder, *build.folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~build.umask)
            if build.user is not None:
                os.chown(path, build.user, build.user)


def compare(first: Circumstances, second: Circumstances) -> list[str]:
    """Return a line for each wheel and each library: that both builds have the same bytes, or what differs."""
    lines = []
    for name in list_names(first.project / "wheelhouse", second.project / "wheelhouse"):
        differences = compare_paths(first.project / "wheelhouse" / name, second.project / "wheelhouse" / name)
        lines += [f"differs: {name}: {line}" for line in differences] or [f"identical: {name}"]
    lines += compare_artifacts(list_artifacts(first.store), list_artifacts(second.store))
    return lines or ["nothing was built"]


def compare_artifacts(first: Mapping[str, str], second: Mapping[str, str]) -> list[str]:
    """Return a line for each library, by the titles of both builds.

    A tool that runs during the build, such as nasm, is built for the machine itself: another C library needs another file.
    """
    lines = [
        f"{'identical' if first[title] == second[title] else 'differs'}: {title}"
        for title in sorted(first.keys() & second.keys())
    ]
    only: dict[str, list[tuple[int, str]]] = {}
    for title in sorted(first.keys() ^ second.keys()):
        name, _, target = title.partition(" for ")
        only.setdefault(name, []).append((1 if title in first else 2, target))
    for name, builds in only.items():
        if sorted(number for number, _ in builds) == [1, 2]:
            targets = " and ".join(target for _, target in sorted(builds))
            lines.append(f"not compared: {name}, a tool of the build machine: for {targets}")
        else:
            lines += [f"differs: {name} for {target}: only in build {number}" for number, target in builds]
    return lines


def list_names(*folders: Path) -> list[str]:
    return sorted({path.name for folder in folders for path in folder.glob("*.whl")})


def compare_paths(first: Path, second: Path) -> tuple[str, ...]:
    for path in (first, second):
        if not path.is_file():
            return (f"missing in {path.parent}",)
    return compare_wheels(first, second)


def list_artifacts(folder: Path) -> dict[str, str]:
    """Return the cache key and the hash of each library in a store, by recipe and target."""
    store = Store(folder)
    return {
        f"{entry.name} {entry.version} for {entry.target}": f"{entry.key} {hash_file(store.path(entry))}"
        for entry in store.entries()
        if entry.kind is EntryKind.ARTIFACT
    }


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
    except AssertionError as error:  # of a command in the root file system
        sys.exit(str(error))
