"""The wheel of `rebuild` with its provenance: a file, or a release of the package index or of a folder or URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from everywheel.cli.options import collect_options
from everywheel.config.project import load_project
from everywheel.errors import UsageError
from everywheel.toolchains.pip_settings import list_indexes


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the wheel and its provenance are: `location` is a folder or URL with the files of a release."""

    pattern: str = ""
    location: str = ""
    provenance: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A wheel, and the file with its provenance if it is not next to it; `tag` is the tag of its release, if one is named."""

    wheel: Path
    statement: Path | None
    tag: str = ""


origin_options = collect_options(
    "origin",
    Origin,
    click.option(
        "--wheel",
        "pattern",
        default="",
        metavar="GLOB",
        help="Wheel of NAME==VERSION or a tag [default: the one that pip would install].",
    ),
    click.option(
        "--from",
        "location",
        default="",
        metavar="DIR|URL",
        help="Files of the release, instead of those of the package index.",
    ),
    click.option("--provenance", metavar="FILE|URL", help="The statement [default: next to the wheel]."),
)


def find_subject(root: Path, text: str, origin: Origin, folder: Path) -> Subject:
    """Return the wheel that an argument names; one of a release is downloaded into a folder.

    Raises UsageError and SourceError when it is not available.
    """
    from everywheel.rebuild.released import Release, fetch_release, fetch_statement, find_tag_version, is_url
    from everywheel.sources.index_wheel import find_index_name

    wheel, statement, tag = Path(text), origin.provenance, ""
    named = None if wheel.exists() else find_index_name(text)
    if not wheel.exists() and named is None and (version := find_tag_version(text)) is not None:
        tag, named = text, (load_project(root).name, version)
    if named is not None:
        name, version = named
        release = Release(name=name, version=version, pattern=origin.pattern, location=origin.location)
        wheel = fetch_release(release, _list_indexes, folder, with_statement=statement is None)
    elif origin.pattern or origin.location:
        option = "--wheel" if origin.pattern else "--from"
        raise UsageError(
            f"{option} is for a release, but {text} names none", hint="name it as NAME==VERSION, or by its tag: v1.2.0"
        )
    if statement is None:
        return Subject(wheel=wheel, statement=None, tag=tag)
    if not is_url(statement):
        return Subject(wheel=wheel, statement=Path(statement), tag=tag)
    return Subject(wheel=wheel, statement=fetch_statement(statement, folder / wheel.name), tag=tag)


def _list_indexes() -> Sequence[str]:
    return list_indexes("download")


def check_tag_commit(subject: Subject, repository: str, commit: str) -> None:
    """Raise UsageError when the commit of the provenance is not that of the tag by which the release was named."""
    from everywheel.rebuild.checkout import find_tag_commit

    if not subject.tag:
        return
    tagged = find_tag_commit(repository, subject.tag)
    if tagged != commit:
        raise UsageError(
            f"the provenance of {subject.wheel.name} names another commit than the tag {subject.tag}",
            details={"tag": tagged, "provenance": commit, "repository": repository},
            hint="the tag was moved, or the wheel was not built from it: find out which before you use the wheel",
        )
