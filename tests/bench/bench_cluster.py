"""Simulate a cluster from measured step times: 50 recipes on 20 targets, built by 1 to 64 workers.

    nox -s bench-cluster                              the table
    nox -s bench-cluster -- --docs                    also docs/cluster.md and docs/cluster-simulation.svg
    nox -s bench-cluster -- --real                    the wall time of real steps with 1 and 2 workers on this machine
    nox -s bench-cluster -- --record trace.json       take times from a build with `--jobs 1 --trace`, and sizes from the store

A worker builds one step at a time. Before a step, it receives the requirements that its store does not have; afterwards, it
sends the result, which the machine that runs the build receives as well. The order of steps is that of `--executor`. Each
synthetic recipe has the time and the size of one of the real steps in docs/data/steps.json.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench_planning import IDENTITIES, make_project, make_targets
from everywheel.planning.plan import make_plan
from everywheel.planning.steps import LibraryStep, Plan, StepKind
from everywheel.store.local import Store, default_store

ROOT = Path(__file__).parents[2]
MEASURED = ROOT / "docs" / "data" / "steps.json"
PAGE, PLOT = ROOT / "docs" / "cluster.md", ROOT / "docs" / "cluster-simulation.svg"
TABLE_START, TABLE_END = "<!-- bench-cluster: start -->\n", "<!-- bench-cluster: end -->\n"
RECIPES, TARGETS = 50, 20
WORKERS = (1, 2, 4, 8, 16, 32, 64)
BYTES_PER_SECOND = 50e6
"""Of one worker to or from the remote store."""
OVERHEAD = 0.3
"""Seconds for each step: the messages of the scheduler, the record, the signature and the checks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A real step: its seconds with one job, and the bytes of its artifact or wheel."""

    name: str
    seconds: float
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The result for a number of workers: seconds in all, the share of time in which workers build, and bytes moved."""

    workers: int
    seconds: float
    utilization: float
    moved: int


def assign(plan: Plan, measured: Sequence[Measured]) -> dict[str, Measured]:
    """Return a real step for each step of a plan: the same for all targets of a recipe, and the wheel for each wheel."""
    libraries, generator = measured[:-1], random.Random(2)
    names = sorted({step.name for step in plan.steps.values() if isinstance(step, LibraryStep)})
    chosen = {name: generator.choice(libraries) for name in names}
    return {id: measured[-1] if step.kind is StepKind.WHEEL else chosen[step.name] for id, step in plan.steps.items()}


def simulate(plan: Plan, costs: Mapping[str, Measured], workers: int) -> Simulation:
    """Build a plan with a number of workers: of the ready steps, the one with the highest priority starts on a free worker."""
    waiting = {id: len(step.requires) for id, step in plan.steps.items()}
    dependents: dict[str, list[str]] = {id: [] for id in plan.steps}
    for id, step in plan.steps.items():
        for requirement in step.requires:
            dependents[requirement].append(id)
    stores: list[set[str]] = [set() for _ in range(workers)]
    ready = [(-plan.priority[id], id) for id, count in waiting.items() if not count]
    heapq.heapify(ready)
    free, running = list(range(workers)), list[tuple[float, int, str]]()
    now, moved, busy = 0.0, 0, 0.0
    while ready or running:
        while ready and free:
            _, id = heapq.heappop(ready)
            requires = plan.steps[id].requires
            worker = max(free, key=lambda number: (len(stores[number].intersection(requires)), -number))
            free.remove(worker)
            received = sum(costs[other].size for other in requires if other not in stores[worker])
            size = costs[id].size
            stores[worker] |= {*requires, id}
            moved += received + 2 * size
            busy += costs[id].seconds
            end = now + OVERHEAD + costs[id].seconds + (received + size) / BYTES_PER_SECOND
            heapq.heappush(running, (end, worker, id))
        now, worker, id = heapq.heappop(running)
        free.append(worker)
        for dependent in dependents[id]:
            waiting[dependent] -= 1
            if not waiting[dependent]:
                heapq.heappush(ready, (-plan.priority[dependent], dependent))
    return Simulation(workers=workers, seconds=now, utilization=busy / (now * workers), moved=moved)


def find_critical_path(plan: Plan, costs: Mapping[str, Measured]) -> float:
    """Return the seconds of the longest path: no number of workers is faster."""
    ends: dict[str, float] = {}
    for id, step in plan.steps.items():
        ends[id] = costs[id].seconds + max((ends[other] for other in step.requires), default=0.0)
    return max(ends.values())


