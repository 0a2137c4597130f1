"""Meson's cross file and native file (https://mesonbuild.com/Machine-files.html)."""

from __future__ import annotations

from collections.abc import Sequence

from everywheel.platforms.target import Target
from everywheel.toolchains.toolchain import Toolchain

# Every requirement of a recipe has a pkg-config file. With a real cmake, Meson would also look for CMake packages
# (https://github.com/mesonbuild/meson/issues/7898). CMake then tests the C++ compiler, for which zig compiles libc++: up to
# a minute for each target.
_NO_CMAKE = "cmake-is-disabled"


def render_cross_file(toolchain: Toolchain) -> str:
    """Return the cross file: the compilers, flags and architecture of the target."""
    arch = toolchain.target.arch
    compile_flags, link_flags = _quote_array(toolchain.compile_flags), _quote_array(toolchain.link_flags)
    cxx_flags = _quote_array(toolchain.compile_flags + toolchain.cxx_flags)
    return f"""[binaries]
c = '{_path(toolchain, "cc")}'
cpp = '{_path(toolchain, "c++")}'
ar = '{_path(toolchain, "ar")}'
ranlib = '{_path(toolchain, "ranlib")}'
pkg-config = '{_path(toolchain, "pkg-config")}'
dlltool = '{_path(toolchain, "dlltool")}'
windres = '{_path(toolchain, "windres")}'
cmake = '{_NO_CMAKE}'

[built-in options]
c_args = {compile_flags}
cpp_args = {cxx_flags}
c_link_args = {link_flags}
cpp_link_args = {link_flags}

[properties]
needs_exe_wrapper = {str(not toolchain.runs_target).lower()}
longdouble_format = '{name_long_double(toolchain.target)}'

[host_machine]
system = '{toolchain.target.os}'
cpu_family = '{arch.meson_family}'
cpu = '{arch.zig}'
endian = '{arch.endian}'
"""


def name_long_double(target: Target) -> str:
    """Return numpy's name of the format of `long double`, which it cannot find out by running a program of the target."""
    bits, size = target.long_double
    names = {53: "IEEE_DOUBLE", 64: f"INTEL_EXTENDED_{size}_BYTES", 113: "IEEE_QUAD"}
    return f"{names[bits]}_{'LE' if target.arch.endian == 'little' else 'BE'}"


def render_native_file(toolchain: Toolchain) -> str:
    """Return the native file: the compilers of the build machine, for programs that run during the build."""
    return f"""[binaries]
c = '{_path(toolchain, "build-cc")}'
cpp = '{_path(toolchain, "build-c++")}'
ar = '{_path(toolchain, "ar")}'
pkg-config = '{_path(toolchain, "pkg-config")}'

[built-in options]
cpp_link_args = {_quote_array(toolchain.cxx_link_flags)}
"""


def _quote_array(values: Sequence[str]) -> str:
    return "[" + ", ".join("'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" for value in values) + "]"


def _path(toolchain: Toolchain, name: str) -> str:
    # A backslash in a string of Meson begins an escape sequence.
    return toolchain.program(name).as_posix()
