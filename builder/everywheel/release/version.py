"""Versions: a release's number is in the extension's pyproject.toml, its tag says the same, and nobody had it before.

The number stands in a file so that wheels and archives are the same wherever they are built, with or without git.
"""

from __future__ import annotations

from pathlib import Path

import tomlkit
from packaging.version import InvalidVersion, Version

from everywheel.config.project import Project
from everywheel.errors import ReleaseError, UsageError
from everywheel.release.git import run_git

PUSHED = "a release needs to know what was pushed: is `origin` right (`git remote -v`), and does it answer?"


def check_version(text: str, project: Project) -> str:
    """Return the version in its normal form; raise UsageError when it is none, ReleaseError when it is not a new one."""
    try:
        version = Version(text)
    except InvalidVersion:
        raise UsageError(f"'{text}' is no version", hint="write it as PEP 440 does: 1.2.0 or 1.2.0rc1") from None
    if version.local or version.is_devrelease:
        raise UsageError(
            f"'{text}' cannot be released: an index takes no local and nobody expects a development version",
            hint="write it as 1.2.0 or 1.2.0rc1",
        )
    for tag in _list_tags(project.root):
        try:
            known = Version(tag[1:])
        except InvalidVersion:
            continue
        if known >= version:
            raise ReleaseError(
                f"{version} is not newer than the released {known}",
                details={"tag": tag},
                hint="a version is given once: take the next one",
            )
    return str(version)


def _list_tags(root: Path) -> list[str]:
    """Return the tags of versions here and, as somebody else may have pushed one, in `origin` where there is one."""
    tags = run_git(root, "tag", "--list", "v*").split()
    if "origin" in run_git(root, "remote").split():
        listed = run_git(root, "ls-remote", "--tags", "--refs", "origin", "v*", hint=PUSHED).split()[1::2]
        tags += [name.removeprefix("refs/tags/") for name in listed]
    return list(dict.fromkeys(tags))


def check_tag(tag: str, project: Project) -> None:
    """Raise ReleaseError when a tag says another version than the extension does."""
    if tag != f"v{project.version}":
        raise ReleaseError(
            f"the tag is {tag}, but the extension is version {project.version}",
            details={"file": project.extension / "pyproject.toml"},
            hint=f"a tag is made with its commit by `everywheel release tag`; remove it: git push --delete origin {tag}",
        )


def read_version(text: str) -> str:
    """Return the version in the text of a pyproject.toml; empty in one that has only a table there."""
    return str(tomlkit.parse(text).get("project", {}).get("version", ""))


def put_version(text: str, version: str) -> str:
    """Return the text of a pyproject.toml with a version in the place of the one that it has; all else stays."""
    document = tomlkit.parse(text)
    if "version" in document.get("project", {}):
        document["project"]["version"] = version
    return tomlkit.dumps(document)
