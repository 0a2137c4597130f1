"""Patches, overlays, sources and installed files with links: the toolkit writes and reads in the workspace only."""

from __future__ import annotations

import gzip
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.config.recipe import Linkage, ResolvedRecipe
from everywheel.config.recipe_loader import load_recipe
from everywheel.config.recipe_resolver import resolve_recipe
from everywheel.errors import BuildError, SourceError, UsageError
from everywheel.libraries.build import copy_headers
from everywheel.libraries.prefix import check_links, describe_library, normalize_prefix
from everywheel.libraries.source_tree import _copy_overlay
from everywheel.platforms.target import parse_target
from everywheel.sources.patch import apply_patch
from everywheel.sources.request import PinnedFile
from example_recipe import RECIPE

PATCH = PinnedFile(label="foo 1.0", filename="fix.patch", sha256="1" * 64, patches="0" * 64)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A folder outside of the workspace with one file."""
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "file").write_text("untouched\n")
    return canary


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An unpacked source."""
    tree = tmp_path / "work" / "source"
    (tree / "src").mkdir(parents=True)
    (tree / "src" / "a.c").write_text("one\n")
    return tree


@pytest.fixture
def recipe_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "libfoo"
    (folder / "overlay" / "lib").mkdir(parents=True)
    (folder / "overlay" / "lib" / "file").write_text("overlay\n")
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


def resolve(folder: Path) -> ResolvedRecipe:
    return resolve_recipe(
        load_recipe(folder / "recipe.toml"), parse_target("manylinux2014_x86_64"), linkage=Linkage.STATIC
    )


def check_canary(canary: Path) -> None:
    assert [path.name for path in canary.iterdir()] == ["file"]
    assert (canary / "file").read_text() == "untouched\n"


def new_link(name: str, target: str) -> str:
    return (
        f"diff --git a/{name} b/{name}\nnew file mode 120000\n--- /dev/null\n+++ b/{name}\n"
        f"@@ -0,0 +1 @@\n+{target}\n\\ No newline at end of file\n"
    )


def new_file(name: str) -> str:
    return f"diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+evil\n"


def apply(text: str, tree: Path) -> None:
    patch = tree.parent / "fix.patch"
    patch.write_text(text)
    apply_patch(PATCH, patch, tree)


@pytest.mark.parametrize("target", ["{canary}", "../../canary", "src/../../../canary"])
def test_a_patch_with_a_link_out_of_the_source_is_refused(target: str, tree: Path, canary: Path) -> None:
    target = target.format(canary=canary)
    with pytest.raises(SourceError) as caught:
        apply(new_link("lib", target), tree)

    assert caught.value.fact == "foo 1.0: fix.patch creates a link that leads out of the source"
    assert caught.value.details == {"link": f"lib -> {target}"}


def test_a_patch_may_create_a_link_that_stays_in_the_source(tree: Path) -> None:
    apply(new_link("lib/a.c", "../src/a.c"), tree)

    assert (tree / "lib" / "a.c").read_text() == "one\n"


def test_a_patch_does_not_write_below_a_link(tree: Path, canary: Path) -> None:
    (tree / "lib").symlink_to(canary)

    with pytest.raises(SourceError) as caught:
        apply(new_file("lib/evil"), tree)

    assert caught.value.fact == "foo 1.0: fix.patch changes 'lib/evil', and 'lib' is a link or changed itself"
    check_canary(canary)


@pytest.mark.parametrize(
    "text",
    [
        "{link}{file}",
        "{file}{link}",
        "diff --git a/old b/lib\nsimilarity index 100%\nrename from old\nrename to lib\n{file}",
    ],
    ids=["link first", "link last", "renamed link"],
)
def test_a_patch_that_creates_a_link_and_a_file_below_it_is_refused(text: str, tree: Path, canary: Path) -> None:
    (tree / "old").symlink_to(canary)

    with pytest.raises(SourceError):
        apply(text.format(link=new_link("lib", str(canary)), file=new_file("lib/evil")), tree)

    check_canary(canary)


