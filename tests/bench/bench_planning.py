"""Measure costs that grow with the work: planning, the execution of steps, the store, and the smoke matrix.

    nox -s bench -- planning                  all
    nox -s bench -- planning --docs           write the tables into docs/performance.md, too
    nox -s bench -- planning --profile        the functions that take the most time, for the largest plan

Recipes are copies of one real recipe in ten layers; each requires up to three of the layer below, and the extension all.
Times are processor times (user and system, all threads), the shortest of `RUNS`, so that other programs on the machine hardly
change them.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import os
import pstats
import random
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.config.project import Project, load_project
from everywheel.containers.catalog import load_catalog
from everywheel.execution.jobserver import open_job_pool
from everywheel.execution.scheduler import LocalExecutor, Task, execute
from everywheel.pipeline import SilentListener
from everywheel.planning.plan import make_plan
from everywheel.planning.step_keys import Identities
from everywheel.planning.steps import Plan
from everywheel.platforms.target import Target, parse_target
from everywheel.smoke.html_report import render_html_report
from everywheel.smoke.matrix import SmokeTask, run_smoke_tasks
from everywheel.smoke.matrix_entries import MatrixEntry, make_entries
from everywheel.smoke.result import SmokeResult, SmokeState
from everywheel.smoke.summary import check_results, list_notes
from everywheel.store.entry import EntryKind, StoreEntry, entry_file, format_record
from everywheel.store.garbage import collect_garbage
from everywheel.store.local import Store

ROOT = Path(__file__).parents[2]
IDENTITIES = Identities(artifacts="a", toolchain="t", packaging="p")
LAYERS, MOST_REQUIREMENTS = 10, 3
RECIPES, TARGETS, RUNS = (10, 100, 1000), (1, 5, 20), 3
ENTRIES, LOOKUPS, REMOVED = 100_000, 20_000, 1_000
CELLS = 500


def make_project(count: int) -> Project:
    """Return the project in this repository with `count` synthetic recipes instead of its own requirements."""
    project, generator = load_project(ROOT), random.Random(1)
    width = max(1, count // LAYERS)
    names = [f"lib{number:04}" for number in range(count)]
    recipes = dict(project.recipes)
    for number, name in enumerate(names):
        below = names[max(0, (number // width - 1) * width) : number // width * width]
        requires = generator.sample(below, min(len(below), generator.randint(1, MOST_REQUIREMENTS)))
        recipes[name] = replace(project.recipes["libpng"], name=name, requires=tuple(requires))
    settings = replace(project.target_settings, requires=tuple(names), shared=())
    return replace(project, recipes=recipes, target_settings=settings, features={}, pythons=project.pythons[:1])


def make_targets(project: Project, count: int) -> tuple[Target, ...]:
    """Return the project's targets, and further ones with newer glibc floors."""
    further = (parse_target(f"manylinux_2_{minor}_x86_64") for minor in range(28, 45))
    return tuple(dict.fromkeys((*project.every_target, *further)))[:count]


def time_best(work: Callable[[], object], runs: int = RUNS) -> float:
    """Return the shortest processor time of some runs, in seconds."""
    times = []
    for _ in range(runs):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def measure_plans() -> list[str]:
    """Return a row for each size of a plan; the memory is measured in a run of its own, since that slows it down."""
    rows = ["| recipes | targets | steps | planning | each step | memory |", "| --- | --- | --- | --- | --- | --- |"]
    for recipes in RECIPES:
        project = make_project(recipes)
        for count in TARGETS:
            targets = make_targets(project, count)
            steps = len(make_plan(project, targets, IDENTITIES).steps)
            seconds = time_best(partial(make_plan, project, targets, IDENTITIES))
            tracemalloc.start()
            plan = make_plan(project, targets, IDENTITIES)
            memory = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            del plan
            each = f"{seconds / steps * 1e6:.0f} µs"
            rows.append(
                f"| {recipes:,} | {count} | {steps:,} | {seconds * 1000:,.0f} ms | {each} | {memory / 1e6:.1f} MB |"
            )
            print(rows[-1], flush=True)
    return rows


def measure_execution(plan: Plan) -> str:
    """Return the cost of each step whose work is nothing: order, thread, place and report."""
    tasks = [
        Task(id=id, label=id, requires=step.requires, priority=plan.priority[id], work=lambda set_stage: None)
        for id, step in plan.steps.items()
    ]

    def run() -> None:
        with open_job_pool(2) as pool:
            execute(tasks, LocalExecutor(pool), SilentListener())

    seconds = time_best(run, 1)
    return f"| execution of {len(tasks):,} steps that do nothing | {seconds / len(tasks) * 1000:.2f} ms a step |"


def measure_step(folder: Path) -> str:
    """Return the cost of what every step of a build has in addition to its commands: lock, lookup, packing and unpacking."""
    store, tree, count = Store(folder / "steps"), folder / "tree", 100
    (tree / "lib").mkdir(parents=True)
    (tree / "lib" / "libfoo.a").write_bytes(random.Random(1).randbytes(100_000))

    def run() -> None:
        for number in range(count):
            key = hashlib.sha256(f"{time.time()} {number}".encode()).hexdigest()
            with store.lock(key):
                assert store.find(key) is None
                store.put_tree(key, tree, name="foo", version="1", target="any")
            store.unpack(key, folder / "prefix")

    return f"| lock, lookup, packing and unpacking of a library of 0.1 MB | {time_best(run) / count * 1000:.1f} ms a step |"


