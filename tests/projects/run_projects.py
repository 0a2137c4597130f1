"""Build well-known projects from their untouched sdists for every Linux target, use the wheels, and print a table.

`nox -s projects -- lxml PyYAML` builds only these; `--quick` builds the small ones. Wheels are run on the images of
`--image` with `everywheel smoke`, which needs a container runtime; `--no-smoke` leaves that out: what this machine can run
itself is used nevertheless. The exit code is 1 if a project failed.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from everywheel.execution.files import hash_file
from everywheel.store.local import Store, default_store
from everywheel.wheels.project_sdist import fetch_named_sdist

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "projects.md"
TARGETS = ("manylinux2014_x86_64", "manylinux2014_aarch64", "musllinux_1_2_x86_64", "musllinux_1_2_aarch64")
IMAGES = ("debian-12", "debian-13", "musl")
MOST_LINES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownProject:
    """A project on PyPI: `settings` is its everywheel.toml, `use` a program that uses the installed wheel."""

    name: str
    version: str
    sha256: str
    settings: str = ""
    use: str = ""
    quick: bool = False

    @property
    def lines(self) -> int:
        """The number of lines of the settings."""
        return sum(bool(line.strip()) for line in self.settings.splitlines())


@dataclass(slots=True, kw_only=True)
class Figures:
    """The result of one project: its wheels by target, seconds of the build, bytes of the largest wheel, failures."""

    project: KnownProject
    built: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    size: int = 0
    failures: list[str] = field(default_factory=list)


def main() -> int:
    args = parse_arguments()
    projects = [
        KnownProject(**entry)
        for entry in tomllib.loads((Path(__file__).with_name("projects.toml")).read_text())["projects"]
    ]
    unknown = set(args.names) - {project.name for project in projects}
    if unknown:
        sys.exit(f"not in projects.toml: {', '.join(sorted(unknown))}")
    chosen = (
        [p for p in projects if p.name in args.names]
        if args.names
        else [p for p in projects if p.quick or not args.quick]
    )
    too_long = [p.name for p in chosen if p.lines > MOST_LINES]
    if too_long:
        sys.exit(f"more than {MOST_LINES} lines of settings: {', '.join(too_long)}")
    results = []
    with tempfile.TemporaryDirectory(prefix="everywheel-projects-") as folder:
        for project in chosen:
            results.append(run_project(project, args, Path(folder) / project.name))
            print_figures(results[-1])
    table = render_table(results, args.target)
    print(table)
    if args.write:
        PAGE.write_text(render_page(table))
    return 1 if any(figures.failures for figures in results) else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these projects [all]")
    parser.add_argument("--quick", action="store_true", help="only the small projects")
    parser.add_argument("-t", "--target", action="append", help="only this target; repeatable [the four Linux targets]")
    parser.add_argument("-i", "--image", action="append", help="a smoke image; repeatable [debian-12, debian-13, musl]")
    parser.add_argument("--no-smoke", action="store_true", help="run wheels on this machine only, without images")
    parser.add_argument("--write", action="store_true", help="write the table to docs/projects.md")
    args = parser.parse_args()
    args.target, args.image = args.target or list(TARGETS), args.image or list(IMAGES)
    return args


def run_project(project: KnownProject, args: argparse.Namespace, folder: Path) -> Figures:
    """Build a project's wheels, and run them on the images."""
    figures = Figures(project=project)
    folder.mkdir()
    print(f"{project.name} {project.version}", flush=True)
    sdist = fetch_sdist(project)
    settings = folder / "settings.toml"
    settings.write_text(project.settings)
    targets = [argument for target in args.target for argument in ("--target", target)]
    start = time.monotonic()
    build = run_everywheel(["build", str(sdist), "--config", str(settings), *targets, "--json"], folder)
    figures.seconds = time.monotonic() - start
    if build.returncode != 0:
        figures.failures.append(f"build: exit code {build.returncode}\n{build.stderr[-3000:]}")
    wheels = sorted((folder / "wheelhouse").glob("*.whl"))
    figures.size = max((wheel.stat().st_size for wheel in wheels), default=0)
    figures.built.update(find_target(wheel, args.target) for wheel in wheels)
    if wheels and not args.no_smoke:
        smoke_test(figures, wheels, sdist, args)
    shutil.rmtree(folder / "wheelhouse", ignore_errors=True)
    return figures


def fetch_sdist(project: KnownProject) -> Path:
    """Return a project's sdist in the store, after comparing it with its pinned hash."""
    sdist = fetch_named_sdist(project.name, project.version, Store(default_store()), offline=False)
    digest = hash_file(sdist)
    if digest != project.sha256:
        sys.exit(f"{sdist.name} has the sha256 {digest}, not {project.sha256}")
    return sdist


def smoke_test(figures: Figures, wheels: Sequence[Path], sdist: Path, args: argparse.Namespace) -> None:
    """Import every module of the wheels, and run `use`, on each image."""
    images = [argument for image in args.image for argument in ("--image", image)]
    use = ["--command", shlex.join(["python", "-c", figures.project.use])] if figures.project.use else []
    smoke = run_everywheel(
        ["--project", str(sdist), "smoke", *map(str, wheels), *use, *images, "--json"], wheels[0].parent
    )
    try:
        results = json.loads(smoke.stdout)
    except ValueError:
        figures.failures.append(f"smoke: exit code {smoke.returncode}\n{smoke.stderr[-3000:]}")
        return
    good = {wheel.name: set() for wheel in wheels}
    for result in results:
        good.setdefault(result["wheel"], set()).add(result["state"])
        if result["state"] in ("failed", "could not run"):
            figures.failures.append(f"{result['wheel']} on {result['image']}: {result['message']}")
    figures.passed.update(find_target(Path(name), args.target) for name, states in good.items() if "passed" in states)


def find_target(wheel: Path, targets: Sequence[str]) -> str:
    """Return the target of a wheel, which has every alias of its platform tag in its name."""
    return next(target for target in targets if target in wheel.stem.rpartition("-")[2].split("."))


def run_everywheel(arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "everywheel", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def print_figures(figures: Figures) -> None:
    built, passed = figures.built.total(), figures.passed.total()
    print(f"  {built} wheels in {figures.seconds:.0f} s, {passed} passed", flush=True)
    for failure in figures.failures:
        print(f"  FAILED {failure}", flush=True)


def render_table(results: Sequence[Figures], targets: Sequence[str]) -> str:
    heads = ["project", "lines of settings", "wheels", "minutes", "largest wheel", *targets]
    rows = [
        [
            f"{figures.project.name} {figures.project.version}",
            str(figures.project.lines),
            str(figures.built.total()),
            f"{figures.seconds / 60:.1f}",
            f"{figures.size / 1e6:.2f} MB",
            *(describe(figures, target) for target in targets),
        ]
        for figures in results
    ]
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def describe(figures: Figures, target: str) -> str:
    built, passed = figures.built[target], figures.passed[target]
    if not built:
        return "not built"
    return f"{passed} of {built} run" if passed < built else f"{built} run"


def render_page(table: str) -> str:
    return f"""# Projects that Everywheel builds

Each project is built from its untouched source distribution, with the settings in `tests/projects/projects.toml`, and its
wheels are used on Debian 12 and 13 and on a system with musl, for x86_64 directly and for arm64 under QEMU. Minutes are
those of all wheels together on two cores, libraries included. `nox -s projects -- --write` measures again and writes this
page.

{table}
"""


if __name__ == "__main__":
    sys.exit(main())
