"""Build well-known projects from their untouched sdists, use the wheels and run the projects' own tests; print a table.

`nox -s projects -- lxml PyYAML` builds only these; `--quick` builds the small ones. Wheels are run on the images of
`--image` with `everywheel smoke`, which needs a container runtime; `--no-smoke` leaves that out: what this machine can run
itself is used nevertheless. `--write` adds the results to those of docs/projects.md. The exit code is 1 if a project failed.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from everywheel.execution.files import hash_file
from everywheel.smoke.result import FAILED_STATES
from everywheel.store.local import Store, default_store
from everywheel.wheels.project_sdist import fetch_named_sdist
from known_projects import LOCKS, KnownProject, Suite, load_projects
from projects_page import (
    LINUX_TARGETS,
    OTHER_TARGETS,
    ProjectResult,
    WheelResult,
    merge_results,
    read_results,
    render_builds,
    write_results,
)

IMAGES = ("debian-12", "debian-13", "musl")
SUITE_ARCH, SUITE_IMAGES = "x86_64", ("debian-13", "musl")
SUITE_MEMORY = "6000"  # megabytes


@dataclass(slots=True, kw_only=True)
class ProjectRun:
    """One project in a run: its `folder` for wheels and logs, what was measured, and what failed."""

    project: KnownProject
    sdist: Path
    folder: Path
    targets: tuple[str, ...]
    pythons: tuple[str, ...]
    images: tuple[str, ...]
    seconds: dict[str, float] = field(default_factory=dict)
    wheels: dict[str, WheelResult] = field(default_factory=dict)
    suites: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def result(self) -> ProjectResult:
        project = self.project
        return ProjectResult(
            version=project.version,
            lines=project.lines,
            seconds=self.seconds,
            wheels=self.wheels,
            suites=self.suites,
        )

    @property
    def paths(self) -> list[Path]:
        return [self.folder / "wheelhouse" / name for name in self.wheels]

    def run(self, arguments: Sequence[str]) -> Any:
        """Run a command of the toolkit and return its JSON; record a failure if there is none."""
        command = [sys.executable, "-m", "everywheel", *arguments, "--json"]
        process = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        try:
            return json.loads(process.stdout)
        except ValueError:
            self.failures.append(f"{arguments[0]}: exit code {process.returncode}\n{process.stderr[-3000:]}")
            return None


def main() -> int:
    args = parse_arguments()
    projects = load_projects()
    if unknown := set(args.names) - {project.label for project in projects}:
        sys.exit(f"not in projects.toml: {', '.join(sorted(unknown))}")
    chosen = [p for p in projects if p.label in args.names or (not args.names and (p.quick or not args.quick))]
    current, failed = {}, False
    for project in chosen:
        with tempfile.TemporaryDirectory(prefix="everywheel-projects-") as folder:
            run = run_project(project, args, Path(folder))
        print_outcome(run)
        failed = failed or bool(run.failures)
        current[project.label] = run.result
        if args.write:
            results = read_results()  # another run may have written meanwhile
            results[project.label] = merge_results(results.get(project.label), run.result)
            write_results(results, projects)
    print(render_builds(current, projects))
    return 1 if failed else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these projects [all]")
    parser.add_argument("--quick", action="store_true", help="only the small projects")
    parser.add_argument("-t", "--target", action="append", help="only this target; repeatable [six targets]")
    parser.add_argument("--python", action="append", default=[], help="only for this Python; repeatable")
    parser.add_argument("-i", "--image", action="append", help="a smoke image; repeatable [debian-12, debian-13, musl]")
    parser.add_argument("--no-smoke", action="store_true", help="run wheels on this machine only, without images")
    parser.add_argument("--no-suites", action="store_true", help="do not run the projects' own tests")
    parser.add_argument("--write", action="store_true", help="write the results to docs/projects.md and its data")
    args = parser.parse_args()
    args.target = args.target or [*LINUX_TARGETS, *OTHER_TARGETS]
    args.image = args.image or list(IMAGES)
    return args


def run_project(project: KnownProject, args: argparse.Namespace, folder: Path) -> ProjectRun:
    """Build a project's wheels, use them on the images, and run the project's own tests."""
    print(f"{project.label} {project.version}", flush=True)
    run = ProjectRun(
        project=project,
        sdist=fetch_sdist(project),
        folder=folder,
        targets=tuple(target for target in args.target if target not in project.without),
        pythons=tuple(args.python),
        images=tuple(args.image),
    )
    build_wheels(run)
    if run.wheels and not args.no_smoke:
        use_wheels(run)
        if project.suite and not args.no_suites:
            run_suite(run, project.suite)
    return run


def fetch_sdist(project: KnownProject) -> Path:
    """Return a project's sdist in the store, after comparing it with its pinned hash."""
    sdist = fetch_named_sdist(project.name, project.version, Store(default_store()), offline=False)
    digest = hash_file(sdist)
    if digest != project.sha256:
        sys.exit(f"{sdist.name} has the sha256 {digest}, not {project.sha256}")
    return sdist


