"""Relocating pkg-config files."""

from __future__ import annotations

from everywheel.libraries.prefix import relocate_pkgconfig

PC = """prefix=/everywheel
libdir=/everywheel/lib

Name: foo
Requires: glib-2.0 >= 2.52
Requires.private: zlib
Libs: -L${libdir} -lfoo
Libs.private: -lm
"""


def test_the_file_of_an_archive_keeps_its_private_requirements() -> None:
    text = relocate_pkgconfig(PC, shared=False)

    assert text == PC.replace("prefix=/everywheel", "prefix=${pcfiledir}/../..").replace("=/everywheel/", "=${prefix}/")


def test_the_file_of_a_shared_library_links_no_library_that_is_inside_it() -> None:
    text = relocate_pkgconfig(PC, shared=True)

    assert text.splitlines()[4:] == ["Libs: -L${libdir} -lfoo", "Requires.private: glib-2.0 >= 2.52, zlib"]
