"""The files that a build has installed, and the products that a new recipe proposes for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.recognition.installed_library import (
    InstalledLibrary,
    join_installed,
    propose_exports,
    read_installed,
)


@pytest.mark.parametrize(
    ("symbols", "patterns"),
    [
        (("foo_open", "foo_close", "foo_close"), ("foo_*",)),
        (("foo_open",), ("foo_open",)),
        (("deflate", "inflate", "zlibVersion", "zlibCompileFlags"), ("deflate", "inflate", "zlib*")),
        (("_foo_a", "_foo_b", "__foo_c", "__foo_d"), ("__foo_*", "_foo_*")),
        (("a_x", "a_y"), ("a_x", "a_y")),
        (
            ("_ZN3foo3BarC1Ev", "_ZN3foo3BarD1Ev", "_ZNK3foo3Bar4sizeEv", "_ZTVN3foo3BarE"),
            ("_ZN3foo*", "_ZNK3foo3Bar4sizeEv", "_ZTVN3foo3BarE"),
        ),
        (("_Z4openi", "_Z4openl", "_ZTI3Bar", "_ZTS3Bar"), ("_Z4open*", "_ZTI3Bar", "_ZTS3Bar")),
        (
            (
                "_init",
                "_fini",
                "_edata",
                "__bss_start",
                "_end",
                "_ZNSt6vectorIiE4sizeEv",
                "_ZNKSs4findEv",
                "_ZTVSt9exception",
                "_Znwm",
                "_ZdaPv",
            ),
            (),
        ),
        (
            ("_ZZN4YAML4loadEvE5table", "_ZZN4YAML4saveEvE5table", "_ZGVZN4YAML4loadEvE1a", "_ZGVZN4YAML4saveEvE1a"),
            ("_ZGVZN4YAML*", "_ZZN4YAML*"),
        ),
        (("_Z99short", "_Z"), ("_Z", "_Z99short")),
        ((f"_Z{'9' * 5000}x",), (f"_Z{'9' * 5000}x",)),
    ],
)
def test_symbols_with_a_common_prefix_have_one_pattern(symbols: tuple[str, ...], patterns: tuple[str, ...]) -> None:
    assert propose_exports(symbols) == (patterns, 0)


def test_the_most_frequent_prefixes_are_proposed_and_the_others_are_counted() -> None:
    symbols = [f"name{chr(97 + number)}" for number in range(26)] + [f"other{chr(97 + number)}" for number in range(26)]

    patterns, uncovered = propose_exports([*symbols, "foo_a", "foo_b"])

    assert (len(patterns), uncovered, "foo_*" in patterns) == (40, 13, True)


def test_symbols_that_a_recipe_cannot_name_are_counted() -> None:
    assert propose_exports(["foo_a", "foo_b", "größe_a", 'a"b', ""]) == (("foo_*",), 3)


def write(prefix: Path, *names: str, text: str = "") -> None:
    for name in names:
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).write_text(text)


def test_the_files_of_a_static_build_are_read(tmp_path: Path) -> None:
    write(tmp_path, "lib/libfoo.a", "lib/pkgconfig/foo.pc", "share/pkgconfig/bar.pc", "lib/foo.txt", "share/foo/x.h")
    write(
        tmp_path,
        "include/foo.h",
        text="#define FOO_HAVE_ZLIB 1\n#define FOO_WITH_X\n# define FOO_SUPPORT_Y 0\n#define ALSO_BEHAVE 1\n",
    )

    assert read_installed(tmp_path, "libfoo", is_shared=False) == InstalledLibrary(
        libraries=("foo",),
        headers=("include/foo.h",),
        pkgconfig=("foo", "bar"),
        features=("FOO_HAVE_ZLIB", "FOO_WITH_X"),
    )
    assert read_installed(tmp_path, "libfoo", is_shared=True).libraries == ()
    assert read_installed(tmp_path / "missing", "libfoo", is_shared=True) == InstalledLibrary()


def test_files_in_folders_next_to_libraries_and_names_that_no_recipe_can_have_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "lib/libfoo/plugin.a", "lib/libfoo.a", "lib/lib{x}.a", "include/{x}.h", "lib/pkgconfig/x/y.pc")

    assert read_installed(tmp_path, "foo", is_shared=False) == InstalledLibrary(libraries=("foo",))


def test_a_long_name_of_a_macro_is_read_in_a_short_time(tmp_path: Path) -> None:
    write(tmp_path, "include/foo.h", text=f"#define {'HAVE_' * 400_000} 2\n#define FOO_HAVE_X\n")

    assert read_installed(tmp_path, "foo", is_shared=False).features == ("FOO_HAVE_X",)


def test_of_many_headers_those_that_are_named_like_the_library_are_proposed(tmp_path: Path) -> None:
    write(tmp_path, *(f"include/foo/part{number}.h" for number in range(9)), "include/foo/foo.h")
    named = read_installed(tmp_path, "libfoo", is_shared=False)
    other = read_installed(tmp_path, "bar", is_shared=False)

    assert named.headers == ("include/foo/foo.h",)
    assert other.headers == ("include/foo/foo.h", "include/foo/part0.h")


def test_a_shared_library_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "lib/libfoo.so", text="\x7fELF")
    write(tmp_path, "lib/libbar.so", text="INPUT(libfoo.so)")

    assert read_installed(tmp_path, "foo", is_shared=True).libraries == ()


def test_what_both_builds_install_is_promised() -> None:
    static = InstalledLibrary(libraries=("foo", "foo_extra"), headers=("a.h", "b.h"), pkgconfig=("foo", "static"))
    shared = InstalledLibrary(
        libraries=("foo",), headers=("a.h",), pkgconfig=("foo",), sonames={"foo": "libfoo.so.1"}, exports=("foo_*",)
    )
    further = replace(shared, libraries=("foo", "bar"), sonames={**shared.sonames, "bar": "libbar.so.1"})

    assert join_installed(static, shared) == shared
    assert join_installed(static, further) == shared
    assert join_installed(static, InstalledLibrary()) == static
    assert join_installed(InstalledLibrary(headers=("a.h",)), shared) == shared
