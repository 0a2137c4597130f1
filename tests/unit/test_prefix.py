"""Prefixes: the facts about their libraries, as they are written and read, and their pkg-config files."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.config.recipe import Linkage
from everywheel.config.recipe_loader import load_recipe
from everywheel.config.recipe_resolver import resolve_recipe
from everywheel.errors import BuildError
from everywheel.libraries.library_facts import (
    Library,
    find_installers,
    list_prefix_files,
    load_libraries,
    write_library,
)
from everywheel.libraries.prefix import describe_library, normalize_prefix, relocate_pkgconfig
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

RECORD = '{"name": "foo", "version": "1.2", "license": "Zlib", "linkage": "shared", "files": ["libfoo"]}'
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


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ((), "none"),
        (("COPYING.txt", "Notice", "README"), "COPYING.txt, Notice"),
        (("a/b/LICENSE", "lib/LICENSE", "Notice"), "Notice, lib/LICENSE, a/b/LICENSE"),
    ],
)
def test_the_error_for_a_missing_license_file_names_files_that_may_be_it(
    tmp_path: Path, files: tuple[str, ...], named: str
) -> None:
    recipe = resolve_recipe(
        load_recipe(RECIPES / "zlib" / "recipe.toml"), parse_target("manylinux2014_x86_64"), linkage=Linkage.STATIC
    )
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")

    with pytest.raises(BuildError) as caught:
        describe_library(recipe, tmp_path)

    assert caught.value.fact == f"{recipe.label}: the license file '{recipe.license.files[0]}' is not in the source"
    assert caught.value.details == {"named like a license": named}
    assert caught.value.hint == (
        "correct `files` in `license` of the recipe; if the source has no license file, add one in `overlay/`"
    )


def test_features_are_not_part_of_the_serial_number_of_an_sbom() -> None:
    """The number is computed from `repr`: wheels built by earlier versions keep theirs."""
    assert repr(replace(LIBRARY, features=())) == repr(LIBRARY)
    assert repr(LIBRARY) == (
        "Library(name='foo', version='1.2', license='Zlib', linkage='shared', requires=('bar',), "
        "files=('libfoo', 'libfoomux'), exports=('foo_*',), url='https://example.org/foo.tgz', sha256='ab', "
        "patches=('one.patch',), cpe='', packaging='', texts={'doc/COPYING': b'license'})"
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
        ('{"name": "foo"}', "no key 'version'"),
        ('{"name": ', "not JSON: expecting value in line 1"),
        ('["foo"]', "not a JSON object"),
        ("[" * 100_000, "nested too deeply"),
        (RECORD.replace("Zlib", "Zlib', 'MIT"), None),
        (RECORD.replace('"1.2"', '{"a": "b"}'), "'version' is not a string"),
        (RECORD.replace('"1.2"', "null"), "'version' is not a string"),
        (RECORD.replace('["libfoo"]', '"libfoo"'), "'files' is not a list of strings"),
        (RECORD.replace('["libfoo"]', "[1]"), "'files' is not a list of strings"),
        (RECORD.replace('["libfoo"]', "null"), "'files' is not a list of strings"),
        (RECORD.replace('"files"', '"file"'), "unknown key 'file'"),
        (RECORD.replace('"foo"', '"bar"'), "'name' is 'bar'"),
        (
            RECORD.replace('"foo"', '".."'),
            "'name' is not a name of letters, digits and `.`, `_`, `+`, `-` that a folder can have on every system",
        ),
        (
            RECORD.replace('"1.2"', '"1\\n2"'),
            "'version' is not a version of letters, digits and `.`, `_`, `+`, `~`, `!`, `-`, without a dot at its end",
        ),
        (RECORD.replace("Zlib", "\\ud800"), "'license' contains a surrogate"),
        (RECORD.replace('["libfoo"]', '["\\ud800"]'), "'files' contains a surrogate"),
        (RECORD.replace('["libfoo"]', "9" * 5000), "not JSON: a number has too many digits"),
    ],
)
def test_damaged_facts_are_an_error(tmp_path: Path, text: str, reason: str | None) -> None:
    write_library(LIBRARY, tmp_path)
    record = tmp_path / "share" / "everywheel" / "foo.json"
    record.write_text(text)

    if reason is None:
        assert load_libraries(tmp_path)[0].license == "Zlib', 'MIT"
        return
    with pytest.raises(BuildError) as caught:
        load_libraries(tmp_path)

    assert caught.value.render() == (
        "error: foo.json in the prefix cannot be read\n"
        f"  file: {record}\n"
        f"  reason: {reason}\n"
        "  hint: `everywheel deps --output-dir DIR` writes a new prefix; name an empty directory"
    )


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_outside_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def make_socket(path: Path) -> None:
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("share/licenses/foo/doc/COPYING", make_fifo, "is a FIFO, not a file"),
        ("share/licenses/foo/doc/COPYING", make_socket, "is a socket, not a file"),
        ("share/licenses/foo/doc/COPYING", make_outside_link, "is a link that leads out of the folder"),
        ("share/everywheel/foo.json", make_fifo, "is a FIFO, not a file"),
        ("share/everywheel/foo.json", make_outside_link, "is a link that leads out of the prefix"),
        ("share/everywheel/bar.txt", make_device, "is a device, not a file"),
    ],
)
def test_facts_and_license_texts_are_files_of_the_prefix(
    tmp_path: Path, name: str, make: Callable[[Path], None], reason: str
) -> None:
    write_library(LIBRARY, tmp_path)
    path = tmp_path / name
    path.unlink(missing_ok=True)
    make(path)

    with pytest.raises(BuildError) as caught:
        load_libraries(tmp_path)

    assert f"  reason: {path}: {reason}" in caught.value.render().splitlines()


@pytest.mark.parametrize(
    ("name", "shown", "fault"),
    [
        ("a\x1b\nb", "a\\x1b\\nb", "contains control characters"),
        ("a\\..\\b", "a\\..\\b", "leads out of the directory"),
    ],
)
def test_a_license_text_whose_name_no_wheel_may_have_is_refused(
    tmp_path: Path, name: str, shown: str, fault: str
) -> None:
    write_library(replace(LIBRARY, texts={name: b"x"}), tmp_path)

    with pytest.raises(BuildError) as caught:
        load_libraries(tmp_path)

    folder = tmp_path / "share" / "licenses" / "foo"
    assert f"  reason: {folder}/{shown}: the name {fault}" in caught.value.render().splitlines()


def test_a_license_folder_outside_of_the_prefix_is_not_read(tmp_path: Path) -> None:
    write_library(LIBRARY, tmp_path / "other")
    write_library(replace(LIBRARY, texts={}), tmp_path / "prefix")
    folder = tmp_path / "prefix" / "share" / "licenses"
    folder.mkdir()
    (folder / "foo").symlink_to(tmp_path / "other" / "share" / "licenses" / "foo")

    with pytest.raises(BuildError) as caught:
        load_libraries(tmp_path / "prefix")

    assert str(caught.value.details["reason"]) == f"{folder / 'foo'}: is a link that leads out of the prefix"


@pytest.mark.parametrize("make", [make_fifo, make_device, make_socket])
def test_a_special_file_among_libraries_is_named(tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libfoo.so").write_bytes(b"")
    make(tmp_path / "lib" / "libfoo.so.1")

    with pytest.raises(BuildError) as caught:
        list_prefix_files(tmp_path, "lib")

    assert str(tmp_path / "lib" / "libfoo.so.1") in str(caught.value.details["reason"])


def test_files_of_a_prefix_may_be_links_and_folders_are_not_files(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"x")
    (tmp_path / "lib" / "libbar.so").mkdir(parents=True)
    (tmp_path / "lib" / "libfoo.so").symlink_to("../outside")
    (tmp_path / "lib" / "libgone.so").symlink_to("missing")

    assert list_prefix_files(tmp_path, "lib") == [tmp_path / "lib" / "libfoo.so"]
    assert list_prefix_files(tmp_path, "bin") == []


def test_the_file_of_an_archive_keeps_its_private_requirements() -> None:
    text = relocate_pkgconfig(PC, shared=False)

    assert text == PC.replace("prefix=/everywheel", "prefix=${pcfiledir}/../..").replace("=/everywheel/", "=${prefix}/")


def test_the_file_of_a_shared_library_links_no_library_that_is_inside_it() -> None:
    text = relocate_pkgconfig(PC, shared=True)

    assert text.splitlines()[4:] == ["Libs: -L${libdir} -lfoo", "Requires.private: glib-2.0 >= 2.52, zlib"]


def test_the_file_of_a_shared_library_requires_other_shared_libraries_of_its_recipe() -> None:
    text = PC.replace("Requires: glib-2.0 >= 2.52", "Requires: bar = 1.2 glib-2.0>=2.52,foo-core").replace(
        "zlib", "zlib, inner"
    )

    own = relocate_pkgconfig(text, {"foo", "foo-core", "bar", "inner"}, shared=True)

    assert own.splitlines()[4:] == [
        "Libs: -L${libdir} -lfoo",
        "Requires: bar = 1.2, foo-core",
        "Requires.private: glib-2.0 >= 2.52, zlib, inner",
    ]
    assert relocate_pkgconfig(own, {"bar", "foo-core"}, shared=True) == own


def test_a_comment_after_requirements_is_left_out_and_a_continued_line_is_joined() -> None:
    text = PC.replace("Requires: glib-2.0 >= 2.52", "Requires: bar \\\n  glib-2.0 >= 2.52 # for its types")

    own = relocate_pkgconfig(text, {"bar"}, shared=True)

    assert own.splitlines()[5:] == ["Requires: bar", "Requires.private: glib-2.0 >= 2.52, zlib"]


@pytest.mark.parametrize("linkage", [Linkage.SHARED, Linkage.STATIC])
def test_a_prefix_has_the_list_of_its_files_and_pkgconfig_files_know_each_other(
    tmp_path: Path, linkage: Linkage
) -> None:
    recipe = resolve_recipe(
        load_recipe(RECIPES / "zlib" / "recipe.toml"), parse_target("manylinux2014_x86_64"), linkage=linkage
    )
    for name in recipe.license.files:
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_text("license")
    prefix = tmp_path / "prefix"
    for name in ("lib/pkgconfig/foo.pc", "share/pkgconfig/bar.pc", "share/foo/a b.txt", "share/doc/foo.txt", "bin/foo"):
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).write_text("Name: foo\nRequires: bar, glib-2.0\n" if name.endswith("foo.pc") else "")

    (prefix / "lib" / "pkgconfig" / "foo.pc").write_text(
        "Name: foo\nRequires: bar, glib-2.0\nLibs: -lstdc++ -lstdc++fs\n"
    )

    normalize_prefix(prefix, recipe, tmp_path / "source", "c++")

    installed = ["lib/pkgconfig/foo.pc", "share/foo/a b.txt", "share/pkgconfig/bar.pc"]
    assert (prefix / "share" / "everywheel" / "zlib.files").read_text().split("\0") == [*installed, ""]
    assert find_installers(prefix, ["share/foo/a b.txt", "share/foo/other.txt"]) == {"zlib": ("share/foo/a b.txt",)}
    requires = "Requires: bar\nRequires.private: glib-2.0" if linkage is Linkage.SHARED else "Requires: bar, glib-2.0"
    text = (prefix / "lib" / "pkgconfig" / "foo.pc").read_text()
    assert sorted(text.splitlines()) == sorted(["Name: foo", *requires.splitlines(), "Libs: -lc++ -lstdc++fs"])


def test_compiler_flags_of_an_archive_are_not_in_the_file_of_a_shared_library() -> None:
    text = "prefix=/everywheel\nName: foo\nCflags: -I${prefix}/include\nCflags.private: -DFOO_STATIC\nLibs: -lfoo\n"

    assert "Cflags.private: -DFOO_STATIC\n" in relocate_pkgconfig(text, shared=False)
    assert relocate_pkgconfig(text, shared=True).splitlines()[1:] == [
        "Name: foo",
        "Cflags: -I${prefix}/include",
        "Libs: -lfoo",
    ]


def test_every_variable_of_a_pkgconfig_file_is_relative_to_the_file() -> None:
    text = relocate_pkgconfig(
        "prefix=/everywheel\nexec_prefix=/everywheel\nlibdir=${exec_prefix}/lib\nshare = /everywheel/share\n"
        "other=/opt/everywheel/lib\nprogram=/everywheel-tools\nempty=\n\nName: foo\n"
        "Libs: -L/everywheel/lib -L/everywheel -lfoo\nCflags: -I/everywheel/include/foo\n",
        shared=False,
    )

    assert text == (
        "prefix=${pcfiledir}/../..\nexec_prefix=${prefix}\nlibdir=${exec_prefix}/lib\nshare = ${prefix}/share\n"
        "other=/opt/everywheel/lib\nprogram=/everywheel-tools\nempty=\n\nName: foo\n"
        "Libs: -L${prefix}/lib -L${prefix} -lfoo\nCflags: -I${prefix}/include/foo\n"
    )


def test_a_pkgconfig_file_without_the_variable_prefix_gets_it() -> None:
    text = "libdir=/everywheel/lib\nName: foo\nLibs: -L${libdir} -lfoo\n"

    relocated = relocate_pkgconfig(text, shared=False)

    assert relocated == f"prefix=${{pcfiledir}}/../..\n{text.replace('/everywheel', '${prefix}')}"
    assert relocate_pkgconfig(relocated, shared=False) == relocated
    assert relocate_pkgconfig("Name: foo\nLibs: -lfoo\n", shared=False) == "Name: foo\nLibs: -lfoo\n"


def test_a_pkgconfig_file_passes_no_folder_of_the_build_machine_on() -> None:
    text = relocate_pkgconfig(
        "prefix=/everywheel\nName: foo\nLibs: -L${prefix}/lib -L/usr/lib/x86_64-linux-gnu -lfoo\n"
        "Libs.private: -L/usr/local/lib -lz\nCflags: -I${prefix}/include -I/usr/include\n",
        shared=False,
    )

    assert text.splitlines()[2:] == [
        "Libs: -L${prefix}/lib -lfoo",
        "Libs.private: -lz",
        "Cflags: -I${prefix}/include",
    ]