def build_wheels(run: ProjectRun) -> None:
    settings = run.folder / "settings.toml"
    settings.write_text(run.project.settings, encoding="utf-8")
    if run.project.lock:
        shutil.copyfile(LOCKS / run.project.lock, run.folder / "everywheel.lock")
    targets = [argument for target in run.targets for argument in ("--target", target)]
    pythons = [argument for python in run.pythons for argument in ("--python", python)]
    build = run.run(["build", str(run.sdist), "--config", str(settings), *targets, *pythons])
    if build is None:
        return
    # Libraries and headers are shared by many wheels.
    steps = [step for step in build["steps"] if step["id"].startswith("wheel") and not step["error"]]
    run.seconds = {step["id"]: step["seconds"] for step in steps}
    run.failures += [step["error"] for step in build["steps"] if step["error"]]
    for wheel in build["wheels"]:
        path = Path(wheel["path"])
        run.wheels[path.name] = WheelResult(target=find_target(path, run.targets), size=wheel["size"])
    if unbuilt := set(run.targets) - {wheel.target for wheel in run.wheels.values()}:
        run.failures.append(f"no wheel for {', '.join(sorted(unbuilt))}")


def use_wheels(run: ProjectRun) -> None:
    """Import every module of the wheels, and run `use`, on each image that their tags claim."""
    images = [argument for image in run.images for argument in ("--image", image)]
    use = ["--command", shlex.join(["python", "-c", run.project.use])] if run.project.use else []
    if run.project.use_requires:
        settings = run.folder / "use.toml"
        lists = f"requires = {json.dumps(run.project.use_requires)}, exclude = {json.dumps(run.project.use_exclude)}"
        settings.write_text(f"smoke = {{ {lists} }}\n", encoding="utf-8")
        use += ["--config", str(settings)]
    passed: dict[str, list[str]] = {}
    for result in run.run(["--project", str(run.sdist), "smoke", *map(str, run.paths), *use, *images]) or ():
        if result["state"].startswith("passed"):
            passed.setdefault(result["wheel"], []).append(result["image"])
        elif result["state"] in FAILED_STATES:
            run.failures.append(describe_failure(result))
    for name, wheel in run.wheels.items():
        run.wheels[name] = WheelResult(target=wheel.target, size=wheel.size, images=tuple(passed.get(name, ())))


def run_suite(run: ProjectRun, suite: Suite) -> None:
    """Run the project's own tests, which are in the sdist, with the wheels for this machine's processor."""
    settings = run.folder / "suite.toml"
    command = json.dumps(shlex.split(suite.command))
    settings.write_text(
        f"smoke = {{ requires = {json.dumps(suite.requires)}, command = {command} }}\n", encoding="utf-8"
    )
    wheels = [str(path) for path in run.paths if run.wheels[path.name].target.endswith(SUITE_ARCH)]
    images = [argument for image in SUITE_IMAGES for argument in ("--image", image)]
    arguments = ["smoke", *wheels, *images, "--config", str(settings), "--memory", SUITE_MEMORY]
    for result in run.run(["--project", str(run.sdist), *arguments]) or ():
        if result["state"] == "passed":
            run.suites[result["image"]] = result["evidence"][-1].strip("= ")
        elif result["state"] in FAILED_STATES:
            run.failures.append(describe_failure(result))


def describe_failure(result: dict[str, Any]) -> str:
    lines = [f"{result['wheel']} on {result['image']}: {result['state']}: {result['message']}", *result["evidence"]]
    return "\n    ".join(lines)


def find_target(wheel: Path, targets: Sequence[str]) -> str:
    """Return the target of a wheel, which has every alias of its platform tag in its name."""
    return next(target for target in targets if target in wheel.stem.rpartition("-")[2].split("."))


def print_outcome(run: ProjectRun) -> None:
    used = sum(bool(wheel.images) for wheel in run.wheels.values())
    print(f"  {len(run.wheels)} wheels in {sum(run.seconds.values()):.0f} s, {used} used", flush=True)
    for image, line in run.suites.items():
        print(f"  its own tests on {image}: {line}", flush=True)
    for failure in run.failures:
        print(f"  FAILED {failure}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
