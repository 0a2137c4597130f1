"""CMake's toolchain file (cmake-toolchains(7))."""

from __future__ import annotations

import shlex
from pathlib import Path

from everywheel.execution.process import join_windows_args
from everywheel.toolchains.compiler_wrappers import NO_INSTALL_NAME_TOOL
from everywheel.toolchains.toolchain import Toolchain


def render_toolchain_file(toolchain: Toolchain) -> str:
    """Return the toolchain file: the target's compilers and flags, and search paths that are limited to the prefix."""
    join = join_windows_args if toolchain.suffix else shlex.join
    compile_flags, link_flags = _quote(join(toolchain.compile_flags)), _quote(join(toolchain.link_flags))
    cxx_flags = _quote(join(toolchain.compile_flags + toolchain.cxx_flags))
    prefix = _quote(toolchain.prefix.as_posix())
    name_tool = toolchain.program(NO_INSTALL_NAME_TOOL)
    mac = f"set(CMAKE_INSTALL_NAME_TOOL {_quote(str(name_tool))})\n" if name_tool.exists() else ""
    return f"""{mac}set(CMAKE_SYSTEM_NAME {toolchain.target.system.cmake})
set(CMAKE_SYSTEM_PROCESSOR {toolchain.target.arch.name})
set(CMAKE_C_COMPILER {_path(toolchain, "cc")})
set(CMAKE_CXX_COMPILER {_path(toolchain, "c++")})
set(CMAKE_AR {_path(toolchain, "ar")})
set(CMAKE_RANLIB {_path(toolchain, "ranlib")})
set(CMAKE_RC_COMPILER {_path(toolchain, "windres")})
set(CMAKE_C_FLAGS_INIT {compile_flags})
set(CMAKE_CXX_FLAGS_INIT {cxx_flags})
set(CMAKE_EXE_LINKER_FLAGS_INIT {link_flags})
set(CMAKE_SHARED_LINKER_FLAGS_INIT {link_flags})
set(CMAKE_MODULE_LINKER_FLAGS_INIT {link_flags})
set(PKG_CONFIG_EXECUTABLE {_path(toolchain, "pkg-config")})
set(CMAKE_PREFIX_PATH {prefix})
set(CMAKE_FIND_ROOT_PATH {prefix})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_FIND_USE_CMAKE_SYSTEM_PATH FALSE)
# Otherwise, CMake installs libraries as executable files unless the build machine is a Debian (Platform/Linux.cmake).
set(CMAKE_INSTALL_SO_NO_EXE 1)
"""


def render_dependent_file(toolchain: Toolchain, *folders: Path) -> str:
    """Return a toolchain file that also finds packages in other folders than the prefix: those of build requirements.

    The cache has the folders that the build backend adds, which the variable of this file would hide. Those outside of the
    prefix and of `folders` are not searched.
    """
    names = " ".join(_quote(folder.as_posix()) for folder in folders)
    return f"""include({_quote(toolchain.cmake_file.as_posix())})
list(APPEND CMAKE_FIND_ROOT_PATH {names})
list(APPEND CMAKE_PREFIX_PATH {names} $CACHE{{CMAKE_PREFIX_PATH}})
"""


def _quote(value: str) -> str:
    """Return a quoted argument of CMake (cmake-language(7))."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def _path(toolchain: Toolchain, name: str) -> str:
    return _quote(toolchain.program(name).as_posix())
