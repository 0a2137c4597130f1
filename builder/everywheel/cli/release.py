"""Command group `release`: the files of a release and the package index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from everywheel.cli.index_object import index_object_command
from everywheel.cli.matrix import list_jobs, load_released_project
from everywheel.cli.options import verbose_option
from everywheel.cli.output import echo
from everywheel.cli.release_git import abort_command, changelog_option, prepare_command, record_command, tag_command
from everywheel.cli.smoke import SmokeOptions, run_options, select_wheels, smoke_wheels
from everywheel.cli.store_lease import open_store
from everywheel.config.project import Project
from everywheel.errors import count_noun, find_page
from everywheel.release.completeness import check_files
from everywheel.release.matrix import RELEASED_ENGINES, find_job
from everywheel.toolchains.compilers import EngineName

folder_argument = click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("dist"))
repository_url_option = click.option(
    "--repository-url",
    default="",
    metavar="URL",
    envvar="EVERYWHEEL_REPOSITORY_URL",
    show_envvar=True,
    help="Upload URL of the index [default: PyPI's].",
)
index_url_option = click.option(
    "--index-url",
    default="",
    metavar="URL",
    envvar="EVERYWHEEL_INDEX_URL",
    show_envvar=True,
    help="URL of the index's simple API [default: PyPI's].",
)


@click.group(
    "release",
    short_help="Prepare, check, rehearse and upload a release.",
    epilog=f"{find_page('release.md')} describes the whole process.",
)
def release_group() -> None:
    """Release the project.

    Example: everywheel release check wheelhouse --output-dir dist
    """


for command in (prepare_command, record_command, tag_command, abort_command, index_object_command):
    release_group.add_command(command)


@release_group.command(
    "build-job", short_help="Build one job of `everywheel matrix`.", context_settings={"ignore_unknown_options": True}
)
@click.argument("name")
@click.argument("build_args", nargs=-1, type=click.UNPROCESSED, metavar="[BUILD OPTION]...")
@click.option(
    "--output-dir",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("jobs"),
    show_default=True,
    metavar="DIR",
    help="Copy the files to DIR/NAME.",
)
@click.option(
    "--builder",
    metavar="URI",
    help="Also write the provenance of the wheels, built by URI, such as that of a workflow.",
)
@click.pass_context
def build_job_command(
    ctx: click.Context, name: str, build_args: tuple[str, ...], output_dir: Path, builder: str | None
) -> None:
    """Build one job of `everywheel matrix` and collect its files.

    Further arguments are passed to `everywheel build`, or to `everywheel sdist` for the job `sdist`.

    Example: everywheel release build-job zig-musllinux_1_2_x86_64
    """
    from everywheel.cli.build import build_command, choose_wheelhouse
    from everywheel.cli.provenance import provenance_command
    from everywheel.cli.sdist import sdist_command
    from everywheel.release.completeness import copy_job_files

    project = load_released_project(ctx.obj)
    job = find_job(list_jobs(project, every_target=True), name)
    if job.engine == "sdist":
        command, args, folder = sdist_command, [*build_args], project.wheelhouse
    else:
        command, args = build_command, ["--engine", str(job.engine), "--target", job.target, *build_args]
        folder = choose_wheelhouse(project, EngineName(job.engine))
    # Not ctx.invoke: the arguments are text, as a user types them after `everywheel build`.
    code = command.main(args, prog_name=command.name, parent=ctx, standalone_mode=False)
    if code:
        ctx.exit(code)
    copy_job_files(job, folder, output_dir)
    if builder and job.engine is EngineName.ZIG:
        args = ["--target", job.target, "--builder", builder, "--output-dir", str(output_dir / job.name)]
        provenance_command.main(args, prog_name=provenance_command.name, parent=ctx, standalone_mode=False)


@release_group.command("check", short_help="Check that exactly the files of a release exist.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True), default=Path("wheelhouse"))
@click.option(
    "--layout",
    type=click.Choice(["all", "released"]),
    help="FOLDER has one subfolder for each job of `everywheel matrix`, or for each released job.",
)
@click.option("--tag", metavar="TAG", help="The tag of the release, which must match the version of the extension.")
@changelog_option
@click.option(
    "--output-dir",
    "-o",
    type=click.Path(path_type=Path),
    help="Copy the release to this directory, and write SHA256SUMS next to it.",
)
@click.option(
    "--include",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="List another file in SHA256SUMS; repeatable.",
)
@click.pass_obj
def check_command(
    root: Path,
    folder: Path,
    layout: str | None,
    tag: str | None,
    configs: tuple[Path, ...],
    output_dir: Path | None,
    include: tuple[Path, ...],
) -> None:
    """Check that a folder (default: wheelhouse) has exactly the planned files of the release, and audit the wheels.

    With `--layout all` the wheels of the second build are audited too, and compared with the released ones: they must
    have the same files, exported symbols and Python tags. A wheel that grew by more than 5 % since the last release needs
    a changelog fragment of the type `size`. With `--tag`, the files must be those that the release has recorded.

    Example: everywheel release check wheelhouse --output-dir dist
    """
    from everywheel.release.completeness import (
        check_jobs,
        check_output_dir,
        check_second_build,
        copy_release_files,
        write_sums,
    )
    from everywheel.release.records import SUMS
    from everywheel.release.version import check_tag

    project = load_released_project(root)
    if tag is not None:
        check_tag(tag, project)
    if output_dir is not None:
        check_output_dir(output_dir, [folder, *include], project.name)
    if layout is None:
        files = check_files(project, folder, strictly=output_dir is None)
    else:
        jobs = [job for job in list_jobs(project) if layout == "all" or job.engine in RELEASED_ENGINES]
        files = check_jobs(jobs, folder)
        if layout == "all":
            echo(f"{check_second_build(jobs, folder)} wheels of the second build agree with those of the first")
    _check_history(project, files, configs, is_tagged=tag is not None)
    if output_dir is not None:
        check_output_dir(output_dir, files, project.name)
        files = copy_release_files(files, output_dir)
        write_sums((*files, *include), output_dir.absolute().with_name(SUMS))
    echo(f"{count_noun(len(files), 'file')} of {project.name} {project.version}, as planned")


def _check_history(project: Project, files: Sequence[Path], configs: Sequence[Path], *, is_tagged: bool) -> None:
    """Compare files with the records of releases: the sizes with the last one, and all hashes with that of a tag."""
    from everywheel.release.records import check_record, find_last_record, load_record
    from everywheel.release.size_gate import check_sizes

    if (last := find_last_record(project.root, project.version)) is not None:
        check_sizes(files, last, project.root, configs)
    if is_tagged and (own := load_record(project.root, project.version)) is not None:
        check_record(files, own)


@release_group.command("rehearse", short_help="Upload to a temporary index, and test from there.")
@folder_argument
@run_options
@click.pass_obj
def rehearse_command(root: Path, folder: Path, options: SmokeOptions) -> None:
    """Upload the release to a temporary index on this machine, and install it from there in smoke tests.

    The upload runs twice: the second time it must skip every file.

    Example: everywheel release rehearse dist --image debian-12
    """
    from dataclasses import replace

    from everywheel.release.rehearsal import check_uploads, serve_index

    project = load_released_project(root)
    files = check_files(project, folder)
    with serve_index(open_store(), offline=options.offline) as index:
        check_uploads(files, index, project.name, echo)
        wheels = tuple(file for file in files if file.suffix == ".whl")
        options = replace(options, index_url=index.simple)
        selection = select_wheels(root, project, wheels, options)
        selection.check()
        smoke_wheels(selection, options, require_run=True)


@release_group.command("upload", short_help="Upload the files that are missing on an index.")
@folder_argument
@repository_url_option
@index_url_option
@verbose_option
@click.pass_obj
def upload_command(root: Path, folder: Path, repository_url: str, index_url: str) -> None:
    """Upload the files that are missing on an index, the source distribution last. Run it again to resume an upload.

    twine reads the credentials from TWINE_USERNAME and TWINE_PASSWORD, or from ~/.pypirc.

    Example: everywheel release upload dist
    """
    from everywheel.release.index import find_index, upload

    project = load_released_project(root)
    files = check_files(project, folder)
    status = upload(files, find_index(repository_url, index_url), project.name, echo)
    echo(f"{count_noun(len(status.missing), 'file')} uploaded, {len(status.present)} already present")


@release_group.command("compare", short_help="Compare the files with those on an index.")
@folder_argument
@index_url_option
@click.option("--complete", is_flag=True, help="Fail when a file is missing on the index.")
@click.option(
    "--wait",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Repeat the query for this many seconds: an index may list a file minutes after its upload.",
)
@click.pass_obj
def compare_command(root: Path, folder: Path, index_url: str, complete: bool, wait: int) -> None:
    """Compare the files of the release with those on an index; fail when a file on the index has another hash.

    Example: everywheel release compare dist --complete
    """
    from everywheel.release.index import check_complete, find_index, wait_until_listed

    project = load_released_project(root)
    files, index = check_files(project, folder), find_index(simple=index_url)
    status = wait_until_listed(files, index, project.name, wait)
    for file in status.present:
        echo(f"present: {file.name}")
    for file in status.missing:
        echo(f"missing: {file.name}")
    if complete:
        check_complete(status)


COMMAND = release_group
