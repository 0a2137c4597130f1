"""Versions, and preparing, tagging and aborting a release, in a real repository with a remote."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from everywheel.cli.main import main
from everywheel.config.project import Project, load_project
from everywheel.errors import EverywheelError, MachineError, ReleaseError, UsageError
from everywheel.release.changelog import check_fragments, load_changelog
from everywheel.release.preconditions import check_clone, check_identity, check_working_tree
from everywheel.release.version import check_tag, check_version, read_version, replace_version
from towncrier._settings.load import load_config_from_file
from towncrier._shell import cli as towncrier

ROOT = Path(__file__).parents[2]
PROJECT = load_project(ROOT)


def lines_of(error: pytest.ExceptionInfo[EverywheelError]) -> list[str]:
    return error.value.render().splitlines()


def git(root: Path, *line: str) -> str:
    return subprocess.run(["git", *line], cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project in its own repository, with version 1.0 released."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "tester")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "tester@localhost")
    (tmp_path / "pyproject.toml").write_text('# comment\n[project]\nname = "x"\nversion = "1.0"\n')
    for line in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"], ["tag", "v1.0"], ["tag", "vnext"]):
        subprocess.run(["git", *line], cwd=tmp_path, check=True)
    return replace(PROJECT, root=tmp_path, extension=tmp_path, version="1.0")


def test_a_version_that_is_not_newer_is_refused(repository: Project) -> None:
    with pytest.raises(ReleaseError) as error:
        check_version("1.0.0", repository)

    assert lines_of(error) == [
        "error: 1.0.0 is not newer than the released 1.0",
        "  tag: v1.0",
        "  hint: version numbers cannot be reused: choose the next one",
    ]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("one", ["error: 'one' is not a version", "  hint: PEP 440 describes versions, such as 1.2.0 or 1.2.0rc1"]),
        (
            "1.2+here",
            [
                "error: '1.2+here' cannot be released: it is a local or a development version",
                "  hint: use a version such as 1.2.0 or 1.2.0rc1",
            ],
        ),
    ],
)
def test_a_version_that_cannot_be_released_is_refused(repository: Project, version: str, expected: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        check_version(version, repository)

    assert lines_of(error) == expected


def test_a_tag_of_another_version_is_refused() -> None:
    with pytest.raises(ReleaseError) as error:
        check_tag("v7.0", replace(PROJECT, version="1.0"))

    assert lines_of(error) == [
        "error: the tag is v7.0, but the extension is version 1.0",
        f"  file: {ROOT / 'extension' / 'pyproject.toml'}",
        "  hint: `everywheel release tag` creates the tag with its commit; remove this one: git push --delete origin v7.0",
    ]


def test_a_tag_that_only_origin_has_counts_as_released(
    repository: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    origin = tmp_path_factory.mktemp("origin")
    git(origin, "init", "-q", "--bare")
    git(repository.root, "remote", "add", "origin", str(origin))
    git(repository.root, "tag", "v1.3")
    git(repository.root, "push", "-q", "origin", "v1.3")
    git(repository.root, "tag", "--delete", "v1.3")

    with pytest.raises(ReleaseError) as error:
        check_version("1.2", repository)

    assert error.value.fact == "1.2 is not newer than the released 1.3"
    assert check_version("1.4", repository) == "1.4"


def test_an_unreachable_origin_is_reported(repository: Project) -> None:
    git(repository.root, "remote", "add", "origin", "/missing")

    with pytest.raises(ReleaseError) as error:
        check_version("1.2", repository)

    assert lines_of(error) == [
        "error: git ls-remote failed",
        "  | fatal: '/missing' does not appear to be a git repository",
        "  | fatal: Could not read from remote repository.",
        "  |",
        "  | Please make sure you have the correct access rights",
        "  | and the repository exists.",
        "  hint: check that `git remote -v` shows a reachable `origin`: the tags of earlier releases are read from there",
    ]


def test_a_shallow_clone_is_refused(repository: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    clone = tmp_path_factory.mktemp("clone")
    git(repository.root, "commit", "--allow-empty", "-qm", "two")
    git(clone, "clone", "-q", "--depth", "1", f"file://{repository.root}", ".")

    with pytest.raises(ReleaseError) as error:
        check_clone(clone)

    assert lines_of(error) == [
        "error: the clone is shallow: the released versions are unknown",
        f"  directory: {clone}",
        "  hint: git fetch --unshallow --tags",
    ]


def test_a_detached_head_is_refused(repository: Project) -> None:
    check_clone(repository.root)
    git(repository.root, "checkout", "-q", "--detach")

    with pytest.raises(ReleaseError) as error:
        check_clone(repository.root)

    assert lines_of(error) == [
        "error: HEAD is detached: a release commit would be on no branch",
        f"  directory: {repository.root}",
        "  hint: git switch main, or the branch that is released",
    ]


@pytest.mark.parametrize(
    ("text", "version"),
    [("v1.2.0", "1.2.0"), ("1.0.post1", "1.0.post1"), ("1!0.1", "1!0.1"), ("1.1-RC.1", "1.1rc1")],
)
def test_a_version_is_normalized(repository: Project, text: str, version: str) -> None:
    assert check_version(text, repository) == version


@pytest.mark.parametrize("version", ["1.0rc1", "1.0", "0.9.post9"])
def test_an_older_version_is_refused_in_any_spelling(repository: Project, version: str) -> None:
    with pytest.raises(ReleaseError, match="is not newer than the released"):
        check_version(version, repository)


def test_a_machine_without_git_is_reported(repository: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(MachineError) as error:
        check_working_tree(repository.root)

    assert lines_of(error) == [
        "error: git is not installed",
        "  hint: `everywheel doctor` shows the command that installs it",
    ]


def test_only_the_version_of_the_project_table_is_replaced() -> None:
    before = '# comment\r\n[project]\r\nname = "x"\r\nversion = "1.0" # now\r\n'

    assert replace_version(before, "1.1") == before.replace("1.0", "1.1")
    assert (read_version(before), read_version('[tool.x]\nversion = "2"\n')) == ("1.0", "")
    assert replace_version('[tool.x]\nversion = "2"\n', "1.1") == '[tool.x]\nversion = "2"\n'


def test_a_missing_git_identity_is_reported_before_the_build(
    repository: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_identity(repository.root)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME")
        monkeypatch.delenv(f"GIT_{role}_EMAIL")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    git(repository.root, "config", "user.useConfigOnly", "true")

    with pytest.raises(ReleaseError) as error:
        check_identity(repository.root)

    assert lines_of(error) == [
        "error: git has no author or committer identity",
        f"  directory: {repository.root}",
        '  hint: git config user.name "…" && git config user.email "…"',
    ]


TOWNCRIER = """
[tool.towncrier]
directory = "changes"
filename = "CHANGELOG.md"
start_string = "<!-- released -->\\n"
type = [
    { directory = "feature", name = "Added", showcontent = true },
    { directory = "fix", name = "Fixed", showcontent = true },
]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of a bare origin: a project with version 1.0 released, and a changelog fragment for the next version."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "tester")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "tester@localhost")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    git(tmp_path, "init", "-q", "--bare", "--initial-branch=main", "origin")
    git(tmp_path, "clone", "-q", "origin", "project")
    root = tmp_path / "project"
    shutil.copytree(ROOT / "tests" / "failing" / "base", root, dirs_exist_ok=True)
    with (root / "pyproject.toml").open("a") as file:
        file.write(TOWNCRIER)
    (root / "CHANGELOG.md").write_text("# Changes\n\n<!-- released -->\n")
    (root / "README.md").write_text("A fixture.\n")
    (root / "changes").mkdir()
    (root / "changes" / "+doors.feature.md").write_text("It opens doors.\n")
    for line in (
        ["checkout", "-qb", "main"],
        ["add", "-A"],
        ["commit", "-qm", "one"],
        ["tag", "v1.0"],
        ["push", "-q", "--set-upstream", "origin", "main", "v1.0"],
    ):
        git(root, *line)
    return root


