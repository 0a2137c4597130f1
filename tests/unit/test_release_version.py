"""A release's number, and preparing, tagging and taking one back, in a repository with an origin of its own."""

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
from everywheel.release.changelog import check_changes, load_changelog
from everywheel.release.preconditions import check_clone, check_identity, check_tree
from everywheel.release.version import check_tag, check_version, put_version, read_version
from towncrier._settings.load import load_config_from_file
from towncrier._shell import cli as towncrier

ROOT = Path(__file__).parents[2]
PROJECT = load_project(ROOT)


def words(error: pytest.ExceptionInfo[EverywheelError]) -> list[str]:
    return error.value.render().splitlines()


def git(root: Path, *line: str) -> str:
    return subprocess.run(["git", *line], cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of its own in a repository of its own, with version 1.0 released."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "tester")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "tester@localhost")
    (tmp_path / "pyproject.toml").write_text('# words\n[project]\nname = "x"\nversion = "1.0"\n')
    for line in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"], ["tag", "v1.0"], ["tag", "vnext"]):
        subprocess.run(["git", *line], cwd=tmp_path, check=True)
    return replace(PROJECT, root=tmp_path, extension=tmp_path, version="1.0")


def test_a_version_that_is_not_newer_is_refused(repository: Project) -> None:
    with pytest.raises(ReleaseError) as error:
        check_version("1.0.0", repository)

    assert words(error) == [
        "error: 1.0.0 is not newer than the released 1.0",
        "  tag: v1.0",
        "  hint: a version is given once: take the next one",
    ]


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("one", ["error: 'one' is no version", "  hint: write it as PEP 440 does: 1.2.0 or 1.2.0rc1"]),
        (
            "1.2+here",
            [
                "error: '1.2+here' cannot be released: an index takes no local and nobody expects a development version",
                "  hint: write it as 1.2.0 or 1.2.0rc1",
            ],
        ),
    ],
)
def test_what_no_index_takes_is_refused(repository: Project, version: str, said: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        check_version(version, repository)

    assert words(error) == said


def test_a_tag_of_another_version_is_refused() -> None:
    with pytest.raises(ReleaseError) as error:
        check_tag("v7.0", replace(PROJECT, version="1.0"))

    assert words(error) == [
        "error: the tag is v7.0, but the extension is version 1.0",
        f"  file: {ROOT / 'extension' / 'pyproject.toml'}",
        "  hint: a tag is made with its commit by `everywheel release tag`; remove it: git push --delete origin v7.0",
    ]


def test_a_tag_that_somebody_else_pushed_counts(repository: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
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


def test_an_origin_that_does_not_answer_is_told(repository: Project) -> None:
    git(repository.root, "remote", "add", "origin", "/not/there")

    with pytest.raises(ReleaseError) as error:
        check_version("1.2", repository)

    assert words(error) == [
        "error: git ls-remote failed",
        "  | fatal: '/not/there' does not appear to be a git repository",
        "  | fatal: Could not read from remote repository.",
        "  |",
        "  | Please make sure you have the correct access rights",
        "  | and the repository exists.",
        "  hint: a release needs to know what was pushed: is `origin` right (`git remote -v`), and does it answer?",
    ]


def test_a_shallow_clone_is_refused(repository: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    clone = tmp_path_factory.mktemp("clone")
    git(repository.root, "commit", "--allow-empty", "-qm", "two")
    git(clone, "clone", "-q", "--depth", "1", f"file://{repository.root}", ".")

    with pytest.raises(ReleaseError) as error:
        check_clone(clone)

    assert words(error) == [
        "error: the clone is shallow: which versions were released cannot be told",
        f"  looked in: {clone}",
        "  hint: git fetch --unshallow --tags",
    ]


def test_a_detached_head_is_refused(repository: Project) -> None:
    check_clone(repository.root)
    git(repository.root, "checkout", "-q", "--detach")

    with pytest.raises(ReleaseError) as error:
        check_clone(repository.root)

    assert words(error) == [
        "error: HEAD is detached: a release commit would be on no branch",
        f"  looked in: {repository.root}",
        "  hint: git switch main, or whichever branch is released",
    ]


@pytest.mark.parametrize(
    ("typed", "version"),
    [("v1.2.0", "1.2.0"), ("1.0.post1", "1.0.post1"), ("1!0.1", "1!0.1"), ("1.1-RC.1", "1.1rc1")],
)
def test_a_version_is_taken_as_people_type_it(repository: Project, typed: str, version: str) -> None:
    assert check_version(typed, repository) == version


@pytest.mark.parametrize("version", ["1.0rc1", "1.0", "0.9.post9"])
def test_no_spelling_makes_an_older_version_newer(repository: Project, version: str) -> None:
    with pytest.raises(ReleaseError, match="is not newer than the released"):
        check_version(version, repository)


def test_a_machine_without_git_is_told(repository: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(MachineError) as error:
        check_tree(repository.root)

    assert words(error) == ["error: git is not there", "  hint: install it (Debian: `apt-get install git`)"]


def test_a_version_is_put_in_the_place_of_another_and_nowhere_else() -> None:
    before = '# words\r\n[project]\r\nname = "x"\r\nversion = "1.0" # now\r\n'

    assert put_version(before, "1.1") == before.replace("1.0", "1.1")
    assert (read_version(before), read_version('[tool.x]\nversion = "2"\n')) == ("1.0", "")
    assert put_version('[tool.x]\nversion = "2"\n', "1.1") == '[tool.x]\nversion = "2"\n'


def test_somebody_without_a_name_is_told_before_anything_is_built(
    repository: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_identity(repository.root)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{who}_NAME")
        monkeypatch.delenv(f"GIT_{who}_EMAIL")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    git(repository.root, "config", "user.useConfigOnly", "true")

    with pytest.raises(ReleaseError) as error:
        check_identity(repository.root)

    assert words(error) == [
        "error: git does not know in whose name to commit",
        f"  looked in: {repository.root}",
        '  hint: git config user.name "…" && git config user.email "…"',
    ]


TOWNCRIER = """
[tool.towncrier]
directory = "changes"
filename = "CHANGELOG.md"
start_string = "<!-- released -->\\n"
type = [
    { directory = "feature", name = "New", showcontent = true },
    { directory = "fix", name = "Mended", showcontent = true },
]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of a bare origin that has a project with version 1.0 released, and a fragment for what is new."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "tester")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "tester@localhost")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    git(tmp_path, "init", "-q", "--bare", "--initial-branch=main", "origin")
    git(tmp_path, "clone", "-q", "origin", "project")
    root = tmp_path / "project"
    shutil.copytree(ROOT / "tests" / "failing" / "base", root, dirs_exist_ok=True)
    with (root / "pyproject.toml").open("a") as file:
        file.write(TOWNCRIER)
    (root / "CHANGELOG.md").write_text("# Changes\n\n<!-- released -->\n")
    (root / "README.md").write_text("What it is.\n")
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


def type_words(root: Path, *line: str) -> tuple[int, str]:
    """Type a command of the toolkit; return its exit code and what was printed."""
    told = CliRunner().invoke(main, ["--project", str(root), "release", *line])
    return told.exit_code, told.output


def write_changelog(root: Path, version: str) -> None:
    """Do as `nox -s release` does between `prepare` and `tag`."""
    line = ["build", "--yes", "--version", version, "--dir", ".", "--config", "pyproject.toml"]
    with contextlib.chdir(root):
        told = CliRunner().invoke(towncrier, line)
    assert told.exit_code == 0, told.output


def changes(root: Path) -> list[str]:
    return git(root, "status", "--porcelain", "--untracked-files=all").splitlines()


def test_a_release_is_prepared_tagged_and_pushed_in_one(project: Path) -> None:
    assert type_words(project, "prepare", "1.1rc01") == (0, "fixture is version 1.1rc1 now\n")
    write_changelog(project, "1.1rc1")

    told = type_words(project, "tag")

    assert told == (0, "tagged v1.1rc1; `git push --atomic origin HEAD v1.1rc1` releases it\n")
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
    assert type_words(project, "tag")[0] == 8  # it is done


def test_a_release_is_taken_back_and_everything_else_stays(project: Path) -> None:
    type_words(project, "prepare", "1.1")
    write_changelog(project, "1.1")
    (project / "README.md").write_text("What it will be.\n")
    (project / "changes").mkdir()
    (project / "changes" / "+late.fix.md").write_text("Late.\n")
    (project / "notes.txt").write_text("mine\n")

    told = type_words(project, "abort")

    others = ["README.md", "changes/+late.fix.md", "notes.txt"]
    assert told == (0, "release 1.1 is taken back\n" + "".join(f"left as it is: {path}\n" for path in others))
    assert changes(project) == [" M README.md", "?? changes/+late.fix.md", "?? notes.txt"]
    assert (project / "README.md").read_text() == "What it will be.\n"


def test_who_edits_a_file_that_has_the_version_keeps_the_edit(project: Path) -> None:
    file = project / "ext" / "pyproject.toml"
    before = file.read_text()
    type_words(project, "prepare", "1.1")
    file.write_text(file.read_text() + "# mine\n")

    code, _ = type_words(project, "abort")

    assert (code, file.read_text()) == (0, before + "# mine\n")


def test_nothing_is_undone_or_tagged_that_was_not_prepared(project: Path) -> None:
    (project / "README.md").write_text("What it will be.\n")
    expected = (
        "error: no release was prepared here\n"
        f"  looked for: {project}/.git/everywheel-release.json\n"
        "  hint: `everywheel release prepare 1.2.0` prepares one\n"
    )

    assert type_words(project, "abort") == (8, expected)
    assert type_words(project, "tag") == (8, expected)
    assert changes(project) == [" M README.md"]


def test_nothing_is_committed_that_is_not_the_releases(project: Path) -> None:
    type_words(project, "prepare", "1.1")
    write_changelog(project, "1.1")
    (project / "README.md").write_text("What it will be.\n")

    told = type_words(project, "tag")

    assert told == (
        8,
        "error: 1 files changed since the release was prepared, and not by it\n"
        "  | README.md\n"
        "  hint: `everywheel release abort` takes the release back and leaves all else; then prepare it again\n",
    )
    assert git(project, "log", "--format=%s") == "one\n"


def test_a_release_is_of_the_commit_that_it_was_prepared_from(project: Path) -> None:
    type_words(project, "prepare", "1.1")
    then = git(project, "rev-parse", "HEAD")[:12]
    git(project, "commit", "--allow-empty", "-qm", "two")
    now = git(project, "rev-parse", "HEAD")[:12]

    told = type_words(project, "tag")

    assert told == (
        8,
        "error: this is not what the release was prepared from\n"
        f"  prepared: 1.1 at {then}\n"
        f"  now: 1.1 at {now}\n"
        "  hint: `everywheel release abort` takes the release back and leaves all else; then prepare it again\n",
    )


def test_without_a_tag_there_is_no_commit_and_undo_leaves_what_was(project: Path) -> None:
    type_words(project, "prepare", "1.1")
    write_changelog(project, "1.1")
    git(project, "tag", "v1.1")

    told = type_words(project, "tag")

    assert told == (
        8,
        "error: git tag failed\n  | fatal: tag 'v1.1' already exists\n  hint: `git status` says how things are\n",
    )
    assert type_words(project, "abort") == (0, "release 1.1 is taken back\n")
    assert (changes(project), git(project, "log", "--format=%s")) == ([], "one\n")


def test_a_commit_whose_tag_was_never_made_is_taken_back(project: Path) -> None:
    type_words(project, "prepare", "1.1")
    write_changelog(project, "1.1")
    git(project, "commit", "-qam", "Release 1.1")

    assert type_words(project, "abort") == (0, "release 1.1 is taken back\n")
    assert (changes(project), git(project, "log", "--format=%s")) == ([], "one\n")


def test_a_release_that_was_tagged_is_not_taken_back(project: Path) -> None:
    type_words(project, "prepare", "1.1")
    note = project / ".git" / "everywheel-release.json"
    told = note.read_text()
    write_changelog(project, "1.1")
    type_words(project, "tag")
    note.write_text(told)  # as if `tag` was killed before it removed it
    head = git(project, "rev-parse", "HEAD")

    assert type_words(project, "abort") == (
        8,
        "error: release 1.1 is tagged already: there is nothing that was only prepared\n"
        f"  tag: v1.1\n  at: {head[:12]}\n  note: {note}\n"
        "  hint: remove the note, and push the release: git push --atomic origin HEAD v1.1; to drop it instead, first "
        "git tag --delete v1.1, then `everywheel release abort`\n",
    )
    assert (git(project, "rev-parse", "HEAD", "v1.1^{commit}"), changes(project)) == (head * 2, [])
    git(project, "tag", "--delete", "v1.1")
    assert type_words(project, "abort") == (0, "release 1.1 is taken back\n")
    assert (git(project, "log", "--format=%s"), changes(project)) == ("one\n", [])


def test_a_release_that_was_prepared_and_left_is_taken_back_before_the_next(project: Path) -> None:
    type_words(project, "prepare", "1.1")

    assert type_words(project, "prepare", "1.1") == (
        8,
        "error: release 1.1 is prepared here, and neither tagged nor taken back\n"
        f"  note: {project}/.git/everywheel-release.json\n"
        "  hint: `everywheel release abort` takes it back and leaves all else\n",
    )
    assert type_words(project, "abort")[0] == 0
    assert type_words(project, "prepare", "1.1") == (0, "fixture is version 1.1 now\n")


def test_a_changelog_that_the_release_begins_is_its_own(project: Path) -> None:
    git(project, "rm", "-q", "CHANGELOG.md")
    git(project, "commit", "-qm", "none")
    git(project, "push", "-q")
    for end in ("abort", "tag"):
        type_words(project, "prepare", "1.1")
        (project / "CHANGELOG.md").write_text("1.1\n")

        assert type_words(project, end)[0] == 0
        assert changes(project) == []
    assert git(project, "show", "HEAD:CHANGELOG.md") == "1.1\n"


def test_a_project_may_be_a_part_of_its_repository(project: Path) -> None:
    (project / "part").mkdir()
    for name in ("pyproject.toml", "CHANGELOG.md", "changes", "ext", "recipes"):
        git(project, "mv", name, f"part/{name}")
    git(project, "commit", "-qm", "moved")
    git(project, "push", "-q")
    for end in ("abort", "tag"):
        assert type_words(project / "part", "prepare", "1.1")[0] == 0
        write_changelog(project / "part", "1.1")

        assert type_words(project / "part", end)[0] == 0
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
    check_changes([changelog], tmp_path)


def test_each_of_several_changelogs_must_say_what_is_new(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / f"{name}.toml").write_text(f'[tool.towncrier]\ndirectory = "{name}"\nfilename = "{name}.md"\n')
    (tmp_path / "ours" / "+doors.feature.md").write_text("Doors open.\n")
    changelogs = [load_changelog(tmp_path, Path(f"{name}.toml")) for name in ("ours", "theirs")]

    with pytest.raises(ReleaseError) as caught:
        check_changes(changelogs, tmp_path)

    assert caught.value.render().splitlines() == [
        "error: theirs.md would say nothing: there is no fragment that says what is new",
        "  looked in: theirs",
        "  hint: write theirs/+word.feature.md",
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


def tag_there(root: Path) -> None:
    git(root, "tag", "v1.1")
    git(root, "push", "-q", "origin", "v1.1")
    git(root, "tag", "--delete", "v1.1")


def fall_behind(root: Path) -> None:
    git(root, "commit", "--allow-empty", "-qm", "somebody else's")
    git(root, "push", "-q")
    git(root, "reset", "-q", "--hard", "HEAD~1")


def follow_nothing(root: Path) -> None:
    fall_behind(root)
    git(root, "branch", "--unset-upstream")


BEHIND = [
    "error: branch main is behind origin: it lacks what was pushed there",
    "  there: {there}",
    "  hint: git pull --rebase",
]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            make_dirty,
            [
                "error: the tree is dirty: 1 files are not as they were committed",
                "  | ?? forgotten.c",
                "  hint: commit them, or put them away with `git stash --include-untracked`",
            ],
        ),
        (
            lose_fragment,
            [
                "error: CHANGELOG.md would say nothing: there is no fragment that says what is new",
                "  looked in: changes",
                "  hint: write changes/+word.feature.md",
            ],
        ),
        (
            misname_fragment,
            [
                "error: the changelog would lack +windows.bugfix.md: fragments of no known type are passed over",
                "  looked in: changes",
                "  types: feature, fix",
                "  hint: name it +word.feature.md",
            ],
        ),
        (
            tag_there,
            [
                "error: 1.1 is not newer than the released 1.1",
                "  tag: v1.1",
                "  hint: a version is given once: take the next one",
            ],
        ),
        (fall_behind, BEHIND),
        (follow_nothing, BEHIND),
    ],
)
def test_a_release_that_cannot_be_prepared_is_refused_and_nothing_is_written(
    project: Path, spoil: Callable[[Path], None], said: list[str]
) -> None:
    spoil(project)
    before, there = changes(project), git(project, "ls-remote", "origin", "main")[:12]
    expected = "".join(f"{line}\n" for line in said).replace("{there}", there)

    assert type_words(project, "prepare", "1.1") == (8, expected)
    told = type_words(project, "prepare", "--dry-run", "1.1")

    assert told == (0, f"{expected.replace('error:', 'warning:')}a release would be refused, for 1 reasons\n")
    assert changes(project) == before
    assert type_words(project, "abort")[0] == 8


def test_a_rehearsal_says_that_a_release_could_be_prepared(project: Path) -> None:
    assert type_words(project, "prepare", "--dry-run") == (0, "a release could be prepared\n")
    assert changes(project) == []
