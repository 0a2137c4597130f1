"""The results of bench_encode.py: written as JSON, and shown as a table and as plots in docs/."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

WEBPENCODE = "webpencode"
LOWER_BOUND = "libwebp"
TABLE_START, TABLE_END = "<!-- bench-encode: start -->\n", "<!-- bench-encode: end -->\n"
RATIOS_PLOT, TIMES_PLOT = "benchmark-ratios.svg", "benchmark-times.svg"
COLORS = {
    WEBPENCODE: "#0b6e4f",
    LOWER_BOUND: "#9e9e9e",
    "Pillow": "#d1495b",
    "pyvips": "#30638e",
    "opencv": "#edae49",
    "webp": "#7b5ea7",
    "sharp": "#3a3a3a",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A job with the seconds of each round, by package: processor seconds of all threads, and wall seconds."""

    job: str
    processor: Mapping[str, Sequence[float]]
    wall: Mapping[str, Sequence[float]]
    sizes: Mapping[str, int]

    def find_best(self) -> str:
        """Return the other package that needs the least processor time."""
        others = [name for name in self.processor if name not in (WEBPENCODE, LOWER_BOUND)]
        return min(others, key=lambda name: statistics.median(self.processor[name]))

    def compare(self, name: str) -> float:
        """Return webpencode's processor time divided by that of a package: the median of the ratios of the rounds.

        The packages run in turn, so that both times of a round are measured with the same load of the machine.
        """
        pairs = zip(self.processor[WEBPENCODE], self.processor[name], strict=True)
        return statistics.median(own / other for own, other in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All rows, with the versions of the packages."""

    versions: Mapping[str, str]
    processors: int
    rows: Sequence[Row]


def save_results(results: Results, path: Path) -> None:
    path.write_text(json.dumps(asdict(results), indent=1) + "\n")


def load_results(path: Path) -> Results:
    content = json.loads(path.read_text())
    return Results(**{**content, "rows": [Row(**row) for row in content["rows"]]})


def make_table(results: Results) -> str:
    """Return a Markdown table of the processor times."""
    lines = [
        "| job | webpencode | libwebp only | fastest other package | ratio | bytes |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in results.rows:
        best = row.find_best()
        medians = {name: format_time(statistics.median(values)) for name, values in row.processor.items()}
        sizes = f"{row.sizes[WEBPENCODE]:,}; {row.sizes[best]:,}"
        lines.append(
            f"| {row.job} | {medians[WEBPENCODE]} | {medians.get(LOWER_BOUND, '')} | {medians[best]}, {best} "
            f"| {row.compare(best):.2f} | {sizes} |"
        )
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    rounds = min(len(row.processor[WEBPENCODE]) for row in results.rows)
    return (
        "\n".join(lines)
        + f"\n\nMedians of at least {rounds} rounds on {results.processors} processors, with {versions}.\n"
    )


def format_time(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms" if seconds < 0.01 else f"{seconds * 1000:,.0f} ms"


def write_docs(results: Results, docs: Path) -> None:
    """Write the table into performance.md, and the plots next to it. The same results give the same bytes."""
    page = docs / "performance.md"
    before, rest = page.read_text().split(TABLE_START)
    after = rest.split(TABLE_END)[1]
    page.write_text(before + TABLE_START + make_table(results) + TABLE_END + after)
    _plot_ratios(results, docs / RATIOS_PLOT)
    _plot_times(results, docs / TIMES_PLOT)


def _plot_ratios(results: Results, path: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import ScalarFormatter

    figure = Figure(figsize=(8, 0.45 * len(results.rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    for name, color in COLORS.items():
        points = [(row.compare(name), at) for at, row in enumerate(results.rows) if name in row.processor]
        if name not in (WEBPENCODE, LOWER_BOUND) and points:
            axes.scatter(*zip(*points, strict=True), label=name, color=color, zorder=3)
    axes.axvline(1, color=COLORS[WEBPENCODE], zorder=2)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xticks([0.3, 0.5, 0.7, 1, 1.2], minor=False)
    axes.minorticks_off()
    axes.set_xlabel(
        "processor time of webpencode divided by that of the package (left of the line: webpencode is faster)"
    )
    _finish(figure, axes, results, path)


def _plot_times(results: Results, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.45 * len(results.rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    for position, (name, color) in enumerate(COLORS.items()):
        rows = [(at, row.processor[name]) for at, row in enumerate(results.rows) if name in row.processor]
        if not rows:
            continue
        medians = [1000 * statistics.median(values) for _, values in rows]
        heights = [at + (position - 3) * 0.11 for at, _ in rows]
        low = [median - 1000 * min(values) for median, (_, values) in zip(medians, rows, strict=True)]
        high = [1000 * max(values) - median for median, (_, values) in zip(medians, rows, strict=True)]
        axes.errorbar(medians, heights, xerr=(low, high), fmt="o", markersize=4, label=name, color=color)
    axes.set_xscale("log")
    axes.set_xlabel("processor time in ms: median, minimum and maximum of the rounds")
    _finish(figure, axes, results, path)


def _finish(figure: Any, axes: Any, results: Results, path: Path) -> None:
    import matplotlib

    axes.set_yticks(range(len(results.rows)), [row.job for row in results.rows])
    axes.invert_yaxis()
    axes.grid(axis="x", color="#dddddd", zorder=0)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    # Text stays text, and neither the date nor random identifiers are written.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": path.name}):
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
