"""Prefixes: the facts about their libraries, as they are written and read, and their pkg-config files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.config.recipe import Linkage, resolve_recipe
from everywheel.config.recipe_loader import load_recipe
from everywheel.errors import BuildError
from everywheel.libraries.prefix import Library, describe_library, load_libraries, relocate_pkgconfig, write_library
from everywheel.platforms.target import parse_target

RECIPES = Path(__file__).parents[2] / "recipes"
LIBRARY = Library(
    name="foo",
    version="1.2",
    license="Zlib",
    linkage="shared",
    requires=("bar",),
    files=("libfoo", "libfoomux"),
    exports=("foo_*",),
    url="https://example.org/foo.tgz",
    sha256="ab",
    patches=("one.patch",),
    texts={"doc/COPYING": b"license"},
    features=("x",),
)

PC = """prefix=/everywheel
libdir=/everywheel/lib

Name: foo
Requires: glib-2.0 >= 2.52
Requires.private: zlib
Libs: -L${libdir} -lfoo
Libs.private: -lm
"""


@pytest.mark.parametrize("library", [LIBRARY, replace(LIBRARY, exports=None, requires=(), patches=())])
def test_a_library_is_read_as_it_was_written(tmp_path: Path, library: Library) -> None:
    write_library(library, tmp_path)

    assert load_libraries(tmp_path) == (library,)


def test_a_recipe_without_export_patterns_declares_no_exports(tmp_path: Path) -> None:
    recipe = resolve_recipe(
        load_recipe(RECIPES / "zlib" / "recipe.toml"), parse_target("manylinux2014_x86_64"), linkage=Linkage.STATIC
    )
    silent = replace(recipe, products=replace(recipe.products, exports=()))
    for name in recipe.license.files:
        (tmp_path / name).write_text("license")

    library = describe_library(silent, tmp_path)

    assert library.exports is None
    assert (library.files, library.linkage, library.texts) == (
        ("libz",),
        "static",
        dict.fromkeys(recipe.license.files, b"license"),
    )


def test_features_are_not_part_of_the_serial_number_of_an_sbom() -> None:
    """The number is computed from `repr`: wheels built by earlier versions keep theirs."""
    assert repr(replace(LIBRARY, features=())) == repr(LIBRARY)
    assert repr(LIBRARY) == (
        "Library(name='foo', version='1.2', license='Zlib', linkage='shared', requires=('bar',), "
        "files=('libfoo', 'libfoomux'), exports=('foo_*',), url='https://example.org/foo.tgz', sha256='ab', "
        "patches=('one.patch',), texts={'doc/COPYING': b'license'})"
    )


def test_recipes_can_be_left_out(tmp_path: Path) -> None:
    write_library(LIBRARY, tmp_path)

    assert load_libraries(tmp_path, exclude=("foo",)) == ()


def test_a_library_without_a_license_text_is_an_error(tmp_path: Path) -> None:
    write_library(replace(LIBRARY, texts={}), tmp_path)

    with pytest.raises(BuildError) as caught:
        load_libraries(tmp_path)

    assert caught.value.render() == (
        "error: foo 1.2: no license text in the prefix\n"
        f"  folder: {tmp_path / 'share' / 'licenses' / 'foo'}\n"
        "  hint: list the files that contain it in `license.files` of its recipe"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"name": "foo"}', "missing 3 required keyword-only arguments: 'version', 'license', and 'linkage'"),
        ('{"name": ', "Expecting value: line 1 column 10 (char 9)"),
        ('["foo"]', "'list' object has no attribute 'items'"),
    ],
)
def test_damaged_facts_are_an_error(tmp_path: Path, text: str, reason: str) -> None:
    write_library(LIBRARY, tmp_path)
    record = tmp_path / "share" / "everywheel" / "foo.json"
    record.write_text(text)

    with pytest.raises(BuildError) as caught:
        load_libraries(tmp_path)

    assert caught.value.fact == "foo.json in the prefix cannot be read"
    assert caught.value.details["file"] == record
    assert reason in str(caught.value.details["reason"])


def test_the_file_of_an_archive_keeps_its_private_requirements() -> None:
    text = relocate_pkgconfig(PC, shared=False)

    assert text == PC.replace("prefix=/everywheel", "prefix=${pcfiledir}/../..").replace("=/everywheel/", "=${prefix}/")


def test_the_file_of_a_shared_library_links_no_library_that_is_inside_it() -> None:
    text = relocate_pkgconfig(PC, shared=True)

    assert text.splitlines()[4:] == ["Libs: -L${libdir} -lfoo", "Requires.private: glib-2.0 >= 2.52, zlib"]
