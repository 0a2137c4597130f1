"""Copies of a checkout: git reports the same version in them as in the checkout, and changes only of the extension's files."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.config.project import Project, load_project
from everywheel.wheels.git_checkout import copy_checkout, find_checkout

ROOT = Path(__file__).parents[2]


def git(folder: Path, *args: str) -> str:
    author = ["-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false"]
    command = ["git", *author, *args]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def describe(folder: Path) -> str:
    return git(folder, "describe", "--tags", "--long", "--dirty")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project in a subfolder of a repository, whose version only the backend knows."""
    root = tmp_path / "repository"
    extension = root / "python"
    extension.mkdir(parents=True)
    (extension / "code.c").write_text("int x;\n")
    (extension / "setup.py").write_text("")
    (extension / "link.txt").symlink_to("../other.txt")
    (root / "other.txt").write_text("text\n")
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", "first")
    git(root, "tag", "v1.0")
    return replace(load_project(ROOT), extension=extension, has_metadata=False)


def copy(project: Project, folder: Path) -> Path:
    checkout = find_checkout(project)
    assert checkout is not None
    return copy_checkout(replace(project, revision=checkout.revision), folder, "demo")


def test_a_copy_has_the_version_of_the_checkout(project: Project, tmp_path: Path) -> None:
    source = copy(project, tmp_path / "copy")

    assert source == tmp_path / "copy" / "python"
    assert (source / "link.txt").read_text() == "text\n"
    assert describe(source) == describe(project.extension)
    assert describe(source).startswith("v1.0-0-g")


def test_a_changed_file_counts_if_it_is_part_of_the_extension(project: Project, tmp_path: Path) -> None:
    (project.extension.parent / "other.txt").write_text("changed\n")
    assert not describe(copy(project, tmp_path / "first")).endswith("-dirty")

    (project.extension / "code.c").write_text("int y;\n")
    assert describe(copy(project, tmp_path / "second")).endswith("-dirty")


def test_a_commit_and_a_tag_change_the_revision_and_a_copy_does_not(project: Project, tmp_path: Path) -> None:
    def revision() -> str:
        checkout = find_checkout(project)
        assert checkout is not None
        return checkout.revision

    revisions = [revision()]
    copy(project, tmp_path / "copy")
    assert revision() == revisions[0]
    git(project.extension, "commit", "--quiet", "--allow-empty", "-m", "second")
    revisions.append(revision())
    git(project.extension, "tag", "v1.1")
    revisions.append(revision())

    assert len(set(revisions)) == 3


def test_an_sdist_and_a_project_with_a_static_version_have_no_revision(project: Project) -> None:
    assert find_checkout(replace(project, has_metadata=True)) is None
    (project.extension / "meson.build").write_text("vcs_tag(input: 'a.in', output: 'a')\n")
    assert find_checkout(replace(project, has_metadata=True)) is not None
    (project.extension / "PKG-INFO").write_text("")
    assert find_checkout(project) is None
