"""Command `rebuild`."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from everywheel.cli.backend_interpreters import provide_interpreters
from everywheel.cli.extras import require_extra
from everywheel.cli.options import (
    Selection,
    jobs_option,
    offline_option,
    profile_option,
    verbose_option,
)
from everywheel.cli.project_source import config_option
from everywheel.cli.rebuild_results import (
    Rebuild,
    Results,
    list_differences,
    report_rebuild,
    result_options,
    write_results,
)
from everywheel.cli.rebuild_subject import Origin, check_tag_commit, find_subject, origin_options
from everywheel.cli.run_plan import exit_code, run_plan
from everywheel.cli.store_lease import open_store
from everywheel.config.project import Project
from everywheel.errors import BuildError, UsageError
from everywheel.execution.files import hash_file
from everywheel.execution.jobserver import default_jobs
from everywheel.execution.temporary_files import open_temporary_directory
from everywheel.pipeline import BuildOptions, plan_targets
from everywheel.planning.steps import Plan, WheelStep
from everywheel.remote.opening import RemoteOptions
from everywheel.store.local import Store
from everywheel.wheels.build_lock import ensure_build_lock, read_lock
from everywheel.wheels.resolutions import LOCK

if TYPE_CHECKING:
    from everywheel.rebuild.request import RebuildRequest


@click.command("rebuild", short_help="Build a wheel again from its commit, and compare the bytes.")
@click.argument("wheel", metavar="WHEEL|NAME==VERSION|TAG")
@origin_options
@click.option(
    "--repository", metavar="PATH|URL", help="Repository that has the commit [default: the project's checkout]."
)
@config_option
@profile_option
@click.option("--fresh", is_flag=True, help="Also build the libraries and install the tools again.")
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Public key in PEM, which must have signed; repeatable.",
)
@result_options
@jobs_option
@offline_option
@verbose_option
@click.pass_obj
def rebuild_command(
    root: Path,
    wheel: str,
    origin: Origin,
    repository: str | None,
    config: Path | None,
    profiles: tuple[str, ...],
    fresh: bool,
    keys: tuple[Path, ...],
    results: Results,
    jobs: int | None,
    offline: bool,
) -> None:
    """Build a wheel again from the commit that its provenance names, and compare every byte.

    A wheel that is not a file is that of the package index, with its provenance (PEP 740), or of `--from`. It is built in a
    temporary store, with the libraries of the store unless `--fresh` is given. A difference is explained and has exit code 5,
    as has a statement that does not agree. This runs the build of the commit.

    Example: everywheel rebuild dist/demo-1.0-py3-none-any.whl --output rebuild.json
    """
    with require_extra("provenance"):
        from everywheel.provenance.envelope import load_public_keys
        from everywheel.rebuild.checkout import check_out, find_repository
        from everywheel.rebuild.request import read_request
        from everywheel.rebuild.statement import compare_statement

    public = load_public_keys(keys)
    with open_temporary_directory() as folder:
        subject = find_subject(root, wheel, origin, folder)
        request = read_request(subject.wheel, subject.statement, public)
        remote = RemoteOptions(is_disabled=True)
        options = BuildOptions(jobs=jobs or default_jobs(), engine=request.engine, offline=offline, remote=remote)
        repository = repository or find_repository(root)
        check_tag_commit(subject, repository, request.commit)
        check_out(repository, request.commit, folder / "checkout")
        selection = Selection(profiles=profiles, linkage=request.linkage, config=config)
        project = _load_project(request, folder / "checkout", selection)
        with _build(request, project, options, fresh=fresh) as rebuild:
            differences = list_differences(subject.wheel, rebuild)
            write_results(request, rebuild, results)
    comparisons = [compare_statement(file, request, rebuild.sha256, public) for file in results.others]
    report_rebuild(request, rebuild, differences, comparisons)


def _load_project(request: RebuildRequest, checkout: Path, selection: Selection) -> Project:
    """Return the project of a checkout with a Python of the statement; raise UsageError if it has no lock."""
    root = checkout / request.folder
    if not root.is_dir():
        raise UsageError(
            f"the commit {request.commit} has no folder {request.folder}",
            hint="the provenance names another repository or folder: use the statement that was published with the wheel",
        )
    project = selection.load_project(root)
    if request.python not in [python.label for python in project.pythons]:
        project = dataclasses.replace(selection, pythons=(request.python,)).load_project(root)
    if read_lock(project.settings_folder / LOCK) is None:
        raise UsageError(
            f"the commit {request.commit} has no lock of the build requirements",
            details={"missing": LOCK},
            hint=f"a release that can be rebuilt has `{LOCK}`, which `everywheel lock` writes, in its commit",
        )
    return project


@contextlib.contextmanager
def _build(request: RebuildRequest, project: Project, options: BuildOptions, *, fresh: bool) -> Iterator[Rebuild]:
    """Build the wheel in a temporary store, and yield it; raise BuildError when its build fails."""
    from everywheel.rebuild.build_store import open_build_store, share_libraries

    default = open_store()
    with open_build_store(default, fresh=fresh) as store:
        project = ensure_build_lock(provide_interpreters(project, store, options), store, offline=options.offline)
        plan = plan_targets(project, (request.target,), request.engine)
        step = next((step for step in plan.wheels.values() if step.python.label == request.python), None)
        if step is None:
            raise UsageError(
                f"the commit {request.commit} builds no wheel for {request.python} on {request.target.tag}",
                hint="the provenance must be that of a wheel of this project",
            )
        if not fresh:
            share_libraries(plan, default, store)
        if exit_code(run_plan(plan, project, store, dataclasses.replace(options, results=(step.id,)))):
            raise BuildError(
                f"the rebuild of {request.wheel} failed",
                details={"store": store.root},
                hint="the reason is above; the logs are in the store, which `everywheel store gc` removes",
            )
        yield _describe(request, project, plan, step, store)


def _describe(request: RebuildRequest, project: Project, plan: Plan, step: WheelStep, store: Store) -> Rebuild:
    from google.protobuf.json_format import MessageToDict

    from everywheel.config.pins import parse_pins
    from everywheel.provenance.build import describe_build
    from everywheel.rebuild.comparison import compare_inputs, compare_parameters
    from everywheel.toolchains.build_tools import PINS

    entry = store.find(step.key)
    if entry is None:
        raise BuildError(f"the rebuild of {request.wheel} was not stored", hint="run the command again")
    build = describe_build(project, plan, step, entry, request.engine, parse_pins(PINS.read_text()))
    stated, used = request.provenance, [MessageToDict(each.pb) for each in (build.source, *build.inputs)]
    notes = (*compare_parameters(stated.parameters, build.parameters), *compare_inputs(stated.inputs, used))
    return Rebuild(wheel=store.path(entry), sha256=hash_file(store.path(entry)), notes=notes)


COMMAND = rebuild_command
