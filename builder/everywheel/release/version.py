"""Version numbers: the version in the extension's pyproject.toml, the tag that must match it, and earlier releases.

The version is written in a file, not computed from git, so that wheels and archives are the same wherever they are built.
"""

from __future__ import annotations

from pathlib import Path

import tomlkit
from packaging.version import InvalidVersion, Version

from everywheel.config.project import Project
from everywheel.errors import ReleaseError, UsageError
from everywheel.release.git import run_git

ORIGIN_HINT = "check that `git remote -v` shows a reachable `origin`: the tags of earlier releases are read from there"


def check_version(text: str, project: Project) -> str:
    """Return a version in its normal form (PEP 440).

    Raises UsageError when it is not a version or cannot be released, and ReleaseError when a tag has it or a newer one.
    """
    try:
        version = Version(text)
    except InvalidVersion:
        raise UsageError(
            f"'{text}' is not a version", hint="PEP 440 describes versions, such as 1.2.0 or 1.2.0rc1"
        ) from None
    if version.local or version.is_devrelease:
        raise UsageError(
            f"'{text}' cannot be released: it is a local or a development version",
            hint="use a version such as 1.2.0 or 1.2.0rc1",
        )
    for tag in list_tags(project.root):
        try:
            released = Version(tag[1:])
        except InvalidVersion:
            continue
        if released >= version:
            raise ReleaseError(
                f"{version} is not newer than the released {released}",
                details={"tag": tag},
                hint="version numbers cannot be reused: choose the next one",
            )
    return str(version)


def list_tags(project_root: Path) -> list[str]:
    """Return the version tags of the repository and, if there is one, of `origin`, which may have more."""
    tags = run_git(project_root, "tag", "--list", "v*").split()
    if "origin" in run_git(project_root, "remote").split():
        listed = run_git(project_root, "ls-remote", "--tags", "--refs", "origin", "v*", hint=ORIGIN_HINT)
        tags += [name.removeprefix("refs/tags/") for name in listed.split()[1::2]]
    return list(dict.fromkeys(tags))


def check_tag(tag: str, project: Project) -> None:
    """Raise ReleaseError when a tag does not match the version of the extension."""
    if not tag.startswith("v") or _normalize(tag[1:]) != project.version:
        raise ReleaseError(
            f"the tag is {tag}, but the extension is version {project.version}",
            details={"file": project.extension / "pyproject.toml"},
            hint="`everywheel release tag` creates the tag with its commit; remove this one: "
            f"git push --delete origin {tag}",
        )


def _normalize(text: str) -> str:
    """Return a version in its normal form (PEP 440), or any other text unchanged."""
    try:
        return str(Version(text))
    except InvalidVersion:
        return text


def read_version(text: str) -> str:
    """Return the version in the text of a pyproject.toml, or an empty string if it has none."""
    return str(tomlkit.parse(text).get("project", {}).get("version", ""))


def replace_version(text: str, version: str) -> str:
    """Return the text of a pyproject.toml with its version replaced; a file without a version is unchanged."""
    document = tomlkit.parse(text)
    if "version" in document.get("project", {}):
        document["project"]["version"] = version
    return tomlkit.dumps(document)
