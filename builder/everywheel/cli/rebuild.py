"""Command `rebuild`."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from everywheel.cli.backend_interpreters import provide_interpreters
from everywheel.cli.extras import require_extra
from everywheel.cli.options import (
    Selection,
    collect_options,
    jobs_option,
    offline_option,
    profile_option,
    verbose_option,
)
from everywheel.cli.output import echo
from everywheel.cli.project_source import config_option
from everywheel.cli.run_plan import exit_code, run_plan
from everywheel.cli.store_lease import open_store
from everywheel.config.project import Project
from everywheel.errors import AuditError, BuildError, UsageError, printable_line
from everywheel.execution.files import hash_file, translate_os_errors
from everywheel.execution.jobserver import default_jobs
from everywheel.execution.temporary_files import open_temporary_directory
from everywheel.pipeline import BuildOptions, plan_targets
from everywheel.planning.steps import Plan, WheelStep
from everywheel.remote.opening import RemoteOptions
from everywheel.store.local import Store
from everywheel.wheels.build_lock import ensure_build_lock, read_lock
from everywheel.wheels.requirement_resolver import LOCK

if TYPE_CHECKING:
    from everywheel.rebuild.request import RebuildRequest
    from everywheel.rebuild.statement import Comparison

_MOST_LINES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rebuild:
    """A rebuilt wheel, and the inputs and settings that differ from those of the statement."""

    wheel: Path
    sha256: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Results:
    """Where the results of a rebuild are written, and the statements of other parties."""

    keep: Path | None
    output: Path | None
    sign_key: Path | None
    verifier: str
    others: tuple[Path, ...]


_result_options = collect_options(
    "results",
    _Results,
    click.option(
        "--keep", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Copy the rebuilt wheel."
    ),
    click.option(
        "--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Write a statement about the rebuild."
    ),
    click.option(
        "--sign-key", type=click.Path(path_type=Path), metavar="FILE", help="Private key in PEM that signs it (DSSE)."
    ),
    click.option(
        "--verifier",
        default="https://slsa.dev/verification_summary/v1#unspecified",
        metavar="URI",
        help="Who controls this machine, such as a URL [default: unspecified].",
    ),
    click.option(
        "--challenge",
        "others",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Compare with the statement of another party; repeatable.",
    ),
)


@click.command("rebuild", short_help="Build a wheel again from its commit, and compare the bytes.")
@click.argument("wheel", type=click.Path(path_type=Path))
@click.option(
    "--provenance", type=click.Path(path_type=Path), metavar="FILE", help="The statement [default: next to the wheel]."
)
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
@_result_options
@jobs_option
@offline_option
@verbose_option
@click.pass_obj
def rebuild_command(
    root: Path,
    wheel: Path,
    provenance: Path | None,
    repository: str | None,
    config: Path | None,
    profiles: tuple[str, ...],
    fresh: bool,
    keys: tuple[Path, ...],
    results: _Results,
    jobs: int | None,
    offline: bool,
) -> None:
    """Build a wheel again from the commit that its provenance names, and compare every byte.

    The wheel is built in a temporary store, with the libraries of the store unless `--fresh` is given. A difference is
    explained and has exit code 5, as has a statement that does not agree. This runs the build of the commit.

    Example: everywheel rebuild dist/demo-1.0-py3-none-any.whl --output rebuild.json
    """
    with require_extra("provenance"):
        from everywheel.provenance.envelope import load_public_keys
        from everywheel.rebuild.checkout import check_out, find_repository
        from everywheel.rebuild.request import read_request
        from everywheel.rebuild.statement import compare_statement

    public = load_public_keys(keys)
    request = read_request(wheel, provenance, public)
    remote = RemoteOptions(is_disabled=True)
    options = BuildOptions(jobs=jobs or default_jobs(), engine=request.engine, offline=offline, remote=remote)
    with open_temporary_directory() as folder:
        check_out(repository or find_repository(root), request.commit, folder / "checkout")
        selection = Selection(profiles=profiles, linkage=request.linkage, config=config)
        project = _load_project(request, folder / "checkout", selection)
        with _build(request, project, options, fresh=fresh) as rebuild:
            differences = _list_differences(wheel, rebuild)
            _write_results(request, rebuild, results)
    comparisons = [compare_statement(file, request, rebuild.sha256, public) for file in results.others]
    _report(request, rebuild, differences, comparisons)


def _write_results(request: RebuildRequest, rebuild: _Rebuild, results: _Results) -> None:
    """Copy the rebuilt wheel and write the statement, if they are requested."""
    from everywheel.provenance.envelope import sign_statement
    from everywheel.rebuild.statement import make_summary

    if results.keep is not None:
        with translate_os_errors(results.keep, hint="`--keep` names another directory"):
            results.keep.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(rebuild.wheel, results.keep / rebuild.wheel.name)
    if results.output is not None:
        content = make_summary(request, rebuild.sha256, results.verifier)
        signed = content if results.sign_key is None else sign_statement(content, results.sign_key)
        with translate_os_errors(results.output.parent, hint="`--output` names another file"):
            results.output.write_bytes(signed)


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
def _build(request: RebuildRequest, project: Project, options: BuildOptions, *, fresh: bool) -> Iterator[_Rebuild]:
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


def _describe(request: RebuildRequest, project: Project, plan: Plan, step: WheelStep, store: Store) -> _Rebuild:
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
    return _Rebuild(wheel=store.path(entry), sha256=hash_file(store.path(entry)), notes=notes)


def _list_differences(wheel: Path, rebuild: _Rebuild) -> tuple[str, ...]:
    from everywheel.rebuild.comparison import compare_wheels, run_diffoscope

    differences = compare_wheels(wheel, rebuild.wheel)
    return (*differences, *run_diffoscope(wheel, rebuild.wheel)) if differences else ()


def _report(
    request: RebuildRequest, rebuild: _Rebuild, differences: Sequence[str], comparisons: Sequence[Comparison]
) -> None:
    """Print the result; raise AuditError if the bytes differ, or if a statement of another party does not agree."""
    notes = [f"input: {note}" for note in rebuild.notes]
    for comparison in comparisons:
        echo(
            printable_line(
                f"{comparison.file}: {'agrees' if comparison.agrees else 'does not agree'}: {comparison.detail}"
            )
        )
    if differences:
        lines = [*differences, *notes]
        rest = [f"… {len(lines) - _MOST_LINES} more lines"] if len(lines) > _MOST_LINES else []
        raise AuditError(
            f"{request.wheel}: the rebuild has other bytes",
            details={"wheel": f"sha256 {request.sha256}", "rebuild": f"sha256 {rebuild.sha256}"},
            excerpt=[*lines[:_MOST_LINES], *rest],
            hint="`--keep DIR` copies the rebuilt wheel; do not use a wheel whose difference you cannot explain",
        )
    echo(printable_line(f"identical: {request.wheel} (sha256 {rebuild.sha256}), from commit {request.commit}"))
    for note in notes:
        echo(printable_line(f"warning: the statement is inaccurate: {note}"), err=True)
    if wrong := [comparison.file for comparison in comparisons if not comparison.agrees]:
        raise AuditError(
            f"{request.wheel}: {len(wrong)} of {len(comparisons)} statements do not agree with the rebuild",
            excerpt=wrong,
            hint="find out on which machine the other bytes were built, and rebuild on a third one",
        )


COMMAND = rebuild_command