def run_release(root: Path, *line: str) -> tuple[int, str]:
    """Run a subcommand of `everywheel release`; return its exit code and output."""
    result = CliRunner().invoke(main, ["--project", str(root), "release", *line])
    return result.exit_code, result.output


def write_changelog(root: Path, version: str) -> None:
    """Run towncrier, as `nox -s release` does between `prepare` and `tag`."""
    line = ["build", "--yes", "--version", version, "--dir", ".", "--config", "pyproject.toml"]
    with contextlib.chdir(root):
        result = CliRunner().invoke(towncrier, line)
    assert result.exit_code == 0, result.output


def changes(root: Path) -> list[str]:
    return git(root, "status", "--porcelain", "--untracked-files=all").splitlines()


def test_a_release_is_prepared_tagged_and_pushed_in_one(project: Path) -> None:
    assert run_release(project, "prepare", "1.1rc01") == (0, "the version of fixture is now 1.1rc1\n")
    write_changelog(project, "1.1rc1")

    result = run_release(project, "tag")

    assert result == (0, "tagged v1.1rc1; `git push --atomic origin HEAD v1.1rc1` publishes the release\n")
    assert changes(project) == []
    assert git(project, "describe") == "v1.1rc1\n"
    assert git(project, "show", "--format=%s", "--name-status", "--no-renames", "HEAD").split() == [
        *("Release", "1.1rc1"),
        "M",
        "CHANGELOG.md",
        "D",
        "changes/+doors.feature.md",
        "M",
        "ext/pyproject.toml",
    ]
    assert "It opens doors." in (project / "CHANGELOG.md").read_text()
    git(project, "push", "-q", "--atomic", "origin", "HEAD", "v1.1rc1")
    assert run_release(project, "tag")[0] == 8  # there is nothing to tag anymore


