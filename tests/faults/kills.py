"""Two builders in one store, one of which is killed again and again, and builds on a terminal that are interrupted."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from damaged_stores import TARGET, GoodStore
from everywheel.execution.files import remove_path
from processes import TerminalBuilder, wait_until
from sandbox import list_files

CHILDREN_LIMIT = 3.0  # seconds after the death of a builder in which its children must end
INTERRUPT_LIMIT = 2.0  # seconds after Ctrl-C in which the command must end
_LAST_MOMENT = 0.3  # seconds in which a build that has succeeded ends
_ROUND_LIMIT = 120.0  # seconds
_MARK = "EVERYWHEEL_FAULTS_MARK"


@dataclass(frozen=True, slots=True, kw_only=True)
class KillFigures:
    """The kills, the longest time in seconds that a child survived one, and everything that was wrong."""

    kills: int
    slowest: float
    faults: tuple[str, ...]


def kill_builders(good: GoodStore, folder: Path, count: int, random: Random) -> KillFigures:
    """Kill one of two builders `count` times; after every few kills let both finish and compare what they delivered.

    A quarter of the rounds compile libraries; the others are chains of steps that take milliseconds.
    """
    kills, slowest, faults = 0, 0.0, list[str]()
    while kills < count:
        round_folder = folder / f"kills-{kills}"
        store = round_folder / "store"
        compiled = random.random() < 0.25
        _create_store(good, store)
        for _ in range(min(random.randint(1, 6), count - kills)):
            builders = [_start(good, round_folder, store, number, compiled) for number in range(2)]
            time.sleep(random.uniform(0.05, 4.0 if compiled else 1.0))
            victim = random.choice(builders)
            mark = f"{round_folder}-{builders.index(victim)}"
            victim.kill()
            victim.wait()
            kills += 1
            seconds = _wait_for_children(mark)
            slowest = max(slowest, seconds)
            if seconds > CHILDREN_LIMIT:
                faults.append(f"children survived kill {kills} for more than {CHILDREN_LIMIT:.0f} s")
            if random.random() < 0.5:
                for builder in builders:
                    builder.kill()
            faults += [f"kill {kills}: {text}" for text in _finish(builders, victim)]
        faults += [f"after kill {kills}: {text}" for text in _compare(good, round_folder, store, compiled)]
    return KillFigures(kills=kills, slowest=slowest, faults=tuple(faults))


def _create_store(good: GoodStore, store: Path) -> None:
    store.mkdir(parents=True)
    for name in ("tools", "zig"):
        (store / name).symlink_to((good.project.store / name).resolve())


def _variables(good: GoodStore, store: Path, mark: str) -> dict[str, str]:
    return {**os.environ, "EVERYWHEEL_STORE": str(store), "EVERYWHEEL_MIRRORS": str(good.project.mirror), _MARK: mark}


def _command(folder: Path, number: int, compiled: bool) -> list[str]:
    recipe = "libfoo" if compiled else "h2"
    prefix = str(folder / f"prefix-{number}")
    return [sys.executable, "-m", "everywheel", "deps", recipe, "-t", TARGET, "--prefix", prefix]


def _start(good: GoodStore, folder: Path, store: Path, number: int, compiled: bool) -> subprocess.Popen[bytes]:
    environment = _variables(good, store, f"{folder}-{number}")
    with (folder / f"log-{number}").open("wb") as log:
        command = _command(folder, number, compiled)
        return subprocess.Popen(
            command, cwd=good.project.root, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )


def _finish(builders: list[subprocess.Popen[bytes]], victim: subprocess.Popen[bytes]) -> list[str]:
    """Wait for the builders and return what is wrong; one that was killed, or that finished before, is right."""
    faults = []
    for builder in builders:
        try:
            code = builder.wait(_ROUND_LIMIT)
        except subprocess.TimeoutExpired:
            builder.kill()
            builder.wait()
            code = None
        if code not in (0, -signal.SIGKILL):
            faults.append("the other builder did not end" if code is None else f"the other builder ended with {code}")
    return faults


def _compare(good: GoodStore, folder: Path, store: Path, compiled: bool) -> list[str]:
    """Build once more, undisturbed, and compare the prefix with the good one and the store with its own hashes."""
    faults = []
    environment = _variables(good, store, str(folder))
    if code := subprocess.run(
        _command(folder, 2, compiled), cwd=good.project.root, env=environment, capture_output=True
    ).returncode:
        faults.append(f"the next build ended with {code}")
    elif not compiled and dict(list_files(folder / "prefix-2")) != good.prefix:
        faults.append("the next build delivered other files")
    for command in (["store", "verify"], ["store", "gc", "--all", "--older-than", "0"]):
        done = subprocess.run(
            [sys.executable, "-m", "everywheel", *command], cwd=good.project.root, env=environment, capture_output=True
        )
        if done.returncode:
            faults.append(f"`{' '.join(command)}` ended with {done.returncode}: {done.stdout.decode()[-300:]}")
    left = [
        name
        for name, kind in list_files(store)
        if name.partition("/")[0] in ("artifacts", "tmp", "work") and "/" in name
    ]
    if left:
        faults.append(f"`store gc --all` left {left[:5]}")
    return faults


def _wait_for_children(mark: str) -> float:
    """Wait until no process has the mark in its environment, and return the seconds that it took."""
    start = time.monotonic()
    while _list_marked(mark) and time.monotonic() - start < CHILDREN_LIMIT + 1:
        time.sleep(0.05)
    seconds = time.monotonic() - start
    for pid in _list_marked(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return seconds


def _list_marked(mark: str) -> list[int]:
    """Return the processes, zombies excepted, that inherited the mark of a builder."""
    needle, pids = f"{_MARK}={mark}\0".encode(), []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if needle in (path / "environ").read_bytes():
                pids.append(int(path.name))
    return pids


def interrupt_builds(good: GoodStore, folder: Path, count: int, random: Random) -> KillFigures:
    """Press Ctrl-C in `count` builds on a terminal, each at another time."""
    slowest, faults = 0.0, list[str]()
    whole = 6.0  # seconds of a build, about
    for number in range(count):
        round_folder = folder / f"interrupt-{number}"
        _create_store(good, round_folder / "store")
        while (result := _interrupt(good, round_folder, random.uniform(0.6, max(whole, 1.0)))) is None:
            whole *= 0.8  # this machine is faster: the build had ended before
            remove_path(round_folder)
            _create_store(good, round_folder / "store")
        slowest = max(slowest, result[0])
        faults += [f"interrupt {number}: {text}" for text in result[1]]
    return KillFigures(kills=count, slowest=slowest, faults=tuple(faults))


def _interrupt(good: GoodStore, folder: Path, delay: float) -> tuple[float, list[str]] | None:
    """Start a build of the wheel on a new terminal, press Ctrl-C after `delay` seconds, and return its time and faults.

    Returns None if the build ended before, or in the same moment.
    """
    mark = str(folder)
    args = ("build", "-t", TARGET, "-t", "musllinux_1_2_aarch64")
    with TerminalBuilder(args, cwd=good.project.root, env=_variables(good, folder / "store", mark)) as builder:
        if wait_until(builder.has_ended, delay):
            return None
        builder.type("\x03")
        start = time.monotonic()
        has_ended = wait_until(builder.has_ended, 15)
        seconds = time.monotonic() - start
        if has_ended and builder.process.wait() == 0 and seconds < _LAST_MOMENT:
            return None
        faults = list(_find_interrupt_faults(builder, seconds)) if has_ended else ["it did not end"]
    if _wait_for_children(mark) > CHILDREN_LIMIT:
        faults.append("children survived")
    return seconds, faults


def _find_interrupt_faults(builder: TerminalBuilder, seconds: float) -> Iterator[str]:
    if (code := builder.process.wait()) != 130:
        yield f"exit code {code}: {builder.output[-500:]!r}"
    if seconds > INTERRUPT_LIMIT:
        yield f"it took {seconds:.1f} s to end"
    if builder.attributes != builder.attributes_before:
        yield "the terminal has other settings"
    if not builder.is_cursor_visible:
        yield "the cursor is hidden"
    if "Traceback" in builder.output:
        yield f"traceback: {builder.output[-500:]!r}"
