"""CMake's toolchain file (cmake-toolchains(7))."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from everywheel.execution.process import join_windows_args
from everywheel.toolchains.compiler_wrappers import NO_INSTALL_NAME_TOOL
from everywheel.toolchains.toolchain import Toolchain


def render_toolchain_file(toolchain: Toolchain) -> str:
    """Return the toolchain file: the target's compilers and flags, and search paths that are limited to the prefix."""
    join = _join_windows_flags if toolchain.suffix else shlex.join
    compile_flags, link_flags = join(toolchain.compile_flags), join(toolchain.link_flags)
    cxx_flags = join(toolchain.compile_flags + toolchain.cxx_flags)
    name_tool = toolchain.program(NO_INSTALL_NAME_TOOL)
    mac = f'set(CMAKE_INSTALL_NAME_TOOL "{name_tool}")\n' if name_tool.exists() else ""
    return f"""{mac}set(CMAKE_SYSTEM_NAME {toolchain.target.system.cmake})
set(CMAKE_SYSTEM_PROCESSOR {toolchain.target.arch.name})
set(CMAKE_C_COMPILER "{_path(toolchain, "cc")}")
set(CMAKE_CXX_COMPILER "{_path(toolchain, "c++")}")
set(CMAKE_AR "{_path(toolchain, "ar")}")
set(CMAKE_RANLIB "{_path(toolchain, "ranlib")}")
set(CMAKE_RC_COMPILER "{_path(toolchain, "windres")}")
set(CMAKE_C_FLAGS_INIT "{compile_flags}")
set(CMAKE_CXX_FLAGS_INIT "{cxx_flags}")
set(CMAKE_EXE_LINKER_FLAGS_INIT "{link_flags}")
set(CMAKE_SHARED_LINKER_FLAGS_INIT "{link_flags}")
set(CMAKE_MODULE_LINKER_FLAGS_INIT "{link_flags}")
set(PKG_CONFIG_EXECUTABLE "{_path(toolchain, "pkg-config")}")
set(CMAKE_PREFIX_PATH "{toolchain.prefix.as_posix()}")
set(CMAKE_FIND_ROOT_PATH "{toolchain.prefix.as_posix()}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_FIND_USE_CMAKE_SYSTEM_PATH FALSE)
"""


def _join_windows_flags(flags: Sequence[str]) -> str:
    """Join flags by the rules of Windows, where no shell splits them, and escape them for a quoted string of CMake."""
    return join_windows_args(flags).replace("\\", "\\\\").replace('"', '\\"')


def _path(toolchain: Toolchain, name: str) -> str:
    # A backslash in a quoted string of CMake begins an escape sequence.
    return toolchain.program(name).as_posix()
