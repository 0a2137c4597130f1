"""The `[source]` table of a recipe: patches of archives and single patches in order, and the message of each error in it."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.config.source import DebianFile, Patch, PatchArchive
from everywheel.config.source_loader import load_source
from everywheel.config.toml_reader import Table
from everywheel.errors import UsageError

A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
TEXT = f"""\
urls = ["https://example.org/foo-{{version}}.tar.gz"]
sha256 = "{A}"
sha1 = "{"1" * 40}"

[[patches]]
name = "single.patch"
debian = {{ package = "foo", file = "foo_{{version}}-1.diff.gz" }}
sha256 = "{B}"
fixes = ["foo#12"]

[[patch-archives]]
debian = {{ package = "foo", file = "foo_{{version}}-2.debian.tar.xz" }}
sha256 = "{C}"
size = 12
patches = [{{ file = "debian/patches/a.patch", sha256 = "{D}", size = 3, fixes = ["CVE-2026-1", "CVE-2026-2"] }}]
"""


def load(text: str) -> Table:
    return Table(tomllib.loads(text), Path("recipe.toml"), "source")


def test_the_patches_of_archives_come_before_single_patches() -> None:
    source = load_source(load(TEXT), "1.0")

    debian = DebianFile(package="foo", file="foo_1.0-2.debian.tar.xz")
    archive = PatchArchive(filename=debian.file, sha256=C, size=12, debian=debian)
    assert source.sha1 == "1" * 40
    assert source.patches == (
        Patch(
            name="a.patch",
            sha256=D,
            size=3,
            fixes=("CVE-2026-1", "CVE-2026-2"),
            archive=archive,
            file="debian/patches/a.patch",
        ),
        Patch(
            name="single.patch",
            sha256=B,
            fixes=("foo#12",),
            debian=DebianFile(package="foo", file="foo_1.0-1.diff.gz"),
        ),
    )


def test_the_packaging_has_the_revision_of_the_patches() -> None:
    table = {"package": "foo", "file": "foo_1.0+dfsg.orig.tar.xz"}

    source = load_source(
        load(TEXT + "[debian]\n" + "".join(f'{key} = "{text}"\n' for key, text in table.items())), "1.0"
    )

    assert source.packaging == "pkg:deb/debian/foo@1.0-2?arch=source"
    assert replace(source, patches=()).packaging == "pkg:deb/debian/foo@1.0%2Bdfsg?arch=source"
    assert replace(source, patches=(), debian=None).packaging == ""


def test_the_label_of_a_patch_has_every_cve_that_it_fixes() -> None:
    fixes = ("CVE-2026-1", "CVE-2026-2", "foo#3")

    assert Patch(name="a.patch", sha256=A, fixes=fixes).label == "a.patch (CVE-2026-1, CVE-2026-2)"
    assert Patch(name="CVE-2026-1 and CVE-2026-2", sha256=A, fixes=fixes).label == "CVE-2026-1 and CVE-2026-2"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "1" * 40,
            "1" * 39,
            f"error: recipe.toml: [source]: 'sha1' must be 40 lower-case hex digits\n  value: {'1' * 39}\n"
            "  hint: `sha1sum ARCHIVE` prints it",
        ),
        (
            "foo_{version}-1.diff.gz",
            "debian/patches/a.patch",
            "error: recipe.toml: [source.patches.debian] of [[source.patches]] 1: "
            "'file' must be a name without slashes, wildcards, backslashes and braces\n"
            "  value: 'debian/patches/a.patch'\n  hint: the toolkit adds the directory",
        ),
        (
            'debian = { package = "foo", file = "foo_{version}-1.diff.gz" }',
            "",
            "error: recipe.toml: [[source.patches]] 1: neither 'urls' nor 'debian' names a location of 'single.patch'\n"
            '  hint: add `urls = ["https://…"]`, or `debian = { package = "…", file = "…" }`',
        ),
        (
            'debian = { package = "foo", file = "foo_{version}-2.debian.tar.xz" }',
            "",
            "error: recipe.toml: [[source.patch-archives]] 1: neither 'urls' nor 'debian' names a location of the archive\n"
            '  hint: add `urls = ["https://…"]`, or `debian = { package = "…", file = "…" }`',
        ),
        (
            TEXT[TEXT.index("patches = [{") :],
            "patches = []\n",
            "error: recipe.toml: [[source.patch-archives]] 1: no patch of 'foo_1.0-2.debian.tar.xz' is listed\n"
            '  hint: add `patches = [{ file = "debian/patches/…", sha256 = "…" }]`',
        ),
        (
            D,
            B,
            f"error: recipe.toml: [source]: 'single.patch' has the hash of 'a.patch'\n  sha256: {B}\n"
            "  hint: each patch is listed once, in the order in which the patches are applied",
        ),
        (
            "debian/patches/a.patch",
            "../a.patch",
            "error: recipe.toml: [[source.patch-archives.patches]] 1 of [[source.patch-archives]] 1: "
            "'file' must be a relative path without `..`, "
            "wildcards, backslashes and braces\n  value: '../a.patch'\n"
            "  hint: paths are relative to the source or the prefix, and stay in it",
        ),
        (
            "foo#12",
            "bug 12",
            "error: recipe.toml: [[source.patches]] 1: 'fixes' must be the number of a CVE or a bug\n  value: 'bug 12'\n"
            '  hint: such as `fixes = ["CVE-2025-64505", "glib#3916"]`',
        ),
    ],
    ids=["sha1", "path in a package", "no location", "no location of an archive", "no patch", "twice", "path", "fixes"],
)
def test_an_error_names_its_table_and_key(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(UsageError) as caught:
        load_source(load(TEXT.replace(old, new)), "1.0")

    assert caught.value.render() == message