def write_dist(root: Path, version: str) -> Path:
    """Write the files of a release of the fixture, which are empty, and return their folder, which git ignores."""
    (root / ".git" / "info" / "exclude").write_text("dist\n")
    (root / "dist").mkdir()
    for name in (f"fixture-{version}-cp311-abi3-manylinux2014_x86_64.whl", f"fixture-{version}.tar.gz"):
        (root / "dist" / name).touch()
    return root / "dist"


def test_the_record_of_a_release_is_a_part_of_its_commit(project: Path) -> None:
    folder = write_dist(project, "1.1")
    assert run_release(project, "record", str(folder))[0] == 8  # no release is prepared
    run_release(project, "prepare", "1.1")
    record = project / "releases" / "1.1" / "SHA256SUMS"

    assert run_release(project, "record", str(folder)) == (0, f"wrote {record}: 2 files\n")
    assert run_release(project, "tag")[0] == 0

    assert changes(project) == []
    assert "releases/1.1/SHA256SUMS" in git(project, "show", "--format=", "--name-only", "HEAD").split()
    assert record.read_text().count("# 0 bytes\n") == 2


def test_an_aborted_release_has_no_record(project: Path) -> None:
    run_release(project, "prepare", "1.1")
    run_release(project, "record", str(write_dist(project, "1.1")))

    assert run_release(project, "abort") == (0, "release 1.1 is aborted\n")
    assert not (project / "releases" / "1.1" / "SHA256SUMS").exists()
    assert changes(project) == []


def update_pin(root: Path, text: str) -> None:
    """Change the recipe libfoo and commit it, without the changelog's fragment."""
    recipe = root / "recipes" / "libfoo" / "recipe.toml"
    source = recipe.read_text()
    assert 'version = "1.0"' in source
    recipe.write_text(source.replace('version = "1.0"', 'version = "1.1"') + text)
    git(root, "rm", "-q", "changes/+doors.feature.md")
    for line in (["add", "-A"], ["commit", "-qm", "update"], ["push", "-q"]):
        git(root, *line)


FIX = f"""
[[source.patches]]
name = "overflow.patch"
urls = ["http://127.0.0.1:9/{{version}}/overflow.patch"]
sha256 = "{"c" * 64}"
fixes = ["CVE-2026-1234"]
"""


def test_a_patch_release_has_updated_pins_a_number_and_a_changelog(project: Path) -> None:
    update_pin(project, FIX)
    assert run_release(project, "prepare", "1.1")[1].startswith("error: CHANGELOG.md has no entries for this release")

    result = run_release(project, "prepare", "--patch")

    text = "libfoo 1.1 instead of 1.0. It fixes CVE-2026-1234."
    assert result == (0, f"- {text}\nthe version of fixture is now 1.0.post1\n")
    assert (project / "changes" / "+libfoo.fix.md").read_text() == f"{text}\n"
    write_changelog(project, "1.0.post1")
    assert run_release(project, "tag")[0] == 0
    assert f"- {text}" in (project / "CHANGELOG.md").read_text()
    assert (changes(project), git(project, "describe")) == ([], "v1.0.post1\n")
    assert run_release(project, "prepare", "--patch") == (
        8,
        "error: no pin of a library of fixture changed since v1.0.post1\n"
        "  hint: `everywheel recipes update` pins what the distribution has now; commit its changes first\n",
    )


