"""Commands `release prepare`, `release tag` and `release abort`: the commit and the tag of a release."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click

from everywheel.cli.options import verbose_option
from everywheel.cli.output import echo
from everywheel.errors import EverywheelError, UsageError, count_noun
from everywheel.recognition.project_loader import load_project

changelog_option = click.option(
    "--changelog",
    "configs",
    multiple=True,
    type=click.Path(path_type=Path),
    default=[Path("pyproject.toml")],
    show_default=True,
    help="A file in the project with [tool.towncrier]; repeatable.",
)


@click.command("prepare", short_help="Write a new version into the project.")
@click.argument("version", required=False)
@changelog_option
@click.option("--patch", is_flag=True, help="The last release with updated pins: number and describe it as such.")
@click.option("--dry-run", is_flag=True, help="Write nothing, and print every error as a warning; VERSION is optional.")
@verbose_option
@click.pass_obj
def prepare_command(root: Path, version: str | None, configs: tuple[Path, ...], patch: bool, dry_run: bool) -> None:
    """Write a new version into the project, if the working tree is clean and the changelog has a fragment.

    With `--patch`, the version is the next post-release of the last release, such as 1.2.0.post1. Only pins of libraries may
    have changed since then; a changelog without fragments gets one for each library. A record in the .git directory lists
    the files that this command and towncrier change, for `tag` and `abort`.

    Example: everywheel release prepare 1.2.0
    """
    from everywheel.release.changelog import check_fragments, list_fragments, load_changelog
    from everywheel.release.patch_release import plan_patch_release
    from everywheel.release.preconditions import check_clone, check_identity, check_upstream, check_working_tree
    from everywheel.release.transaction import check_not_prepared, prepare
    from everywheel.release.version import check_version

    if version is None and not dry_run and not patch:
        raise UsageError("the version is missing", hint="everywheel release prepare 1.2.0")
    if version is not None and patch:
        raise UsageError("--patch numbers the release", hint="everywheel release prepare --patch")
    project = load_project(root)
    changelogs = [load_changelog(project.root, config) for config in configs]
    empty = [changelog for changelog in changelogs if patch and not list_fragments(changelog)]
    checks: list[Callable[[], object]] = [
        lambda: check_clone(project.root),
        lambda: check_not_prepared(project.root),
        lambda: check_working_tree(project.root),
        lambda: check_fragments([each for each in changelogs if each not in empty], project.root),
        lambda: check_identity(project.root),
        lambda: check_upstream(project.root),
    ]
    if dry_run:
        planned = [lambda: plan_patch_release(project)] if patch else []
        _print_warnings([*checks, *planned, *([lambda: check_version(version, project)] if version else [])])
        return
    for check in checks:
        check()
    release = plan_patch_release(project) if patch else None
    checked = check_version(release.version if release else str(version), project)
    files = (project.extension / "pyproject.toml", project.root / "pyproject.toml")
    prepare(project.root, checked, files, changelogs, release.make_fragments(empty) if release else {})
    for change in release.changes if release else ():
        echo(f"- {change.describe()}")
    echo(f"the version of {project.name} is now {checked}")


def _print_warnings(checks: Iterable[Callable[[], object]]) -> None:
    errors = 0
    for check in checks:
        try:
            check()
        except EverywheelError as error:
            errors += 1
            echo(error.render().replace("error:", "warning:", 1), err=True)
    echo(f"a release cannot be prepared: {count_noun(errors, 'problem')}" if errors else "a release can be prepared")


@click.command("record", short_help="Record the files of a prepared release.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("dist"))
@click.pass_obj
def record_command(root: Path, folder: Path) -> None:
    """Write the hashes and sizes of the release's files to releases/VERSION/SHA256SUMS, which `tag` commits.

    `release check` compares the sizes of the next release with them, and the files of a tag with their hashes.

    Example: everywheel release record dist
    """
    from everywheel.cli.matrix import load_released_project
    from everywheel.release.completeness import check_files
    from everywheel.release.records import write_record
    from everywheel.release.transaction import check_prepared

    project = load_released_project(root)
    check_prepared(project.root, project.version)
    files = check_files(project, folder)
    path = write_record(project.root, project.version, files)
    echo(f"wrote {path}: {count_noun(len(files), 'file')}")


@click.command("tag", short_help="Commit and tag a prepared release.")
@verbose_option
@click.pass_obj
def tag_command(root: Path) -> None:
    """Commit the files that the release changed, and no others, and tag the commit with the version.

    Example: everywheel release tag
    """
    from everywheel.release.transaction import commit_and_tag

    project = load_project(root)
    commit_and_tag(project.root, project.version)
    echo(f"tagged v{project.version}; `git push --atomic origin HEAD v{project.version}` publishes the release")


@click.command("abort", short_help="Undo a prepared release.")
@verbose_option
@click.pass_obj
def abort_command(root: Path) -> None:
    """Undo the changes of a release that was prepared and not tagged; other changes are kept.

    Example: everywheel release abort
    """
    from everywheel.release.transaction import abort

    version, others = abort(root.absolute())
    echo(f"release {version} is aborted")
    for path in others:
        echo(f"not changed: {path}")
