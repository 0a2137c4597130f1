"""Damage stores, records, archives, wheels and HTTP answers, kill builders and interrupt builds; print figures.

The exit code is 1 if anything was wrong: a wrong file was delivered, a file outside of the case's own folder was changed, a
command ended with a traceback, with an exit code that it does not document or not at all, or used too much time or memory.
`nox -s faults -- --case wheel:17` runs one case again and shows its output.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests" / "builds")]

from cases import Case, Workspace  # noqa: E402
from damaged_archives import make_archive_case  # noqa: E402
from damaged_stores import (  # noqa: E402
    TARGET,
    GoodStore,
    build_good_store,
    load_good_store,
    make_record_case,
    make_store_case,
    save_good_store,
)
from damaged_wheels import make_wheel_case  # noqa: E402
from everywheel.store.local import Store, default_store  # noqa: E402
from everywheel.toolchains.build_tools import ensure_tools  # noqa: E402
from fixture_project import FixtureProject, pack_python_headers  # noqa: E402
from hostile_answers import HostileServer, make_answer_case  # noqa: E402
from kills import KillFigures, interrupt_builds, kill_builders  # noqa: E402
from sandbox import Canaries, RunResult, enter_sandbox, run_everywheel  # noqa: E402

KINDS = ("store", "record", "archive", "wheel", "answer")
_FOLDER = "EVERYWHEEL_FAULTS_FOLDER"


@dataclass(slots=True, kw_only=True)
class Figures:
    """The results of the cases of one kind: times in seconds, memory in bytes."""

    count: int = 0
    slowest: float = 0.0
    largest: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="damaged inputs, the five kinds in turn [1000]")
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs of one of two builders [200]")
    parser.add_argument("--interrupts", type=int, default=40, help="Ctrl-C on a terminal [40]")
    parser.add_argument("--share", type=float, default=1.0, help="the part of all of these to run [1.0]")
    parser.add_argument(
        "--time-limit", type=float, default=10.0, help="seconds for each command, more on a busy machine [10]"
    )
    parser.add_argument("--seed", type=int, default=1, help="other seeds make other damage [1]")
    parser.add_argument("--only", choices=KINDS, help="one kind of damaged input")
    parser.add_argument("--case", metavar="KIND:N", help="run one case and show its output")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    if _FOLDER not in os.environ:
        os.environ[_FOLDER] = tempfile.mkdtemp(prefix="everywheel-faults-")
        prepare(Path(os.environ[_FOLDER]))
    folder = Path(os.environ[_FOLDER])
    inside = enter_sandbox([folder, default_store() / "zig"])
    os.environ["TMPDIR"] = str(folder / "tmp")
    if not inside:
        print("note: only root can make the other file systems read-only; changes outside are not prevented")
    try:
        return run(args, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prepare(folder: Path) -> None:
    """Build the good store, the bundle and the prefix that cases are made from."""
    ensure_tools(Store(default_store()).root)
    (folder / "tmp").mkdir()
    good = build_good_store(FixtureProject(folder / "good", pack_python_headers(folder)))
    good.project.run("sources", "bundle", "-o", str(folder / "bundle.tar"))
    good.project.run("deps", "-t", TARGET, "--prefix", str(folder / "prefix"))
    save_good_store(good, folder)


def run(args: argparse.Namespace, folder: Path) -> int:
    # A background job of a shell ignores these, and so would the builders that Ctrl-C interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    good = load_good_store(folder, folder)
    makers = make_makers(good, folder)
    if args.case:
        kind, _, number = args.case.partition(":")
        return show_case(kind, int(number), args, makers[kind], folder)
    kinds = (args.only,) if args.only else KINDS
    count, kills, interrupts = (round(number * args.share) for number in (args.count, args.kills, args.interrupts))
    figures = run_cases(kinds, count, args, makers, folder)
    faults = [fault for kind in kinds for fault in print_kind(kind, figures[kind])]
    if not args.only:
        faults += print_kills("SIGKILL of one of two builders", kill_builders(good, folder, kills, Random(args.seed)))
        faults += print_kills("Ctrl-C on a terminal", interrupt_builds(good, folder, interrupts, Random(args.seed)))
    for fault in faults:
        print(f"FAULT {fault}")
    return 1 if faults else 0


def make_makers(good: GoodStore, folder: Path) -> dict[str, Callable[[Workspace], Case]]:
    """Return the function that makes a case of each kind."""
    record = (good.project.root / "recipes" / "h0" / "recipe.toml").read_text()
    digest = record.partition('sha256 = "')[2][:64]
    server = HostileServer(good=(good.project.mirror / digest).read_bytes()).start()
    return {
        "store": partial(make_store_case, good),
        "record": partial(make_record_case, good),
        "archive": partial(make_archive_case, good, folder / "bundle.tar"),
        "wheel": partial(make_wheel_case, good, folder / "prefix"),
        "answer": partial(make_answer_case, good, server),
    }


def run_cases(
    kinds: tuple[str, ...],
    count: int,
    args: argparse.Namespace,
    makers: dict[str, Callable[[Workspace], Case]],
    folder: Path,
) -> dict[str, Figures]:
    """Run `count` cases, the kinds in turn, on all processors, and report progress."""
    figures = {kind: Figures() for kind in kinds}
    start = time.monotonic()

    def run_one(index: int) -> tuple[str, int, str, list[RunResult], str | None]:
        kind, number = kinds[index % len(kinds)], index // len(kinds)
        return kind, number, *run_case(kind, number, args, makers[kind], folder)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, (kind, number, description, results, fault) in enumerate(pool.map(run_one, range(count)), 1):
            figure = figures[kind]
            figure.count += 1
            figure.slowest = max(figure.slowest, *(result.seconds for result in results))
            figure.largest = max(figure.largest, *(result.peak for result in results))
            figure.codes[results[-1].exit_code] += 1
            if fault:
                figure.faults.append(f"{kind}:{number}: {fault} ({description})")
                print(f"{kind}:{number}: {fault} ({description})", flush=True)
            if done % 50 == 0:
                print(f"{done} of {count} damaged inputs, {time.monotonic() - start:.0f} s", flush=True)
    return figures


def run_case(
    kind: str, number: int, args: argparse.Namespace, maker: Callable[[Workspace], Case], folder: Path
) -> tuple[str, list[RunResult], str | None]:
    """Run one case; return its description, its results and what was wrong."""
    workspace = folder / "cases" / f"{kind}-{number}"
    workspace.mkdir(parents=True)
    try:
        canaries = Canaries(folder=workspace / "canaries").create()
        before = canaries.fingerprint()
        case = maker(Workspace(folder=workspace, canaries=canaries, random=Random(f"{args.seed}:{kind}:{number}")))
        results = [run_everywheel(command, case.cwd, case.variables) for command in case.commands]
        faults = (result.find_fault(args.time_limit) for result in results)
        fault = next((fault for fault in faults if fault), None)
        if canaries.fingerprint() != before:
            fault = "a canary was changed"
        return case.description, results, fault or case.check(results)
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def show_case(
    kind: str, number: int, args: argparse.Namespace, maker: Callable[[Workspace], Case], folder: Path
) -> int:
    """Run one case and print everything about it."""
    description, results, fault = run_case(kind, number, args, maker, folder)
    print(description)
    for result in results:
        measures = f"{result.seconds:.1f} s, {result.peak / 1e6:.0f} MB"
        print(f"exit code {result.exit_code}, {measures}\n{result.output}{result.errors}")
    print(f"FAULT {fault}" if fault else "right")
    return 1 if fault else 0


def print_kind(kind: str, figures: Figures) -> list[str]:
    codes = ", ".join(f"{count} with exit code {code}" for code, count in sorted(figures.codes.items()))
    limits = f"at most {figures.slowest:.1f} s and {figures.largest / 1e6:.0f} MB"
    print(f"{kind}: {figures.count} cases, {len(figures.faults)} faults, {limits}; {codes}")
    return figures.faults


def print_kills(name: str, figures: KillFigures) -> list[str]:
    print(f"{name}: {figures.kills}, {len(figures.faults)} faults, slowest end {figures.slowest:.2f} s")
    return list(figures.faults)


if __name__ == "__main__":
    sys.exit(main())