def test_a_patch_that_changes_the_target_of_a_link_is_checked(tree: Path, canary: Path) -> None:
    (tree / "lib").symlink_to("src")
    end = "\\ No newline at end of file\n"
    change = (
        f"diff --git a/lib b/lib\nindex 1..2 120000\n--- a/lib\n+++ b/lib\n@@ -1 +1 @@\n-src\n{end}+{canary}\n{end}"
    )

    with pytest.raises(SourceError, match="creates a link that leads out of the source"):
        apply(change, tree)


def test_a_compressed_patch_is_bounded(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everywheel.sources.patch._LARGEST_PATCH", 1 << 20)
    patch = tree.parent / "fix.patch"
    patch.write_bytes(gzip.compress(bytes((1 << 20) + 1)))

    with pytest.raises(SourceError, match=r"^foo 1\.0: fix\.patch is larger than 1 MiB$"):
        apply_patch(PATCH, patch, tree)


def test_an_overlay_is_not_written_through_a_linked_folder(tree: Path, canary: Path, recipe_folder: Path) -> None:
    (tree / "lib").symlink_to(canary)

    with pytest.raises(BuildError) as caught:
        _copy_overlay(resolve(recipe_folder), tree)

    assert caught.value.details == {"reason": "a link of the source leads out of it"}
    check_canary(canary)


def test_an_overlay_replaces_a_link_instead_of_writing_through_it(
    tree: Path, canary: Path, recipe_folder: Path
) -> None:
    (tree / "lib").mkdir()
    (tree / "lib" / "file").symlink_to(canary / "file")

    _copy_overlay(resolve(recipe_folder), tree)

    assert (tree / "lib" / "file").read_text() == "overlay\n"
    assert not (tree / "lib" / "file").is_symlink()
    check_canary(canary)


def test_an_overlay_that_does_not_fit_into_the_source_is_named(tree: Path, recipe_folder: Path) -> None:
    (tree / "lib").write_text("a file")

    with pytest.raises(BuildError) as caught:
        _copy_overlay(resolve(recipe_folder), tree)

    assert caught.value.render() == (
        "error: libfoo 1.0 for manylinux_2_17_x86_64: overlay/lib/file cannot be copied over the source\n"
        "  reason: file exists in the source\n"
        "  hint: rename the file, or remove what is in its way with a patch"
    )


def test_files_of_an_overlay_have_two_modes(tree: Path, recipe_folder: Path) -> None:
    (recipe_folder / "overlay" / "run").touch(0o777)
    (recipe_folder / "overlay" / "lib" / "file").chmod(0o666)

    _copy_overlay(resolve(recipe_folder), tree)

    assert [(tree / name).stat().st_mode & 0o777 for name in ("run", "lib/file")] == [0o755, 0o644]


@pytest.mark.parametrize("link", ["include", "include/a.h"])
def test_headers_outside_of_the_source_are_not_copied(link: str, tree: Path, canary: Path, recipe_folder: Path) -> None:
    (tree / link).parent.mkdir(exist_ok=True)
    (tree / link).symlink_to(canary if link == "include" else canary / "file")

    with pytest.raises(BuildError):
        copy_headers(tree, tree.parent / "prefix", resolve(recipe_folder))

    assert not (tree.parent / "prefix").exists()


@pytest.mark.parametrize(
    ("taken", "text"),
    [
        ("include", "include exists as a file"),
        ("include/foo", "include/foo exists as a file"),
        ("include/foo/a.h/x", "include/foo/a.h exists as a folder"),
    ],
)
def test_headers_are_not_copied_over_what_exists(taken: str, text: str, tree: Path, recipe_folder: Path) -> None:
    (tree / "include").mkdir()
    (tree / "include" / "a.h").write_text("")
    prefix = tree.parent / "prefix"
    (prefix / taken).parent.mkdir(parents=True)
    (prefix / taken).write_text("")

    with pytest.raises(UsageError) as caught:
        copy_headers(tree, prefix, resolve(recipe_folder))

    assert caught.value.render() == (
        "error: libfoo 1.0 for manylinux_2_17_x86_64: the headers in 'include' cannot be copied to 'include/foo'\n"
        f"  path: {text}\n"
        f"  hint: correct [build.headers] of {recipe_folder / 'recipe.toml'}"
    )


def test_headers_that_are_links_in_the_source_are_copied_as_files(tree: Path, recipe_folder: Path) -> None:
    (tree / "include").mkdir()
    (tree / "include" / "a.h").symlink_to("../src/a.c")

    copy_headers(tree, tree.parent / "prefix", resolve(recipe_folder))

    copied = tree.parent / "prefix" / "include" / "foo" / "a.h"
    assert copied.read_text() == "one\n"
    assert not copied.is_symlink()


def test_a_license_file_outside_of_the_source_is_not_read(tree: Path, canary: Path, recipe_folder: Path) -> None:
    (tree / "LICENSE").symlink_to(canary / "file")

    with pytest.raises(BuildError) as caught:
        describe_library(resolve(recipe_folder), tree)

    assert caught.value.fact == "libfoo 1.0 for manylinux_2_17_x86_64: the license file 'LICENSE' is not in the source"
    assert str(caught.value.details["reason"]) == f"{tree}/LICENSE: is a link that leads out of the source"


def test_a_build_cannot_install_facts_about_another_library(tree: Path, recipe_folder: Path) -> None:
    prefix = tree.parent / "prefix"
    (prefix / "share" / "everywheel").mkdir(parents=True)
    (prefix / "share" / "everywheel" / "zlib.json").write_text("{}")
    (tree / "LICENSE").write_text("MIT")

    normalize_prefix(prefix, resolve(recipe_folder), tree)

    assert sorted(path.name for path in (prefix / "share" / "everywheel").iterdir()) == ["libfoo.files", "libfoo.json"]


def test_license_files_of_one_name_are_both_kept(tree: Path, recipe_folder: Path) -> None:
    recipe = resolve(recipe_folder)
    recipe = replace(recipe, license=replace(recipe.license, files=("a/LICENSE", "b/LICENSE", "NOTICE")))
    for name in recipe.license.files:
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text(name)

    assert sorted(describe_library(recipe, tree).texts) == ["NOTICE", "a-LICENSE", "b-LICENSE"]


@pytest.mark.parametrize("name", ["share", "share/everywheel/libfoo.json", "lib/pkgconfig/foo.pc"])
def test_an_installed_link_out_of_the_prefix_is_refused(
    name: str, tree: Path, canary: Path, recipe_folder: Path
) -> None:
    prefix = tree.parent / "prefix"
    (prefix / name).parent.mkdir(parents=True)
    (prefix / name).symlink_to(canary)

    with pytest.raises(BuildError) as caught:
        check_links(prefix, resolve(recipe_folder))

    assert caught.value.details == {"link": f"{name} -> {canary}"}


def test_an_installed_fifo_is_refused(tree: Path, recipe_folder: Path) -> None:
    subprocess.run(["mkfifo", tree.parent / "pipe"], check=True)

    with pytest.raises(BuildError, match=r"the build installs 'pipe', which is neither a file, a folder nor a link$"):
        check_links(tree.parent, resolve(recipe_folder))


def test_installed_links_in_the_prefix_are_kept(tree: Path, recipe_folder: Path) -> None:
    (tree / "lib").mkdir()
    (tree / "lib" / "libfoo.so").symlink_to("libfoo.so.1")
    (tree / "lib" / "foo").symlink_to("../src")

    check_links(tree, resolve(recipe_folder))


def test_installed_folders_with_names_of_files_are_removed_or_reported(tree: Path, recipe_folder: Path) -> None:
    prefix = tree.parent / "prefix"
    for name in ("lib/foo.la", "bin/tool", "lib/pkgconfig/foo.pc"):
        (prefix / name).mkdir(parents=True)

    with pytest.raises(BuildError, match=r"lib/pkgconfig/foo\.pc cannot be made relocatable$"):
        normalize_prefix(prefix, resolve(recipe_folder), tree)

    assert list((prefix / "bin").iterdir()) == []