def test_an_aborted_patch_release_has_no_fragments(project: Path) -> None:
    update_pin(project, "")
    run_release(project, "prepare", "--patch")
    assert [path.name for path in (project / "changes").iterdir()] == ["+libfoo.fix.md"]

    assert run_release(project, "abort") == (0, "release 1.0.post1 is aborted\n")
    assert changes(project) == []


def test_a_release_with_a_changed_extension_is_not_a_patch_release(project: Path) -> None:
    (project / "ext" / "new.c").write_text("int x;\n")
    update_pin(project, "")

    assert run_release(project, "prepare", "--patch") == (
        8,
        "error: ext changed since v1.0: this is not a patch release\n  | ext/new.c\n"
        "  hint: release a new version; or `git switch --create patch v1.0`, and update the recipes on that branch\n",
    )
    assert run_release(project, "prepare", "1.1", "--patch") == (
        2,
        "error: --patch numbers the release\n  hint: everywheel release prepare --patch\n",
    )
    git(project, "tag", "--delete", "v1.0")
    git(project, "push", "-q", "--delete", "origin", "v1.0")
    assert run_release(project, "prepare", "--patch")[1].startswith("error: there is no release to patch\n")


def test_an_aborted_release_leaves_all_other_changes(project: Path) -> None:
    run_release(project, "prepare", "1.1")
    write_changelog(project, "1.1")
    (project / "README.md").write_text("Another text.\n")
    (project / "changes").mkdir()
    (project / "changes" / "+late.fix.md").write_text("Late.\n")
    (project / "notes.txt").write_text("mine\n")

    result = run_release(project, "abort")

    others = ["README.md", "changes/+late.fix.md", "notes.txt"]
    assert result == (0, "release 1.1 is aborted\n" + "".join(f"not changed: {path}\n" for path in others))
    assert changes(project) == [" M README.md", "?? changes/+late.fix.md", "?? notes.txt"]
    assert (project / "README.md").read_text() == "Another text.\n"


def test_abort_keeps_edits_in_a_file_with_the_version(project: Path) -> None:
    file = project / "ext" / "pyproject.toml"
    before = file.read_text()
    run_release(project, "prepare", "1.1")
    file.write_text(file.read_text() + "# mine\n")

    code, _ = run_release(project, "abort")

    assert (code, file.read_text()) == (0, before + "# mine\n")


def test_only_a_prepared_release_is_aborted_or_tagged(project: Path) -> None:
    (project / "README.md").write_text("Another text.\n")
    expected = (
        "error: no release is prepared\n"
        f"  record: {project}/.git/everywheel-release.json\n"
        "  hint: `everywheel release prepare 1.2.0` prepares one\n"
    )

    assert run_release(project, "abort") == (8, expected)
    assert run_release(project, "tag") == (8, expected)
    assert changes(project) == [" M README.md"]


def test_no_file_is_committed_that_is_not_part_of_the_release(project: Path) -> None:
    run_release(project, "prepare", "1.1")
    write_changelog(project, "1.1")
    (project / "README.md").write_text("Another text.\n")

    result = run_release(project, "tag")

    assert result == (
        8,
        "error: 1 changed file is not part of the release\n"
        "  | README.md\n"
        "  hint: `everywheel release abort` undoes the release and keeps all other changes; then prepare it again\n",
    )
    assert git(project, "log", "--format=%s") == "one\n"


def test_a_release_is_tagged_only_at_the_commit_that_it_was_prepared_from(project: Path) -> None:
    run_release(project, "prepare", "1.1")
    then = git(project, "rev-parse", "HEAD")[:12]
    git(project, "commit", "--allow-empty", "-qm", "two")
    now = git(project, "rev-parse", "HEAD")[:12]

    result = run_release(project, "tag")

    assert result == (
        8,
        "error: the release was prepared from another commit or version\n"
        f"  prepared: 1.1 at {then}\n"
        f"  now: 1.1 at {now}\n"
        "  hint: `everywheel release abort` undoes the release and keeps all other changes; then prepare it again\n",
    )


