"""docs/projects.md, and the results of runs that it is written from (docs/data/projects.json)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from known_projects import KnownProject

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "projects.md"
DATA = ROOT / "docs" / "data" / "projects.json"
LINUX_TARGETS = ("manylinux2014_x86_64", "manylinux2014_aarch64", "musllinux_1_2_x86_64", "musllinux_1_2_aarch64")
OTHER_TARGETS = ("macosx_11_0_arm64", "win_amd64")

_PAGE = """# Projects that Everywheel builds

Each project is built from its untouched source distribution, pinned by hash, with the settings in
`tests/projects/projects.toml`. Its wheels are for CPython 3.11 and 3.13, or one for the stable ABI. `nox -s projects` builds
and uses them; with `-- --write` it adds its results to `docs/data/projects.json`, and writes this page from them.

{builds}

Settings are lines of `everywheel.toml`. Minutes are those of the wheels' own steps, added up; libraries and headers, which
many wheels share, are not included. They were measured on two cores that were busy with other work as well.

*n of m used*: of the m wheels that were built for the target, n were installed on at least one system that their tag claims,
where each of their extension modules was imported, and the project was used: Debian 12 and 13, a system with musl, for
aarch64 under QEMU, and Wine for Windows. No system with macOS was available: its wheels were audited, and their symbols were
compared with those of the system.

{without}## Their own tests

The tests of the project's sdist run against the installed wheel for x86_64, never against the source tree.

{suites}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelResult:
    """A wheel of a run: its target, its size in bytes, and the images on which it passed."""

    target: str
    size: int
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectResult:
    """The results of one project: seconds of steps by their id, wheels by file name, its own tests' last line by image."""

    version: str
    lines: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    wheels: Mapping[str, WheelResult] = field(default_factory=dict)
    suites: Mapping[str, str] = field(default_factory=dict)

    @property
    def largest(self) -> int:
        return max((wheel.size for wheel in self.wheels.values()), default=0)


def read_results() -> dict[str, ProjectResult]:
    """Return the recorded results by project."""
    entries = json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else {}
    for entry in entries.values():
        wheels = {name: {**wheel, "images": tuple(wheel["images"])} for name, wheel in entry["wheels"].items()}
        entry["wheels"] = {name: WheelResult(**wheel) for name, wheel in wheels.items()}
    return {name: ProjectResult(**entry) for name, entry in entries.items()}


def write_results(results: Mapping[str, ProjectResult], projects: Sequence[KnownProject]) -> None:
    """Write the results and the page."""
    ordered = {
        project.label: dataclasses.asdict(results[project.label]) for project in projects if project.label in results
    }
    DATA.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(render_page(results, projects), encoding="utf-8")


def merge_results(old: ProjectResult | None, new: ProjectResult) -> ProjectResult:
    """Return the results of a run together with older ones for other wheels of the same version.

    A step that was not run again, because its wheel was in the store, keeps its seconds.
    """
    if old is None or (old.version, old.lines) != (new.version, new.lines):
        return new
    return dataclasses.replace(
        new,
        seconds=dict(sorted({**old.seconds, **new.seconds}.items())),
        wheels=dict(sorted({**old.wheels, **new.wheels}.items())),
        suites={**old.suites, **new.suites},
    )


def render_page(results: Mapping[str, ProjectResult], projects: Sequence[KnownProject]) -> str:
    shown = [project for project in projects if project.label in results]
    reasons = [f"- {project.label}: {project.note}.\n" for project in shown if project.note]
    reasons += [
        f"- {project.label}, {target}: {reason}.\n" for project in shown for target, reason in project.without.items()
    ]
    return _PAGE.format(
        builds=render_builds(results, projects),
        without="".join([*reasons, "\n"] if reasons else []),
        suites=_render_suites(results, projects),
    )


def render_builds(results: Mapping[str, ProjectResult], projects: Sequence[KnownProject]) -> str:
    """Return the table of the projects that have results."""
    targets = (*LINUX_TARGETS, *OTHER_TARGETS)
    rows = [
        [
            f"{project.label} {result.version}",
            str(result.lines),
            _add_minutes(result),
            f"{result.largest / 1e6:.2f} MB",
            *(_describe(result, project, target) for target in targets),
        ]
        for project in projects
        if (result := results.get(project.label))
    ]
    return _render_table(["project", "settings", "minutes", "largest wheel", *targets], rows)


def _add_minutes(result: ProjectResult) -> str:
    """Return the minutes of the wheels' steps; a wheel that was always in the store has none."""
    minutes = f"{sum(result.seconds.values()) / 60:.1f}"
    measured, wheels = len(result.seconds), len(result.wheels)
    return f"{minutes} ({measured} of {wheels} wheels)" if measured < wheels else minutes


def _describe(result: ProjectResult, project: KnownProject, target: str) -> str:
    if target in project.without:
        return "no, see below"
    wheels = [wheel for wheel in result.wheels.values() if wheel.target == target]
    if not wheels:
        return "not built"
    used = sum(bool(wheel.images) for wheel in wheels)
    return f"{used} of {len(wheels)} used" if used else f"{len(wheels)} built"


def _render_suites(results: Mapping[str, ProjectResult], projects: Sequence[KnownProject]) -> str:
    rows = [
        [project.label, image, line, project.suite.note]
        for project in projects
        if project.suite and project.label in results
        for image, line in results[project.label].suites.items()
    ]
    return _render_table(["project", "system", "result", "left out"], rows)


def _render_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
