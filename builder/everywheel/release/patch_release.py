"""Patch releases: the last release with updated pins of its libraries, and no other change of the extension.

Such a release is numbered as a post-release (PEP 440): 1.2.0.post1 after 1.2.0.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from everywheel.config.project import Project, load_project
from everywheel.config.recipe import Recipe
from everywheel.errors import ReleaseError
from everywheel.release.changelog import Changelog
from everywheel.release.git import find_repository_root, run_git
from everywheel.release.version import list_tags

_MOST_FILES = 12  # in an error
_SECURITY_TYPES = ("security", "fixed", "fix", "bugfix")
_OTHER_TYPES = ("changed", "fixed", "fix", "bugfix", "misc")


@dataclass(frozen=True, slots=True, kw_only=True)
class PinChange:
    """A library with other pins than in the last release, and the vulnerabilities that only the new patches name."""

    name: str
    version: str
    old_version: str
    fixes: tuple[str, ...]

    def describe(self) -> str:
        """Return a sentence or two for a changelog."""
        if self.version != self.old_version:
            text = f"{self.name} {self.version} instead of {self.old_version}."
        else:
            text = f"{self.name} {self.version} with other patches."
        return f"{text} It fixes {', '.join(self.fixes)}." if self.fixes else text


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchRelease:
    """A patch release: its version, and the libraries whose pins changed since the tag of the last release."""

    version: str
    changes: tuple[PinChange, ...]

    def make_fragments(self, changelogs: Sequence[Changelog]) -> dict[Path, str]:
        """Return the fragments that describe the changes in each of the changelogs, by their paths."""
        fragments = {}
        for changelog in changelogs:
            for change in self.changes:
                wanted = _SECURITY_TYPES if change.fixes else _OTHER_TYPES
                kind = next((each for each in wanted if each in changelog.types), changelog.types[0])
                fragments[changelog.folder / f"+{change.name}.{kind}.md"] = f"{change.describe()}\n"
        return fragments


def plan_patch_release(project: Project) -> PatchRelease:
    """Return the next patch release of a project.

    Raises ReleaseError when there is no release, when no pin of a library changed since the last one, and when the extension
    itself changed.
    """
    tag, last = _find_last_release(project.root)
    _check_extension(project, tag)
    changes = tuple(_list_changes(_load_recipes(project, tag), list(project.recipes.values())))
    if not changes:
        raise ReleaseError(
            f"no pin of a library of {project.name} changed since {tag}",
            hint="`everywheel recipes update` pins what the distribution has now; commit its changes first",
        )
    number = 0 if last.post is None else last.post
    return PatchRelease(version=f"{last.base_version}.post{number + 1}", changes=changes)


def _find_last_release(root: Path) -> tuple[str, Version]:
    """Return tag and version of the newest release that is not a pre-release."""
    versions = []
    for tag in list_tags(root):
        try:
            version = Version(tag[1:])
        except InvalidVersion:
            continue
        if not version.is_prerelease:
            versions.append((version, tag))
    if not versions:
        raise ReleaseError("there is no release to patch", hint="`nox -s release -- 1.0.0` makes the first one")
    version, tag = max(versions)
    return tag, version


def _check_extension(project: Project, tag: str) -> None:
    """Raise ReleaseError when the extension has other files than at the tag."""
    folder = project.extension.resolve().relative_to(find_repository_root(project.root).resolve()).as_posix()
    changed = run_git(project.root, "diff", "--name-only", tag, "--", f"{project.extension}").splitlines()
    if changed:
        raise ReleaseError(
            f"{folder} changed since {tag}: this is not a patch release",
            excerpt=changed[:_MOST_FILES],
            hint=f"release a new version; or `git switch --create patch {tag}`, and update the recipes on that branch",
        )


def _load_recipes(project: Project, tag: str) -> dict[str, Recipe]:
    """Return the recipes of the project at a tag."""
    top = find_repository_root(project.root)
    inside = project.root.resolve().relative_to(top.resolve())
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "release"
        run_git(top, "clone", "--quiet", "--branch", tag, "--", str(top), str(clone))
        return dict(load_project(clone / inside).recipes)


def _list_changes(old: dict[str, Recipe], recipes: Sequence[Recipe]) -> Iterator[PinChange]:
    """Yield the recipes with another source, or other patches; a recipe that is new is not a change of a pin."""
    for recipe in sorted(recipes, key=lambda recipe: recipe.name):
        before = old.get(recipe.name)
        if before is None or _list_pins(before) == _list_pins(recipe):
            continue
        known = {fix for patch in before.source.patches for fix in patch.fixes}
        fixes = {fix for patch in recipe.source.patches for fix in patch.fixes} - known
        yield PinChange(
            name=recipe.name, version=recipe.version, old_version=before.version, fixes=tuple(sorted(fixes))
        )


def _list_pins(recipe: Recipe) -> tuple[str, ...]:
    return (recipe.version, recipe.source.sha256, *(patch.sha256 for patch in recipe.source.patches))