def make_table(results: Sequence[Simulation], plan: Plan, costs: Mapping[str, Measured]) -> str:
    lines = ["| workers | wall time | speedup | workers build | bytes moved |", "| --- | --- | --- | --- | --- |"]
    for result in results:
        lines.append(
            f"| {result.workers} | {result.seconds / 60:,.1f} min | {results[0].seconds / result.seconds:.1f} "
            f"| {result.utilization:.0%} | {result.moved / 1e9:.1f} GB |"
        )
    work = sum(costs[id].seconds for id in plan.steps)
    longest = find_critical_path(plan, costs)
    return (
        "\n".join(lines)
        + f"\n\n{RECIPES} recipes on {TARGETS} targets: {len(plan.steps):,} steps with {work / 60:,.0f} minutes "
        f"of work, of which the longest path has {longest / 60:.1f}.\n"
    )


def plot(results: Sequence[Simulation]) -> None:
    """Write the plot; the same results give the same bytes."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import ScalarFormatter

    figure = Figure(figsize=(8, 2.8), layout="constrained")
    workers = [result.workers for result in results]
    ideal = [results[0].seconds / 60 / count for count in workers]
    panels = (
        ("wall time in minutes", [result.seconds / 60 for result in results], "log"),
        ("time in which workers build, in %", [result.utilization * 100 for result in results], "linear"),
        ("bytes moved, in GB", [result.moved / 1e9 for result in results], "linear"),
    )
    for axes, (title, values, scale) in zip(figure.subplots(1, 3), panels, strict=True):
        if scale == "log":
            axes.plot(workers, ideal, color="#9e9e9e", linestyle="dashed", label="divided by the workers")
        axes.plot(workers, values, color="#0b6e4f", marker="o", markersize=4, label="simulated")
        axes.set_xscale("log", base=2)
        axes.set_yscale(scale)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.set_xticks(workers)
        if scale == "log":
            axes.legend(frameon=False, fontsize=8)
        else:
            axes.set_ylim(bottom=0)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("workers", fontsize=9)
        axes.grid(color="#dddddd")
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": PLOT.name}):
        figure.savefig(PLOT, format="svg", metadata={"Date": None, "Creator": None})


def record(trace: Path) -> None:
    """Write the times of a trace, and the sizes of the results in the store, with the wheel at the end."""
    events = json.loads(trace.read_text())["traceEvents"]
    entries = {f"{entry.name}:{entry.target}": entry for entry in Store(default_store(), create=False).entries()}
    steps = []
    for event in events:
        id = event.get("args", {}).get("id", "")
        is_wheel = id.startswith("wheel")
        if event.get("cat") != "step" or "-cp" in id:
            continue
        name, _, version_and_target = event["name"].partition(" ")
        entry = entries[f"{name}:{version_and_target.rpartition(' ')[2]}"]
        facts = {"name": name, "seconds": round(event["dur"] / 1e6, 1), "size": entry.size}
        steps.append((is_wheel, facts))
    rows = [facts for _, facts in sorted(steps, key=lambda step: (step[0], step[1]["name"]))]
    MEASURED.write_text("[\n" + ",\n".join(f" {json.dumps(row)}" for row in rows) + "\n]\n")


def measure_real() -> None:
    """Print the wall time of the fixture project's steps for two targets, with 1 and 2 workers on this machine."""
    sys.path[:0] = [str(ROOT / "tests" / "builds"), str(ROOT / "tests" / "unit")]
    from cluster import TestCluster
    from fixture_project import FixtureProject, pack_python_headers
    from remote_stores import make_key

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        headers, key = pack_python_headers(folder), make_key(folder / "key")
        for count in (1, 2):
            project = FixtureProject(folder / f"project-{count}", headers)
            with TestCluster(folder / f"cluster-{count}", key, project.mirror) as cluster:
                for number in range(count):
                    cluster.start_worker(f"worker-{number}")
                began = time.monotonic()
                options = (
                    "--executor",
                    cluster.address,
                    "--remote",
                    str(cluster.remote),
                    "--remote-sign-key",
                    str(key),
                )
                process = project.start("build", "--json", *options)
                output = process.communicate()[0]
                if process.returncode:
                    raise subprocess.CalledProcessError(process.returncode, process.args)
                seconds = sum(step["seconds"] for step in json.loads(output)["steps"])
                wall = time.monotonic() - began
                print(f"{count} workers: {wall:.1f} s, of which the steps took {seconds:.1f} s in sum")


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--record", type=Path, metavar="TRACE")
    args = parser.parse_args()
    if args.record is not None:
        record(args.record)
    if args.real:
        measure_real()
        return
    project = make_project(RECIPES)
    plan = make_plan(project, make_targets(project, TARGETS), IDENTITIES)
    costs = assign(plan, [Measured(**row) for row in json.loads(MEASURED.read_text())])
    results = [simulate(plan, costs, count) for count in WORKERS]
    table = make_table(results, plan, costs)
    print(table)
    if args.docs:
        before, rest = PAGE.read_text().split(TABLE_START)
        PAGE.write_text(before + TABLE_START + table + TABLE_END + rest.split(TABLE_END)[1])
        plot(results)


if __name__ == "__main__":
    main()