def test_a_commit_without_a_tag_is_undone_and_abort_restores_all_files(project: Path) -> None:
    run_release(project, "prepare", "1.1")
    write_changelog(project, "1.1")
    git(project, "tag", "v1.1")

    result = run_release(project, "tag")

    assert result == (
        8,
        "error: git tag failed\n  | fatal: tag 'v1.1' already exists\n  hint: run `git status`\n",
    )
    assert run_release(project, "abort") == (0, "release 1.1 is aborted\n")
    assert (changes(project), git(project, "log", "--format=%s")) == ([], "one\n")


def test_a_commit_whose_tag_is_missing_is_aborted(project: Path) -> None:
    run_release(project, "prepare", "1.1")
    write_changelog(project, "1.1")
    git(project, "commit", "-qam", "Release 1.1")

    assert run_release(project, "abort") == (0, "release 1.1 is aborted\n")
    assert (changes(project), git(project, "log", "--format=%s")) == ([], "one\n")


def test_a_tagged_release_is_not_aborted(project: Path) -> None:
    run_release(project, "prepare", "1.1")
    record = project / ".git" / "everywheel-release.json"
    text = record.read_text()
    write_changelog(project, "1.1")
    run_release(project, "tag")
    record.write_text(text)  # as if `tag` had been killed before it deleted the record
    head = git(project, "rev-parse", "HEAD")

    assert run_release(project, "abort") == (
        8,
        "error: release 1.1 is already tagged and cannot be aborted\n"
        f"  tag: v1.1\n  commit: {head[:12]}\n  record: {record}\n"
        "  hint: to publish it, delete the record, then git push --atomic origin HEAD v1.1; to discard it, "
        "git tag --delete v1.1, then `everywheel release abort`\n",
    )
    assert (git(project, "rev-parse", "HEAD", "v1.1^{commit}"), changes(project)) == (head * 2, [])
    git(project, "tag", "--delete", "v1.1")
    assert run_release(project, "abort") == (0, "release 1.1 is aborted\n")
    assert (git(project, "log", "--format=%s"), changes(project)) == ("one\n", [])


def test_a_prepared_release_must_be_aborted_before_the_next(project: Path) -> None:
    run_release(project, "prepare", "1.1")

    assert run_release(project, "prepare", "1.1") == (
        8,
        "error: release 1.1 is prepared, and neither tagged nor aborted\n"
        f"  record: {project}/.git/everywheel-release.json\n"
        "  hint: `everywheel release abort` undoes it and keeps all other changes\n",
    )
    assert run_release(project, "abort")[0] == 0
    assert run_release(project, "prepare", "1.1") == (0, "the version of fixture is now 1.1\n")


def test_a_changelog_that_the_release_creates_is_part_of_it(project: Path) -> None:
    git(project, "rm", "-q", "CHANGELOG.md")
    git(project, "commit", "-qm", "none")
    git(project, "push", "-q")
    for end in ("abort", "tag"):
        run_release(project, "prepare", "1.1")
        (project / "CHANGELOG.md").write_text("1.1\n")

        assert run_release(project, end)[0] == 0
        assert changes(project) == []
    assert git(project, "show", "HEAD:CHANGELOG.md") == "1.1\n"


def test_a_project_may_be_in_a_subdirectory_of_its_repository(project: Path) -> None:
    (project / "part").mkdir()
    for name in ("pyproject.toml", "CHANGELOG.md", "changes", "ext", "recipes"):
        git(project, "mv", name, f"part/{name}")
    git(project, "commit", "-qm", "moved")
    git(project, "push", "-q")
    for end in ("abort", "tag"):
        assert run_release(project / "part", "prepare", "1.1")[0] == 0
        write_changelog(project / "part", "1.1")

        assert run_release(project / "part", end)[0] == 0
        assert changes(project) == []


@pytest.mark.parametrize(
    ("table", "types"),
    [
        ("", ("feature", "bugfix", "doc", "removal", "misc")),
        ("[tool.towncrier.fragment.new]\n[tool.towncrier.fragment.old]\n", ("new", "old")),
        ('[[tool.towncrier.type]]\ndirectory = "new"\nname = "New"\nshowcontent = true\n', ("new",)),
    ],
)
def test_the_types_of_fragments_are_those_that_towncrier_knows(
    tmp_path: Path, table: str, types: tuple[str, ...]
) -> None:
    (tmp_path / "news.toml").write_text(f'[tool.towncrier]\ndirectory = "news"\nignore = ["how*.md"]\n{table}')
    (tmp_path / "news").mkdir()
    changelog = load_changelog(tmp_path, Path("news.toml"))
    assert load_config_from_file(str(tmp_path), str(tmp_path / "news.toml")).types.keys() == set(types)

    assert (changelog.types, changelog.folder, changelog.file) == (types, tmp_path / "news", tmp_path / "NEWS.rst")
    for name in ("How-to.md", ".gitkeep", f"12.{types[0]}.1.md"):
        (tmp_path / "news" / name).write_text("")
    check_fragments([changelog], tmp_path)


