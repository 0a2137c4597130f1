"""The target's `sysconfig`: the variables from which build backends take suffixes, headers, compilers and flags.

CPython reads them from a module whose name is in the environment variable _PYTHON_SYSCONFIGDATA_NAME, as when CPython itself
is cross-compiled. So a backend that runs with the build machine's Python builds for another one.
"""

from __future__ import annotations

import pprint
import shlex
from collections.abc import Mapping

from everywheel.platforms.target import Target
from everywheel.toolchains.toolchain import Toolchain
from everywheel.wheels.target_python import TargetPython

Variables = Mapping[str, str | int]
PYTHON_FLAGS = ("-DNDEBUG", "-fwrapv")
"""The flags of CPython itself that extensions get from every Python."""
# The flags that link a module.
SHARED_FLAGS: Mapping[str, tuple[str, ...]] = {
    "linux": ("-shared",),
    # The symbols of Python come from the program that loads the module. zig cannot link a bundle.
    "darwin": ("-shared", "-undefined", "dynamic_lookup"),
    "windows": ("-shared",),
}
# The values of `sys.platform`.
PLATFORMS: Mapping[str, str] = {"linux": "linux", "darwin": "darwin", "windows": "win32"}


def describe_sysconfig(python: TargetPython, toolchain: Toolchain) -> Variables:
    """Return the variables that `sysconfig.get_config_vars()` has on the target, with this machine's paths and compilers.

    They contain no flags of the toolchain: backends add these from CFLAGS and LDFLAGS.
    """
    return {
        **_describe_version(python),
        **_describe_compilers(python.target, toolchain),
        **_describe_folders(python),
        **_describe_types(python.target),
        **(_describe_macos(python.target) if python.target.os == "darwin" else {}),
    }


def _describe_version(python: TargetPython) -> Variables:
    stem = f"python{python.series}{python.abi_flags}"
    return {
        "ABIFLAGS": python.abi_flags,
        "EXT_SUFFIX": python.extension_suffix,
        "SOABI": python.soabi,
        "VERSION": python.series,
        "LDVERSION": f"{python.series}{python.abi_flags}",
        # packaging reads the number for wheel tags from here.
        "py_version_nodot": f"{python.version.major}{python.version.minor}",
        "Py_GIL_DISABLED": int(python.free_threaded),
        "Py_DEBUG": 0,
        # Modules must not be linked to libpython (PEP 513); `LDFLAGS` names the import library for Windows.
        "Py_ENABLE_SHARED": 0,
        "LIBPYTHON": "",
        "LIBRARY": f"lib{stem}.a",
        "LDLIBRARY": f"lib{stem}.a",
        "MACHDEP": PLATFORMS[python.target.os],
        "MULTIARCH": python.target.extension_suffix if python.target.os != "windows" else "",
    }


def _describe_compilers(target: Target, toolchain: Toolchain) -> Variables:
    cc, cxx, ar, ranlib = (shlex.quote(str(toolchain.program(name))) for name in ("cc", "c++", "ar", "ranlib"))
    shared = " ".join(SHARED_FLAGS[target.os])
    return {
        "CC": cc,
        "CXX": cxx,
        "AR": ar,
        "ARFLAGS": "rcs",
        "RANLIB": ranlib,
        "CFLAGS": " ".join(PYTHON_FLAGS),
        "OPT": " ".join(PYTHON_FLAGS),
        "CPPFLAGS": "",
        "LDFLAGS": "",
        "CCSHARED": "-fPIC",
        "LDSHARED": f"{cc} {shared}",
        "BLDSHARED": f"{cc} {shared}",
        "LDCXXSHARED": f"{cxx} {shared}",
        "LINKCC": cc,
        "LIBS": "",
        "EXE": target.system.program,
        # With it, setuptools finds the files that shared libraries are linked by.
        "SHLIB_SUFFIX": ".dll.a" if target.os == "windows" else ".so",
        "HAVE_DYNAMIC_LOADING": 1,
        "GNULD": "no" if target.os == "darwin" else "yes",
    }


def _describe_folders(python: TargetPython) -> Variables:
    include = str(python.prefix / "include")
    return {
        "INCLUDEDIR": include,
        "CONFINCLUDEDIR": include,
        "INCLUDEPY": str(python.headers),
        "CONFINCLUDEPY": str(python.headers),
        "LIBDIR": str(python.prefix / "lib"),
        "TZPATH": "/usr/share/zoneinfo:/usr/lib/zoneinfo:/usr/share/lib/zoneinfo:/etc/zoneinfo",
    }


def _describe_types(target: Target) -> Variables:
    pointer = target.arch.bits // 8
    return {
        "SIZEOF_VOID_P": pointer,
        "SIZEOF_SIZE_T": pointer,
        "SIZEOF_UINTPTR_T": pointer,
        "SIZEOF_SHORT": 2,
        "SIZEOF_INT": 4,
        "SIZEOF_LONG": target.sizeof_long,
        "SIZEOF_LONG_LONG": 8,
        "SIZEOF_FLOAT": 4,
        "SIZEOF_DOUBLE": 8,
        "SIZEOF_LONG_DOUBLE": target.long_double[1],
        "SIZEOF_WCHAR_T": 2 if target.os == "windows" else 4,
        "WORDS_BIGENDIAN": int(target.arch.endian == "big"),
    }


def _describe_macos(target: Target) -> Variables:
    return {
        "MACOSX_DEPLOYMENT_TARGET": ".".join(map(str, target.os_version)),
        "PYTHONFRAMEWORK": "",
        "UNIVERSALSDK": "",
        # Without it, a backend on a Mac replaces the compilers by those of Xcode.
        "CUSTOMIZED_OSX_COMPILER": "True",
    }


def name_sysconfig(python: TargetPython) -> str:
    """Return the name of the module with the variables, as CPython names it."""
    target = python.target
    suffix = f"_{target.extension_suffix}" if target.os == "linux" else ""
    return f"_sysconfigdata_{python.abi_flags}_{PLATFORMS[target.os]}{suffix}"


def render_sysconfig(variables: Variables) -> str:
    """Return the module with the variables."""
    return f"build_time_vars = {pprint.pformat(dict(variables))}\n"
