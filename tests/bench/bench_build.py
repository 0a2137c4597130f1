"""Measure builds: a cold build, one without changes, and builds after one change; prints times and sizes.

    nox -s bench                     all (the cold build takes minutes)
    nox -s bench -- nothing size     only these

Tools and sources come from the store in use; artifacts and the compiler's cache are new for the cold build.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from everywheel.store.local import default_store

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One run of a command: wall seconds, share of all cores that were busy, peak resident memory in bytes."""

    seconds: float
    busy: float
    memory: int
    output: str


def measure(command: list[str], *, cwd: Path, store: Path) -> Measurement:
    """Run a command and return its time, the use of the processors, and the peak memory of it and its child processes."""
    before, began = psutil.cpu_times(), time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, "EVERYWHEEL_STORE": str(store)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    output = process.communicate()[0]
    seconds, after = time.monotonic() - began, psutil.cpu_times()
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{output}")
    idle = (after.idle - before.idle) + (after.iowait - before.iowait)
    busy = 1 - idle / (seconds * (psutil.cpu_count() or 1))
    return Measurement(seconds=seconds, busy=busy, memory=peak[0], output=output)


def _watch(pid: int, peak: list[int]) -> None:
    while psutil.pid_exists(pid):
        total = 0
        try:
            for process in [root := psutil.Process(pid), *root.children(recursive=True)]:
                try:
                    total += process.memory_info().rss
                except psutil.Error:
                    continue
        except psutil.Error:
            return
        peak[0] = max(peak[0], total)
        time.sleep(0.2)


def copy_project(into: Path) -> Path:
    """Copy the project, so that the benchmarks do not change the repository."""
    ignore = shutil.ignore_patterns(".git", ".venv", ".nox", "wheelhouse", "__pycache__", ".*_cache")
    return Path(shutil.copytree(ROOT, into / "project", ignore=ignore))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{path} has no {old!r}"
    path.write_text(text.replace(old, new, 1))


def bench_cold(project: Path, store: Path) -> None:
    result = measure([*EVERYWHEEL, "build"], cwd=project, store=store)
    print(
        f"cold: all wheels in {result.seconds / 60:.1f} min ({result.seconds:.0f} s), cores busy {result.busy:.0%}, "
        f"peak memory {result.memory / 1e9:.2f} GB  [at most 12 min, at least 90 %, below 4 GB]"
    )


def bench_nothing(project: Path, store: Path) -> None:
    measure([*EVERYWHEEL, "build"], cwd=project, store=store)
    own = min(measure([*EVERYWHEEL, "build"], cwd=project, store=store).seconds for _ in range(5))
    print(f"nothing changed: everywheel build takes {own:.2f} s")
    nox = str(Path(sys.executable).with_name("nox"))
    measure([nox, "-s", "build-all"], cwd=ROOT, store=store)
    start = min(measure([nox, "-l"], cwd=ROOT, store=store).seconds for _ in range(5))
    whole = min(measure([nox, "-s", "build-all"], cwd=ROOT, store=store).seconds for _ in range(5))
    print(
        f"nothing changed: nox -s build-all {whole:.2f} s, {whole - start:.2f} s beyond nox's own start  [at most 2 s]"
    )


def bench_extension(project: Path, store: Path) -> None:
    measure([*EVERYWHEEL, "build"], cwd=project, store=store)
    source = min((project / "extension" / "src").rglob("*.c"))
    with source.open("a") as file:
        file.write(f"\n/* {time.time()} */\n")
    result = measure([*EVERYWHEEL, "build"], cwd=project, store=store)
    print(f"extension changed: all wheels in {result.seconds:.1f} s  [at most 20 s]")


def bench_library(project: Path, store: Path) -> None:
    measure([*EVERYWHEEL, "build"], cwd=project, store=store)
    edit(
        project / "recipes" / "libwebp" / "recipe.toml", "[products]", 'defines = ["EVERYWHEEL_BENCH=1"]\n\n[products]'
    )
    result = measure([*EVERYWHEEL, "build"], cwd=project, store=store)
    rebuilt = sorted(
        {line.split("] ")[1].split(" ")[0] for line in result.output.splitlines() if ": done in" in line} - {"compiler"}
    )
    print(f"libwebp's recipe changed: {result.seconds:.0f} s, rebuilt: {', '.join(rebuilt)}")


def bench_remote(project: Path, store: Path) -> None:
    """Build on a machine that has only its tools, with a remote store, here a folder, that has all results."""
    measure([*EVERYWHEEL, "build"], cwd=project, store=store)
    with TemporaryDirectory(prefix="everywheel-bench-") as name:
        folder = Path(name)
        key, fresh = folder / "key", make_store(folder / "store", store, ("tools",))
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        remote = ["--remote", str(folder / "remote"), "--remote-sign-key", str(key)]
        measure([*EVERYWHEEL, "store", "push", *remote], cwd=project, store=store)
        shutil.rmtree(project / "wheelhouse")
        result = measure([*EVERYWHEEL, "build", *remote], cwd=project, store=fresh)
        wheels = len(list((project / "wheelhouse").glob("*.whl")))
    assert ": done in" not in result.output, result.output
    print(f"warm remote: {wheels} wheels on a fresh machine in {result.seconds:.1f} s  [at most 60 s]")


def make_store(folder: Path, used: Path, parts: Sequence[str]) -> Path:
    """Return a new store that shares some parts of another one."""
    folder.mkdir()
    for name in parts:
        (folder / name).symlink_to(used / name)
    return folder


def bench_size(project: Path, store: Path) -> None:
    measure([*EVERYWHEEL, "build"], cwd=project, store=store)
    for wheel in sorted((project / "wheelhouse").glob("*.whl")):
        print(f"size: {wheel.name} {wheel.stat().st_size / 1e6:.2f} MB  [at most 2.6 MB]")


EVERYWHEEL = [sys.executable, "-m", "everywheel"]
BENCHES: dict[str, Callable[[Path, Path], None]] = {
    "cold": bench_cold,
    "nothing": bench_nothing,
    "size": bench_size,
    "extension": bench_extension,
    "library": bench_library,
    "remote": bench_remote,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHES], help="which to run")
    names = parser.parse_args().names or list(BENCHES)
    used = default_store()
    print(f"{psutil.cpu_count()} cores, store {'cold' if 'cold' in names else 'as it is'}", flush=True)
    with TemporaryDirectory(prefix="everywheel-bench-") as folder:
        project = copy_project(Path(folder))
        measure([*EVERYWHEEL, "sources", "fetch"], cwd=project, store=used)
        store = used
        if "cold" in names:
            store = make_store(Path(folder) / "store", used, ("tools", "sources"))
        for name in names:
            BENCHES[name](project, store)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