def test_each_of_several_changelogs_needs_a_fragment(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / f"{name}.toml").write_text(f'[tool.towncrier]\ndirectory = "{name}"\nfilename = "{name}.md"\n')
    (tmp_path / "ours" / "+doors.feature.md").write_text("Doors open.\n")
    changelogs = [load_changelog(tmp_path, Path(f"{name}.toml")) for name in ("ours", "theirs")]

    with pytest.raises(ReleaseError) as caught:
        check_fragments(changelogs, tmp_path)

    assert caught.value.render().splitlines() == [
        "error: theirs.md has no entries for this release: there is no fragment",
        "  directory: theirs",
        "  hint: write theirs/+name.feature.md",
    ]


def make_dirty(root: Path) -> None:
    (root / "forgotten.c").write_text("")


def lose_fragment(root: Path) -> None:
    git(root, "rm", "-q", "changes/+doors.feature.md")
    (root / "changes").mkdir(exist_ok=True)
    (root / "changes" / "README.md").write_text("how to\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "two")
    git(root, "push", "-q")


def misname_fragment(root: Path) -> None:
    (root / "changes" / "+windows.bugfix.md").write_text("Windows close.\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "two")
    git(root, "push", "-q")


def tag_origin(root: Path) -> None:
    git(root, "tag", "v1.1")
    git(root, "push", "-q", "origin", "v1.1")
    git(root, "tag", "--delete", "v1.1")


def fall_behind(root: Path) -> None:
    git(root, "commit", "--allow-empty", "-qm", "another commit")
    git(root, "push", "-q")
    git(root, "reset", "-q", "--hard", "HEAD~1")


def follow_nothing(root: Path) -> None:
    fall_behind(root)
    git(root, "branch", "--unset-upstream")


BEHIND = [
    "error: branch main is behind origin",
    "  remote commit: {tip}",
    "  hint: git pull --rebase",
]


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (
            make_dirty,
            [
                "error: the working tree has uncommitted changes",
                "  | ?? forgotten.c",
                "  hint: commit them, or run `git stash --include-untracked`",
            ],
        ),
        (
            lose_fragment,
            [
                "error: CHANGELOG.md has no entries for this release: there is no fragment",
                "  directory: changes",
                "  hint: write changes/+name.feature.md",
            ],
        ),
        (
            misname_fragment,
            [
                "error: towncrier would ignore +windows.bugfix.md: the type is unknown",
                "  directory: changes",
                "  types: feature, fix",
                "  hint: rename it to +name.feature.md",
            ],
        ),
        (
            tag_origin,
            [
                "error: 1.1 is not newer than the released 1.1",
                "  tag: v1.1",
                "  hint: version numbers cannot be reused: choose the next one",
            ],
        ),
        (fall_behind, BEHIND),
        (follow_nothing, BEHIND),
    ],
)
def test_a_release_that_cannot_be_prepared_is_refused_and_nothing_is_written(
    project: Path, change: Callable[[Path], None], lines: list[str]
) -> None:
    change(project)
    before, tip = changes(project), git(project, "ls-remote", "origin", "main")[:12]
    expected = "".join(f"{line}\n" for line in lines).replace("{tip}", tip)

    assert run_release(project, "prepare", "1.1") == (8, expected)
    result = run_release(project, "prepare", "--dry-run", "1.1")

    assert result == (0, f"{expected.replace('error:', 'warning:')}a release cannot be prepared: 1 problem\n")
    assert changes(project) == before
    assert run_release(project, "abort")[0] == 8


def test_a_dry_run_reports_that_a_release_can_be_prepared(project: Path) -> None:
    assert run_release(project, "prepare", "--dry-run") == (0, "a release can be prepared\n")
    assert changes(project) == []
