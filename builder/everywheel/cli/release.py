"""matrix, sdist and release."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from rich.table import Table

from everywheel.cli.options import jobs_option, offline_option, timeout_option
from everywheel.cli.run_plan import exit_code, run_plan
from everywheel.cli.tables import print_table
from everywheel.config.project import Project, load_project
from everywheel.errors import EverywheelError, ReleaseError, UsageError
from everywheel.execution.jobserver import default_jobs
from everywheel.libraries.context import BuildContext
from everywheel.pipeline import BuildOptions, find_missing, plan_targets
from everywheel.planning.plan import wheel_id
from everywheel.platforms.target import Target, parse_target
from everywheel.release.matrix import RELEASED, Job, group_jobs, list_released, plan_jobs
from everywheel.store.local import Store, default_store
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.engines import start_engine

folder_argument = click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("dist"))
upload_option = click.option(
    "--repository-url",
    "repository_url",
    default="",
    metavar="URL",
    envvar="EVERYWHEEL_REPOSITORY_URL",
    show_envvar=True,
    help="Where the index takes files [default: PyPI's].",
)
simple_option = click.option(
    "--index-url",
    "index_url",
    default="",
    metavar="URL",
    envvar="EVERYWHEEL_INDEX_URL",
    show_envvar=True,
    help="The index's list of projects [default: PyPI's].",
)


def list_jobs(project: Project, *, more: bool = False) -> tuple[Job, ...]:
    """Return the jobs of a release; with `more`, those of the targets that are not released as well."""
    targets = project.every_target if more else project.released
    return plan_jobs(project, targets, plan_targets(project, targets))


@click.command("matrix", short_help="Show the jobs that a release consists of.")
@click.option(
    "--targets",
    "which",
    type=click.Choice(["release", "all"]),
    default="release",
    show_default=True,
    help="The released targets, or all that the project names.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON: the jobs by what they are for.")
@click.pass_obj
def matrix_command(root: Path, which: str, as_json: bool) -> None:
    """List each job of the release: one for every target and engine, with its machine, cache key and files.

    Continuous integration takes its matrix from here.

    Example: everywheel matrix --json
    """
    project = load_project(root)
    jobs = list_jobs(project, more=which == "all")
    if as_json:
        groups = {name: [dataclasses.asdict(job) for job in group] for name, group in group_jobs(jobs).items()}
        click.echo(json.dumps({**groups, "released": list_released(project), "version": project.version}))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("job", "built on", "tried on", "files"):
        table.add_column(column, no_wrap=True)
    for job in jobs:
        table.add_row(job.name, job.runner, f"{job.native}{' with QEMU' if job.qemu else ''}", "\n".join(job.files))
    print_table(table)
    # A second build leaves files of the same names.
    click.echo(f"{len(jobs)} jobs, {len({name for job in jobs for name in job.files})} files")


def make_sdist(
    project: Project,
    target: Target,
    store: Store,
    options: BuildOptions,
    *,
    quiet: bool = False,
) -> tuple[Path | None, int]:
    """Make the source distribution; return where it is, or nothing, and the exit code."""
    from everywheel.wheels.sdist import build_sdist

    plan = plan_targets(project, [target])
    step = plan.wheels[wheel_id(project, target, project.python)]
    needs = plan.select(step.requires)
    if find_missing(needs, store).steps:
        results = run_plan(needs, project, store, options, quiet=quiet)
        if code := exit_code(results):
            return None, code
    tools = ensure_tools(store.root, offline=options.offline)
    engine = start_engine(EngineName.ZIG, store, tools)
    context = BuildContext(store=store, engine=engine, tools=tools, sources={}, environment={}, offline=options.offline)
    return build_sdist(context, step, plan, project, project.wheelhouse), 0


@click.command("sdist", short_help="Build the source distribution.")
@click.option("--target", "-t", metavar="TAG", help="With this target's libraries [default: the project's first].")
@jobs_option
@offline_option
@timeout_option
@click.pass_context
def sdist_command(ctx: click.Context, target: str | None, jobs: int | None, offline: bool, timeout: int) -> None:
    """Build the extension's source distribution into the wheelhouse: the same sources always give the same bytes.

    Example: everywheel sdist
    """
    project = load_project(ctx.obj)
    chosen = parse_target(target) if target else project.targets[0]
    options = BuildOptions(jobs=jobs or default_jobs(), offline=offline, timeout=timeout)
    path, code = make_sdist(project, chosen, Store(default_store()), options)
    if path is not None:
        click.echo(f"built: {path.relative_to(project.root)} ({path.stat().st_size / 1e6:.2f} MB)")
    ctx.exit(code)


@click.group("release", short_help="Check a release, number it, upload it.")
def release_group() -> None:
    """Release the project: docs/release.md has the whole way.

    Example: everywheel release check wheelhouse --output-dir dist
    """


@release_group.command("prepare")
@click.argument("version", required=False)
@click.option(
    "--changelog",
    "configs",
    multiple=True,
    type=click.Path(path_type=Path),
    default=[Path("pyproject.toml")],
    show_default=True,
    help="A file with [tool.towncrier], in the project; may be given several times.",
)
@click.option("--dry-run", is_flag=True, help="Write nothing; warn of all that would be refused. Needs no version.")
@click.pass_obj
def prepare_command(root: Path, version: str | None, configs: tuple[Path, ...], dry_run: bool) -> None:
    """Write a new version into the project, if all is ready for it: a clean tree, and a changelog fragment.

    What it writes, and what towncrier will, is noted in git's folder, for `tag` and `abort`.

    Example: everywheel release prepare 1.2.0
    """
    from everywheel.release.changelog import check_changes, load_changelog
    from everywheel.release.preconditions import check_clone, check_identity, check_tree, check_upstream
    from everywheel.release.transaction import check_unprepared, prepare
    from everywheel.release.version import check_version

    if version is None and not dry_run:
        raise UsageError("which version?", hint="name it: everywheel release prepare 1.2.0")
    project = load_project(root)
    changelogs = [load_changelog(project.root, config) for config in configs]
    checks: list[Callable[[], object]] = [
        lambda: check_clone(project.root),
        lambda: check_unprepared(project.root),
        lambda: check_tree(project.root),
        lambda: check_changes(changelogs, project.root),
        lambda: check_identity(project.root),
        lambda: check_upstream(project.root),
    ]
    if dry_run:
        _warn_of([*checks, *([lambda: check_version(version, project)] if version else [])])
        return
    for check in checks:
        check()
    checked = check_version(str(version), project)
    prepare(project.root, checked, (project.extension / "pyproject.toml", project.root / "pyproject.toml"), changelogs)
    click.echo(f"{project.name} is version {checked} now")


def _warn_of(checks: Iterable[Callable[[], object]]) -> None:
    refused = 0
    for check in checks:
        try:
            check()
        except EverywheelError as error:
            refused += 1
            click.echo(error.render().replace("error:", "warning:", 1), err=True)
    click.echo(f"a release would be refused, for {refused} reasons" if refused else "a release could be prepared")


@release_group.command("check")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True), default=Path("wheelhouse"))
@click.option(
    "--layout",
    type=click.Choice(["all", "released"]),
    help="The folder has one folder for each job of `everywheel matrix`, or for those that are released alone.",
)
@click.option("--tag", metavar="TAG", help="The tag that is released: it must say the version that the extension says.")
@click.option(
    "--output-dir", "-o", type=click.Path(path_type=Path), help="Lay the release out here, SHA256SUMS beside it."
)
@click.option(
    "--include",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Another file that the sums shall name.",
)
@click.pass_obj
def check_command(
    root: Path, folder: Path, layout: str | None, tag: str | None, output_dir: Path | None, include: tuple[Path, ...]
) -> None:
    """Count what was built against the plan and audit it: nothing may be missing, and nothing else is taken.

    With `--layout all` every wheel that other compilers built is audited as well, and held against the released one: the
    same files, the same exported symbols, the same Pythons.

    Example: everywheel release check wheelhouse --output-dir dist
    """
    from everywheel.release.completeness import (
        SUMS,
        check_files,
        check_jobs,
        check_output_dir,
        check_second,
        copy_release_files,
        write_sums,
    )
    from everywheel.release.version import check_tag

    project = load_project(root)
    if tag is not None:
        check_tag(tag, project)
    if output_dir is not None:
        check_output_dir(output_dir, [folder, *include], project.name)
    if layout is None:
        files = check_files(project, folder, strictly=output_dir is None)
    else:
        jobs = [job for job in list_jobs(project) if layout == "all" or job.engine in RELEASED]
        files = check_jobs(jobs, folder)
        if layout == "all":
            click.echo(f"{check_second(jobs, folder)} wheels of the second build agree with those of the first")
    if output_dir is not None:
        check_output_dir(output_dir, files, project.name)
        files = copy_release_files(files, output_dir)
        write_sums((*files, *include), output_dir.absolute().with_name(SUMS))
    click.echo(f"{len(files)} files of {project.name} {project.version}, as the plan has them")


@release_group.command("tag")
@click.pass_obj
def tag_command(root: Path) -> None:
    """Commit what the release changed, and nothing else, and tag the commit with its version.

    Example: everywheel release tag
    """
    from everywheel.release.transaction import commit_and_tag

    project = load_project(root)
    commit_and_tag(project.root, project.version)
    click.echo(f"tagged v{project.version}; `git push --atomic origin HEAD v{project.version}` releases it")


@release_group.command("abort")
@click.pass_obj
def abort_command(root: Path) -> None:
    """Put back what a release that was prepared and not tagged has changed; other changes stay.

    Example: everywheel release abort
    """
    from everywheel.release.transaction import abort

    version, others = abort(root.absolute())
    click.echo(f"release {version} is taken back")
    for path in others:
        click.echo(f"left as it is: {path}")


def _released_files(project: Project, folder: Path) -> tuple[Path, ...]:
    from everywheel.release.completeness import check_files

    return check_files(project, folder)


@release_group.command("upload")
@folder_argument
@upload_option
@simple_option
@click.pass_obj
def upload_command(root: Path, folder: Path, repository_url: str, index_url: str) -> None:
    """Upload what an index lacks of the release, the source distribution last; run again, it goes on where it stopped.

    Example: everywheel release upload dist --repository-url http://localhost:8080/ --index-url http://localhost:8080/simple/
    """
    from everywheel.release.index import find_index, upload

    project = load_project(root)
    files = _released_files(project, folder)
    status = upload(files, find_index(repository_url, index_url), project.name, click.echo)
    click.echo(f"{len(status.missing)} files uploaded, {len(status.present)} were present")


@release_group.command("compare")
@folder_argument
@simple_option
@click.option("--complete", is_flag=True, help="Fail when the index lacks a file.")
@click.option(
    "--wait",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seconds to ask again for: an index may show a file some minutes after it took it.",
)
@click.pass_obj
def compare_command(root: Path, folder: Path, index_url: str, complete: bool, wait: int) -> None:
    """Ask an index what it has of the release, and whether those are the same bytes.

    Example: everywheel release compare dist --complete
    """
    from everywheel.release.index import find_index, wait_for

    project = load_project(root)
    files, index = _released_files(project, folder), find_index(simple=index_url)
    status = wait_for(files, index, project.name, wait)
    for file in status.present:
        click.echo(f"present: {file.name}")
    for file in status.missing:
        click.echo(f"missing: {file.name}")
    if complete and status.missing:
        raise ReleaseError(
            f"the index lacks {len(status.missing)} of {len(status.present) + len(status.missing)} files",
            details={"lacking": ", ".join(file.name for file in status.missing)},
            hint="upload again: what is there is not uploaded twice",
        )


COMMANDS = (matrix_command, sdist_command, release_group)
