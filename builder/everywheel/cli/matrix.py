"""Command `matrix`: the jobs of a release."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from everywheel.cli.output import echo, make_table, print_table
from everywheel.cli.store_lease import open_store
from everywheel.config.project import Project
from everywheel.errors import count_noun
from everywheel.pipeline import plan_targets
from everywheel.recognition.project_loader import load_project
from everywheel.release.matrix import Job, group_jobs, list_released, plan_jobs
from everywheel.wheels.build_lock import ensure_build_lock


def load_released_project(root: Path) -> Project:
    """Return the project with the name and the version of its files, which its build backend determines if need be.

    Raises UsageError like `load_project`, and BuildError and MachineError like `ensure_build_lock`.
    """
    project = load_project(root)
    return project if project.has_metadata else ensure_build_lock(project, open_store())


def list_jobs(project: Project, *, every_target: bool = False) -> tuple[Job, ...]:
    """Return the jobs of a release; with `every_target` also those of targets that are not released."""
    targets = project.every_target if every_target else project.released
    return plan_jobs(project, targets, plan_targets(project, targets))


@click.command("matrix", short_help="List the CI jobs of a release.")
@click.option(
    "--targets",
    "target_set",
    type=click.Choice(["release", "all"]),
    default="release",
    show_default=True,
    help="The released targets, or all targets of the project.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the jobs, grouped by purpose, as one line of JSON.")
@click.option(
    "--github-output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also append the JSON, as the output `matrix` of a GitHub Actions step, to this file.",
)
@click.pass_obj
def matrix_command(root: Path, target_set: str, as_json: bool, github_output: Path | None) -> None:
    """List the jobs of a release: one for each target and engine, with its machine, cache key and files.

    CI workflows generate their matrix from this command.

    Example: everywheel matrix --json
    """
    project = load_released_project(root)
    jobs = list_jobs(project, every_target=target_set == "all")
    groups = {name: [dataclasses.asdict(job) for job in group] for name, group in group_jobs(jobs).items()}
    line = json.dumps({**groups, "released": list_released(project), "version": project.version})
    if github_output is not None:
        with github_output.open("a") as outputs:
            outputs.write(f"matrix={line}\n")
    if as_json:
        echo(line)
        return
    table = make_table("job", "built on", "tested on", "files")
    for job in jobs:
        table.add_row(job.name, job.runner, f"{job.native}{' with QEMU' if job.qemu else ''}", "\n".join(job.files))
    print_table(table)
    # A second build produces files of the same names, so distinct names are counted.
    echo(f"{count_noun(len(jobs), 'job')}, {count_noun(len({name for job in jobs for name in job.files}), 'file')}")


COMMAND = matrix_command
