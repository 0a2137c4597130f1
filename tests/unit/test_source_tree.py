"""The source tree of a library: the archive, the pinned patches, the recipe's own patches, and the overlay."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from typing import Any, cast

import pytest
from everywheel.config.recipe import Linkage
from everywheel.config.recipe_loader import load_recipe
from everywheel.config.recipe_resolver import resolve_recipe
from everywheel.errors import BuildError, SourceError
from everywheel.libraries.context import BuildContext
from everywheel.libraries.source_tree import prepare_source, stage_patched_source
from everywheel.planning.steps import LibraryStep, StepKind
from everywheel.platforms.target import parse_target
from everywheel.store.local import Store

TEXT = """
name = "libfoo"
version = "1.0"
summary = "Foo"
license = {{ spdx = "MIT", files = ["a.c"] }}
[source]
urls = ["https://example.org/foo-1.0.tar"]
sha256 = "{archive}"
[[source.patches]]
name = "pinned.patch"
urls = ["https://example.org/pinned.patch"]
sha256 = "{pinned}"
[build]
system = "meson"
[products]
libraries = ["foo"]
"""


def change(old: str, new: str) -> str:
    return f"--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-{old}\n+{new}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recipe with a pinned patch, two of its own, and an overlay; and its archive and pinned patch in `sources`."""
    tree, folder, sources = tmp_path / "tree" / "foo-1.0", tmp_path / "libfoo", tmp_path / "sources"
    for directory in (tree, folder / "patches", folder / "overlay", sources):
        directory.mkdir(parents=True)
    (tree / "a.c").write_text("one\n")
    with tarfile.open(sources / "archive", "w") as archive:
        archive.add(tree, "foo-1.0")
    (sources / "pinned").write_text(change("one", "two"))
    (folder / "patches" / "1.patch").write_text(change("two", "three"))
    (folder / "patches" / "2.patch").write_text(change("three", "four"))
    (folder / "patches" / "README").write_text("not a patch\n")
    (folder / "overlay" / "meson.build").write_text("project('foo')\n")
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sources.iterdir()}
    (folder / "recipe.toml").write_text(TEXT.format(**digests))
    return folder


def make_context(folder: Path) -> BuildContext:
    paths = (folder.parent / "sources").iterdir()
    sources = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in paths}
    unused = cast(Any, None)
    return BuildContext(
        store=Store(folder.parent / "store"),
        logs=folder.parent / "logs",
        engine=unused,
        tools=unused,
        sources=sources,
        environment={},
    )


def read(folder: Path) -> LibraryStep:
    """Return the step of the recipe; its key has the hashes of the recipe's files, as the real one has."""
    target = parse_target("manylinux2014_x86_64")
    recipe = resolve_recipe(load_recipe(folder / "recipe.toml"), target, linkage=Linkage.SHARED)
    return LibraryStep(
        id="libfoo",
        key=hashlib.sha256(repr(recipe.files).encode()).hexdigest(),
        kind=StepKind.LIBRARY,
        platform=target.tag,
        target=target,
        recipe=recipe,
        link=(),
        direct_link=(),
        programs=(),
    )


def test_own_patches_come_after_pinned_ones_in_the_order_of_their_names(folder: Path, tmp_path: Path) -> None:
    prepare_source(make_context(folder), read(folder), tmp_path / "source")

    assert (tmp_path / "source" / "a.c").read_text() == "four\n"
    assert sorted(path.name for path in (tmp_path / "source").iterdir()) == ["a.c", "meson.build"]


def test_a_staged_source_includes_the_recipes_own_patches(folder: Path, tmp_path: Path) -> None:
    context = make_context(folder)
    stage_patched_source(context.store, read(folder), context.sources)
    (folder / "patches" / "2.patch").write_text(change("three", "five"))
    stage_patched_source(context.store, read(folder), context.sources)

    prepare_source(context, read(folder), tmp_path / "source")

    assert (tmp_path / "source" / "a.c").read_text() == "five\n"


def test_a_damaged_staged_source_is_not_used(folder: Path, tmp_path: Path) -> None:
    context = make_context(folder)
    stage_patched_source(context.store, read(folder), context.sources)
    (packed,) = (context.store.root / "artifacts").glob("*.tar.gz")
    packed.write_bytes(packed.read_bytes()[:-1] + b"x")

    prepare_source(context, read(folder), tmp_path / "source")

    assert (tmp_path / "source" / "a.c").read_text() == "four\n"
    assert list((context.store.root / "artifacts").iterdir()) == []


def test_an_own_patch_that_does_not_apply_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "patches" / "1.patch").write_text(change("zwei", "drei"))

    with pytest.raises(SourceError) as caught:
        prepare_source(make_context(folder), read(folder), tmp_path / "source")

    assert caught.value.render() == (
        "error: libfoo 1.0: patches/1.patch does not apply (exit 1)\n"
        "  command: git apply -p1 '--exclude=debian/*' --whitespace=nowarn -\n"
        "  | error: patch failed: a.c:1\n"
        "  | error: a.c: patch does not apply\n"
        f"  hint: move it out of {folder / 'patches'}, and make it again in `everywheel shell libfoo` with "
        "`diff -ruN source changed`, where `changed` is a copy of `source`: paths have one leading part (`-p1`)"
    )


def test_a_patch_that_changes_while_the_build_runs_is_an_error(folder: Path, tmp_path: Path) -> None:
    resolved = read(folder)
    (folder / "patches" / "2.patch").write_text(change("three", "five"))

    with pytest.raises(BuildError) as caught:
        prepare_source(make_context(folder), resolved, tmp_path / "source")

    assert caught.value.render() == (
        "error: libfoo 1.0 for manylinux_2_17_x86_64: the recipe was changed while the build ran\n"
        f"  file: {folder / 'patches' / '2.patch'}\n"
        "  hint: run the build again"
    )