def fill_store(root: Path, count: int) -> Store:
    """Create a store with artifacts of a few bytes, as `put` writes them, but without waiting for the disk."""
    store, content = Store(root), b"content"
    digest = hashlib.sha256(content).hexdigest()
    for number in range(count):
        key = hashlib.sha256(str(number).encode()).hexdigest()
        entry = StoreEntry(
            key=key,
            kind=EntryKind.ARTIFACT,
            name=f"lib{number % 1000:04}",
            version="1.0",
            target="manylinux_2_17_x86_64",
            file=entry_file(key, EntryKind.ARTIFACT),
            sha256=digest,
            size=len(content),
            created=0.0,
        )
        store.path(entry).write_bytes(content)
        store.record(key).write_text(format_record(entry))
        os.utime(store.record(key), (number, number))
    return store


def measure_store(folder: Path) -> list[str]:
    """Return a row for each operation on a store with many entries."""
    store = fill_store(folder / "store", ENTRIES)
    keys = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(0, ENTRIES, ENTRIES // LOOKUPS)]
    lookup = time_best(lambda: [store.find(key) for key in keys]) / len(keys)
    keep = set(store.list_keys()) - set(keys[:REMOVED])
    listing = time_best(store.entries, 1)
    dry = time_best(lambda: collect_garbage(store, keep=keep, older_than=0, dry_run=True), 1)
    removal = time_best(lambda: collect_garbage(store, keep=keep, older_than=0), 1)
    assert len(store.list_keys()) == len(keep)
    return [
        f"| lookup of a key among {ENTRIES:,} | {lookup * 1e6:.0f} µs |",
        f"| listing {ENTRIES:,} entries | {listing:.1f} s |",
        f"| `store gc --dry-run` with {ENTRIES:,} entries | {dry:.1f} s |",
        f"| `store gc` that removes {REMOVED:,} of {ENTRIES:,} entries | {removal:.1f} s |",
    ]


def _pass(entry: MatrixEntry, set_stage: Callable[[str], None]) -> SmokeResult:
    return entry.make_result(SmokeState.PASSED, python="3.13", seconds=1.0)


def measure_smoke() -> list[str]:
    """Return a row for each part of a smoke matrix that is not the tests themselves."""
    image = next(
        image for image in load_catalog(ROOT / "docker" / "images.toml").smoke_images.values() if image.libc == "glibc"
    )
    images = [replace(image, name=f"system{number}", libc_version=(2, 17 + number)) for number in range(10)]
    wheels = [Path(f"demo{number}-1.0-cp311-abi3-manylinux_2_17_x86_64.whl") for number in range(CELLS // len(images))]
    entries = make_entries(wheels, images)
    assert len(entries) == CELLS
    tasks = [
        SmokeTask(
            initial=entry.make_result(SmokeState.ERROR),
            work=partial(_pass, entry),
        )
        for entry in entries
    ]
    making = time_best(lambda: make_entries(wheels, images))
    running = time_best(lambda: run_smoke_tasks(tasks, 2, SilentListener()))
    results = run_smoke_tasks(tasks, 2, SilentListener())

    def report() -> None:
        render_html_report(results, "demo")
        list_notes(results)
        check_results(results)

    return [
        f"| smoke matrix: {CELLS} entries from names and images | {making * 1000:.0f} ms |",
        f"| smoke matrix: execution of {CELLS} tests that do nothing | {running / CELLS * 1000:.2f} ms a test |",
        f"| smoke matrix: reports of {CELLS} results | {time_best(report) * 1000:.0f} ms |",
    ]


def profile() -> None:
    """Print the functions that take the most time in the largest plan."""
    project = make_project(RECIPES[-1])
    targets = make_targets(project, TARGETS[-1])
    profile = cProfile.Profile()
    profile.runcall(make_plan, project, targets, IDENTITIES)
    pstats.Stats(profile).sort_stats("tottime").print_stats(20)


def write_docs(text: str) -> None:
    """Replace the tables between the markers in docs/performance.md."""
    page, start, end = (
        ROOT / "docs" / "performance.md",
        "<!-- bench-planning: start -->",
        "<!-- bench-planning: end -->",
    )
    before, _, rest = page.read_text(encoding="utf-8").partition(start)
    page.write_text(f"{before}{start}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--docs", action="store_true")
    args = parser.parse_args()
    if args.profile:
        profile()
        return
    plans = measure_plans()
    project = make_project(RECIPES[-1])
    rows = ["| operation | processor time |", "| --- | --- |"]
    rows.append(measure_execution(make_plan(project, make_targets(project, TARGETS[-1]), IDENTITIES)))
    print(rows[-1], flush=True)
    with TemporaryDirectory() as folder:
        rows.append(measure_step(Path(folder)))
        rows += measure_store(Path(folder))
    rows += measure_smoke()
    print("\n".join(rows[3:]))
    if args.docs:
        write_docs("\n".join([*plans, "", *rows]))


if __name__ == "__main__":
    main()
