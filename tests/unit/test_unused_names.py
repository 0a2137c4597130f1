"""Names of a recipe that its build system does not know, read from the output of the configuration."""

from __future__ import annotations

from everywheel.config.recipe import Build, BuildSystem
from everywheel.libraries.unused_names import find_unused_names

# The ends of the outputs of CMake and of a configure script of autoconf.
CMAKE = """-- Configuring done (0.9s)
-- Generating done (0.0s)
CMake Warning:
  Manually-specified variables were not used by the project:

    FETCHCONTENT_FULLY_DISCONNECTED
    NOSUCH


-- Build files have been written to: /store/work/libfoo/build
"""
CONFIGURE = """configure: creating ./config.status
config.status: creating Makefile
configure: WARNING: unrecognized options: --enable-fats, --disable-doc, --without-zlip, --with-cash, --with-pic
"""


def test_cmake_names_the_variables_that_it_does_not_use() -> None:
    build = Build(system=BuildSystem.CMAKE, enable=("SIMD", "NOSUCH"), options={"LEVEL": 1})

    assert find_unused_names(build, CMAKE) == ["NOSUCH"]
    assert find_unused_names(build, CMAKE.replace("NOSUCH", "OTHER")) == []


def test_a_configure_script_names_the_options_that_it_does_not_know() -> None:
    build = Build(
        system=BuildSystem.AUTOTOOLS,
        enable=("fats", "fast"),
        disable=("doc", "with-zlip", "with-zlib"),
        options={"with-cash": "4", "ac_cv_func_mmap": "no"},
    )

    assert find_unused_names(build, CONFIGURE) == ["fats", "doc", "with-zlip", "with-cash"]


def test_other_outputs_name_nothing() -> None:
    assert find_unused_names(Build(system=BuildSystem.MESON, enable=("NOSUCH",)), CMAKE) == []
    assert find_unused_names(Build(system=BuildSystem.CMAKE, enable=("NOSUCH",)), "-- Configuring done\n") == []
