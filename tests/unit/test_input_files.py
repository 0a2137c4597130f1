"""Recipes, project files and sources that are folders, FIFOs, unreadable, not UTF-8, too large or too deep."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from everywheel.config.extension_tree import digest_tree, extension_files
from everywheel.config.project import load_project
from everywheel.config.recipe_loader import load_recipe, load_recipes
from everywheel.config.toml_reader import read_toml
from everywheel.errors import UsageError
from everywheel.execution.input_files import UnusableFile, link_leads_out, list_files, read_file, read_text
from everywheel.wheels.pep517 import copy_extension
from example_recipe import RECIPE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recipe with an overlay."""
    folder = tmp_path / "recipes" / "libfoo"
    (folder / "overlay" / "src").mkdir(parents=True)
    (folder / "recipe.toml").write_text(RECIPE)
    (folder / "overlay" / "src" / "a.c").write_text("int a;\n")
    return folder


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Path]:
    """A folder that other users can enter, which pytest's folders are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Run the body without the rights of root, which can read every file."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_special_file_is_named_and_does_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket has at most 107 bytes
    os.mkfifo("fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    Path("folder").mkdir()
    paths = {"fifo": "a FIFO", "socket": "a socket", "folder": "a folder", "/dev/zero": "a device"}

    for path, kind in paths.items():
        with pytest.raises(UnusableFile, match=f"^{path}: is {kind}, not a file$"):
            read_file(Path(path), 100)


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as large:
        large.truncate(1 << 40)
    (tmp_path / "exact").write_bytes(bytes(1 << 20))

    assert len(read_file(tmp_path / "exact", 1 << 20)) == 1 << 20
    with pytest.raises(UnusableFile, match=r"large: is larger than 1 MiB$"):
        read_file(tmp_path / "large", 1 << 20)


def test_text_that_is_not_utf8_is_reported_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"a\nb\xe9\n")

    with pytest.raises(UnusableFile, match=r"text: is not UTF-8 \(byte 0xe9 in line 2\)$"):
        read_text(tmp_path / "text", 100)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = " + "[" * 100_000, "it is nested more than 32 deep"),
        ("a = " + "[" * 40 + "]" * 40, "it is nested more than 32 deep"),
        ("a = " + "{a=" * 100 + "1" + "}" * 100, "it is nested more than 32 deep"),
        ("a." * 400_000 + "a = 1", "a key has more than 32 parts"),
        ("x = {b = {" + "'a' . " * 100_000 + "a = 1}}", "a key has more than 32 parts"),
        ("[" + "a." * 100_000 + "a]", "a key has more than 32 parts"),
        ("a = " + "1" * 5000, "Exceeds the limit (4300 digits)"),
        ('a = "x\\u0000"', "'x\\x00' contains the character NUL"),
        ('"x\\u0000" = 1', "'x\\x00' contains the character NUL"),
        ("\ufeffa = 1", "it begins with a byte order mark"),
    ],
    ids=lambda text: text[:12],
)
def test_toml_that_no_program_could_use_is_refused_at_once(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(text)
    start = time.monotonic()

    with pytest.raises(UsageError) as caught:
        read_toml(tmp_path / "a.toml")

    assert caught.value.fact == f"{tmp_path}/a.toml: not valid TOML"
    assert str(caught.value.details["reason"]).startswith(reason)
    assert time.monotonic() - start < 5


def test_a_large_toml_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"#" * (1 << 20) + b"\n")

    with pytest.raises(UsageError) as caught:
        read_toml(tmp_path / "a.toml")

    assert caught.value.render() == (
        f"error: {tmp_path}/a.toml: is larger than 1 MiB\n  hint: shorten it: recipes and settings have a few KiB"
    )


def test_words_with_many_dots_in_texts_are_valid(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        'a = "1.2.3.4 …… . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . ."\n'
    )

    assert read_toml(tmp_path / "a.toml").has("a")


@pytest.mark.parametrize("part", ["recipe.toml", "overlay/src/a.c", "overlay/src", "."])
def test_an_unreadable_part_of_a_recipe_is_named(part: str, folder: Path, public: Path) -> None:
    recipes = folder.parent.rename(public / "recipes")
    unreadable = recipes / "libfoo" / part
    unreadable.chmod(0)

    with unprivileged(), pytest.raises(UsageError) as caught:
        load_recipes([recipes])

    unreadable.chmod(0o755)
    assert caught.value.fact == f"{unreadable}: cannot be read: permission denied"


def write_project(folder: Path, version: str = "1.0") -> None:
    (folder / "recipes").mkdir()
    (folder / "src").mkdir()
    (folder / "src" / "a.c").write_text("")
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "a"\nversion = "{version}"\n'
        '[tool.everywheel]\ntargets = ["manylinux2014_x86_64"]\npython = { headers = "h", tag = "cp311-abi3" }\n'
    )


def test_a_version_that_could_be_a_path_is_refused(tmp_path: Path) -> None:
    write_project(tmp_path, "1.0/../x")

    with pytest.raises(UsageError) as caught:
        load_project(tmp_path)

    assert (
        caught.value.fact
        == f"{tmp_path}/pyproject.toml: [project]: 'version' must be a version such as 1.2.3 (PEP 440)"
    )


@pytest.mark.parametrize("part", ["src/a.c", "src", "pyproject.toml"])
def test_an_unreadable_part_of_an_extension_is_named(part: str, public: Path) -> None:
    write_project(public)
    (public / part).chmod(0)

    with unprivileged(), pytest.raises(UsageError) as caught:
        load_project(public)

    (public / part).chmod(0o755)
    assert caught.value.fact == f"{public / part}: cannot be read: permission denied"


def test_a_name_that_is_not_utf8_is_named(folder: Path, tmp_path: Path) -> None:
    name = os.fsencode(folder / "overlay") + b"/\xff\n.c"
    Path(os.fsdecode(name)).touch()

    with pytest.raises(UsageError, match=r"\\xff\n\.c: has a name that is not UTF-8"):
        load_recipe(folder / "recipe.toml")
    with pytest.raises(UsageError, match=r"\\xff\n\.c: has a name that is not UTF-8"):
        digest_tree(folder)


def test_a_linked_folder_of_an_overlay_is_in_the_list_of_files(folder: Path) -> None:
    (folder / "shared").mkdir()
    (folder / "shared" / "b.c").write_text("one")
    (folder / "overlay" / "linked").symlink_to("../shared")
    before = load_recipe(folder / "recipe.toml").files
    (folder / "shared" / "b.c").write_text("two")
    after = load_recipe(folder / "recipe.toml").files

    assert list(after) == ["overlay/linked/b.c", "overlay/src/a.c", "shared/b.c"]
    assert [name for name in after if before[name] != after[name]] == ["overlay/linked/b.c", "shared/b.c"]


def test_executable_files_of_a_recipe_are_listed(folder: Path) -> None:
    assert load_recipe(folder / "recipe.toml").executables == ()
    (folder / "overlay" / "src" / "a.c").chmod(0o755)
    assert load_recipe(folder / "recipe.toml").executables == ("overlay/src/a.c",)


@pytest.fixture
def extension(tmp_path: Path) -> Path:
    """An extension with a linked folder, a link to a file elsewhere, and a link to a missing file."""
    extension, shared = tmp_path / "extension", tmp_path / "shared"
    for directory in (extension, shared):
        directory.mkdir()
    (shared / "b.c").write_text("one")
    (extension / "a.c").write_text("one")
    (extension / "src").symlink_to("../shared")
    (extension / "c.c").symlink_to("../shared/b.c")
    (extension / "missing.c").symlink_to("nowhere")
    return extension


def test_links_of_an_extension_are_followed_into_the_hash_and_the_copy(extension: Path, tmp_path: Path) -> None:
    assert [file.name for file in extension_files(extension)] == ["a.c", "c.c", "src/b.c"]
    before = digest_tree(extension)
    assert digest_tree(copy_extension(extension, tmp_path / "copy")) == before

    (tmp_path / "shared" / "b.c").write_text("two")

    assert digest_tree(extension) != before
    assert digest_tree(copy_extension(extension, tmp_path / "copy")) == digest_tree(extension)
    assert (tmp_path / "copy" / "src" / "b.c").read_text() == "two"
    assert not [path for path in (tmp_path / "copy").rglob("*") if path.is_symlink()]


def test_a_link_to_a_folder_above_is_named(extension: Path) -> None:
    (extension / "deep" / "er").mkdir(parents=True)
    (extension / "deep" / "er" / "up").symlink_to("../..")

    with pytest.raises(UsageError, match=r"deep/er/up: is a link to a folder that contains it$"):
        digest_tree(extension)


def test_the_hash_of_an_extension_has_names_modes_and_contents(tmp_path: Path) -> None:
    """A name cannot imitate the entry of another file, and an empty folder, which is not copied, changes nothing."""
    first, second = tmp_path / "first", tmp_path / "second"
    for directory in (first, second):
        directory.mkdir()
    (first / "a").write_text("x")
    (first / "b").write_text("y")
    digest = digest_tree(first)
    (second / "a").write_text("y")
    (second / "b").write_text("x")
    assert digest_tree(second) != digest
    (first / "empty").mkdir()
    assert digest_tree(first) == digest
    (first / "a").chmod(0o755)
    assert digest_tree(first) != digest


def test_a_folder_with_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everywheel.execution.input_files.MAX_FILES", 2)
    for name in "abc":
        (tmp_path / name).touch()

    with pytest.raises(UnusableFile, match=r"contains more than 2 files and folders$"):
        list_files(tmp_path)


def test_links_between_folders_cannot_make_a_list_endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everywheel.execution.input_files.MAX_FILES", 1000)
    for level in range(30):
        (tmp_path / str(level)).mkdir()
        for name in ("left", "right"):
            (tmp_path / str(level) / name).symlink_to(f"../{level + 1}")
    (tmp_path / "30").mkdir()

    with pytest.raises(UnusableFile, match=r"contains more than 1,000 files and folders$"):
        list_files(tmp_path, within=tmp_path)


@pytest.mark.parametrize(
    ("name", "target", "out"),
    [
        ("a", "b", False),
        ("a/b", "../c", False),
        ("a", "../b", True),
        ("a/b", "../../c", True),
        ("a/b/c", "../x/../../y", True),
        ("a", "/etc", True),
        ("a", "x/..", True),
    ],
)
def test_the_text_of_a_link_shows_whether_it_stays_inside(name: str, target: str, out: bool) -> None:
    assert link_leads_out(name, target) is out
