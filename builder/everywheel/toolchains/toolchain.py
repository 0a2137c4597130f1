"""Toolchains: for each target compiler wrappers, a Meson cross file and a CMake toolchain file."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.config.recipe import Optimize
from everywheel.execution.process import join_windows_args
from everywheel.platforms.target import Target
from everywheel.store.local import FIXED_TIME
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.compilers import Compilers
from everywheel.toolchains.windows_launcher import SUFFIX, LaunchSpec, write_launcher

PREFIX = "/everywheel"
"""The prefix that everything is configured for; nothing is ever installed there, so no real path gets into a binary."""

_LEVELS = {Optimize.SPEED: "-O3", Optimize.BALANCED: "-O2", Optimize.SIZE: "-Os"}

_COMPILE_FLAGS = ("-g0", "-fPIC", "-ffunction-sections", "-fdata-sections")
# What only some systems are told. A function that is newer than the oldest macOS to be served is an error, in probes too.
_SYSTEM_FLAGS = {"darwin": ("-Werror=unguarded-availability",)}
# POSIX utilities that build files call; every machine has them, and nothing of them gets into a product.
_UTILITIES = (
    "cat",
    "chmod",
    "cmp",
    "cp",
    "cut",
    "dirname",
    "echo",
    "env",
    "expr",
    "grep",
    "head",
    "ln",
    "ls",
    "mkdir",
    "mv",
    "printf",
    "rm",
    "rmdir",
    "sed",
    "sh",
    "sort",
    "tail",
    "test",
    "touch",
    "tr",
    "true",
    "uname",
)
# What a recipe requires has a pkg-config file. Looking through CMake's eyes as well costs Meson up to a minute for each
# target (it links C++, for which zig compiles libc++), only to find what is not there.
_NO_CMAKE = "cmake-is-not-asked"
# Meson takes zig's linker for one of Linux wherever it is, and tells it a soname, which means nothing to macOS.
_INSTALL_NAME = """for word do
  shift
  case $word in
    -Wl,-soname,*) named=yes ;;
    *) set -- "$@" "$word" ;;
  esac
  if [ "$before" = -o ]; then output=$word; fi
  before=$word
done
if [ "$named" ]; then set -- "$@" "-Wl,-install_name,@rpath/${output##*/}"; fi
"""
_NO_NAME_TOOL = "no-install-name-tool"
_NO_CXX_RUNTIME = ("-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics")
# Linking at another level than -O2 makes zig compile its compiler run time once more, for that level.
_LINK_FLAGS = {
    "linux": ("-O2", "-Wl,--gc-sections", "-Wl,--as-needed", "-Wl,-z,relro", "-Wl,-z,now", "-s"),
    # Repair makes install names longer; without room in the header it would have to move everything.
    "darwin": ("-O2", "-Wl,-dead_strip", "-Wl,-dead_strip_dylibs", "-Wl,-headerpad_max_install_names", "-s"),
    "windows": ("-O2", "-Wl,--gc-sections", "-s"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """The files that make compilers for one target, in a workspace of its own."""

    target: Target
    directory: Path
    prefix: Path
    compile_flags: tuple[str, ...]
    cxx_flags: tuple[str, ...]
    cxx_link_flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    runs_target: bool
    environment: Mapping[str, str]
    suffix: str = ""

    def program(self, name: str) -> Path:
        return self.directory / "bin" / f"{name}{self.suffix}"

    @property
    def cross_file(self) -> Path:
        return self.directory / "cross.ini"

    @property
    def native_file(self) -> Path:
        return self.directory / "native.ini"

    @property
    def cmake_file(self) -> Path:
        return self.directory / "toolchain.cmake"


def write_toolchain(
    target: Target,
    compilers: Compilers,
    tools: Tools,
    workspace: Path,
    *,
    optimize: Optimize = Optimize.BALANCED,
    flags: Sequence[str] = (),
    link_flags: Sequence[str] = (),
    exports: Sequence[str] = (),
    cxx_runtime: bool = True,
    static_pkgconfig: bool = True,
) -> Toolchain:
    """Write wrappers, cross file and toolchain file below `<workspace>/toolchain`, against `<workspace>/prefix`.

    `exports` are the glob patterns of the only symbols that shared libraries may let out; `static_pkgconfig` has
    pkg-config name what archives need in turn. Without `cxx_runtime`, C++ has its library's headers, but none of it is
    linked.
    """
    directory = workspace / "toolchain"
    prefix = workspace / "prefix"
    (directory / "bin").mkdir(parents=True, exist_ok=True)
    compile_flags = (
        _LEVELS[optimize],
        *_COMPILE_FLAGS,
        *_SYSTEM_FLAGS.get(target.os, ()),
        f"-ffile-prefix-map={workspace.as_posix()}=.",
        *flags,
    )
    links = [*_LINK_FLAGS[target.os], *compilers.link, *link_flags]
    cxx_links = () if cxx_runtime else compilers.no_cxx_library
    links += cxx_links
    if exports and target.os == "linux":
        script = directory / "exports.map"
        script.write_text("{ global: " + " ".join(f"{pattern};" for pattern in exports) + " local: *; };\n")
        # One script serves every library of a recipe, and not each of them has every symbol.
        links += [
            f"-Wl,--version-script={script}",
            *(["-Wl,--undefined-version"] if compilers.undefined_version else []),
        ]
    toolchain = Toolchain(
        target=target,
        directory=directory,
        prefix=prefix,
        compile_flags=compile_flags,
        cxx_flags=() if cxx_runtime else _NO_CXX_RUNTIME,
        cxx_link_flags=cxx_links,
        link_flags=tuple(links),
        runs_target=compilers.runs_target,
        environment=_environment(tools, workspace, directory, prefix, compilers),
        suffix="" if compilers.launcher is None else SUFFIX,
    )
    if compilers.launcher is None:
        _write_wrappers(toolchain, compilers, tools, exports, static_pkgconfig=static_pkgconfig)
    else:
        _write_launchers(toolchain, compilers, compilers.launcher, tools, static_pkgconfig=static_pkgconfig)
    toolchain.cross_file.write_text(_cross_file(toolchain))
    toolchain.native_file.write_text(_native_file(toolchain))
    toolchain.cmake_file.write_text(_cmake_file(toolchain))
    return toolchain


def _environment(tools: Tools, workspace: Path, directory: Path, prefix: Path, compilers: Compilers) -> dict[str, str]:
    """Return all that a build sees: no program, header or library folder of the build machine, but the engine's own."""
    home = workspace / "home"
    home.mkdir(parents=True, exist_ok=True)
    search = (directory / "bin", workspace / "build-prefix" / "bin", tools.bin, prefix / "bin", *compilers.path)
    return {
        "PATH": os.pathsep.join(map(str, search)),
        "HOME": str(home),
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(home)),
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": str(FIXED_TIME),
        "PYTHONDONTWRITEBYTECODE": "1",
        **tools.environment,
        **compilers.environment,
    }


def _write_launchers(
    toolchain: Toolchain, compilers: Compilers, launcher: Path, tools: Tools, *, static_pkgconfig: bool
) -> None:
    """Write the wrappers of a Windows machine, where nothing has a RUNPATH, and whose tools speak GNU's words."""
    folders = (toolchain.prefix / "lib" / "pkgconfig", toolchain.prefix / "share" / "pkgconfig")
    search = os.pathsep.join(folder.as_posix() for folder in folders)
    pkgconf = [tools.pkgconf, *(["--static"] if static_pkgconfig else [])]
    launches = {
        "cc": LaunchSpec(command=compilers.c, libraries=toolchain.prefix / "lib"),
        "c++": LaunchSpec(command=compilers.cxx, libraries=toolchain.prefix / "lib"),
        "build-cc": LaunchSpec(command=compilers.build_c),
        "build-c++": LaunchSpec(command=compilers.build_cxx),
        "ar": LaunchSpec(command=compilers.ar),
        "ranlib": LaunchSpec(command=compilers.ranlib),
        "dlltool": LaunchSpec(command=compilers.dlltool),
        "windres": LaunchSpec(command=compilers.windres),
        "pkg-config": LaunchSpec(command=pkgconf, environment={"PKG_CONFIG_LIBDIR": search}),
    }
    for name, launch in launches.items():
        write_launcher(toolchain.program(name), launcher, launch)


def _write_wrappers(
    toolchain: Toolchain, compilers: Compilers, tools: Tools, exports: Sequence[str], *, static_pkgconfig: bool
) -> None:
    pkgconf = [tools.pkgconf, *(["--static"] if static_pkgconfig else [])]
    search = f"{toolchain.prefix}/lib/pkgconfig:{toolchain.prefix}/share/pkgconfig"
    hide = _hide_symbols(tools, exports) if exports and toolchain.target.os == "darwin" else ""
    name = _INSTALL_NAME if toolchain.target.os == "darwin" else ""
    scripts = {
        "cc": _exec_compiler(compilers.c, toolchain.prefix, name + hide),
        "c++": _exec_compiler(compilers.cxx, toolchain.prefix, name + hide),
        "build-cc": _exec(compilers.build_c),
        "build-c++": _exec(compilers.build_cxx),
        "ar": _exec(compilers.ar),
        "ranlib": _exec(compilers.ranlib),
        "pkg-config": f"export PKG_CONFIG_LIBDIR={shlex.quote(search)}\n{_exec(pkgconf)}",
    }
    if toolchain.target.os == "windows":
        scripts |= {"dlltool": _exec(compilers.dlltool), "windres": _exec_windres(compilers.windres)}
    nasm = toolchain.directory.parent / "build-prefix" / "bin" / "nasm"
    if nasm.exists():
        scripts["nasm"] = _exec_nasm(nasm, toolchain.directory.parent)
    if toolchain.target.os == "darwin" and not shutil.which("install_name_tool", path=os.pathsep.join(compilers.path)):
        # CMake will not begin without one. Had it anything to do, the product would not be what was linked. Under its own
        # name Meson would find it as well, which goes without.
        scripts[_NO_NAME_TOOL] = "echo 'there is no install_name_tool: link with the right install name' >&2\nexit 1"
    for name, script in scripts.items():
        path = toolchain.program(name)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    for name in _UTILITIES:
        found = shutil.which(name)
        if found is not None and not toolchain.program(name).exists():
            toolchain.program(name).symlink_to(found)


def _hide_symbols(tools: Tools, exports: Sequence[str]) -> str:
    """Before a library is linked, hide what it must not let out: zig's linker for macOS takes no list of exports."""
    words = [tools.python, "-I", "-S", Path(__file__).with_name("hide_symbols.py"), *exports, "--"]
    return f"""case " $* " in
  *" -shared "* | *" -dynamiclib "* | *" -bundle "*) {shlex.join(map(str, words))} "$@" || exit ;;
esac
"""


def _exec_compiler(command: Sequence[object], prefix: Path, first: str = "") -> str:
    """Drop every RUNPATH: build systems bake in the workspace's, and nothing of ours may have one.

    Asked where libraries lie, it names the prefix alone: zig would name folders of the build machine, and Meson take
    libraries from there.
    """
    return f"""for word do
  shift
  case $word in
    -Wl,-rpath*) ;;
    *-print-search-dirs) echo libraries: ={shlex.quote(str(prefix))}/lib; exit ;;
    *) set -- "$@" "$word" ;;
  esac
done
{first}{_exec(command)}"""


def _exec_nasm(nasm: Path, workspace: Path) -> str:
    """Name sources relative to the build folder: nasm writes their names into objects and has no prefix map for them."""
    root = shlex.quote(str(workspace))
    return f"""for word do
  shift
  case $word in {root}/*) word=../${{word#{root}/}} ;; esac
  set -- "$@" "$word"
done
{_exec([nasm])}"""


def _exec_windres(command: Sequence[object]) -> str:
    """Take GNU windres' words, which CMake speaks, to zig's compiler of resources, which speaks Microsoft's."""
    return f"""for word do
  shift
  case $word in
    -O | coff | -c65001) ;;
    -D*) set -- "$@" /d "${{word#-D}}" ;;
    -I*) set -- "$@" /i "${{word#-I}}" ;;
    *) set -- "$@" "$word" ;;
  esac
done
{_exec([*command, "/:auto-includes", "gnu"])}"""


def _exec(command: Sequence[object]) -> str:
    return f'exec {shlex.join(map(str, command))} "$@"'


def _meson(values: Sequence[object]) -> str:
    return "[" + ", ".join("'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'" for value in values) + "]"


def _text(toolchain: Toolchain, name: str) -> str:
    """Return a program's path as Meson and CMake read it, to whom a backslash is the beginning of something else."""
    return toolchain.program(name).as_posix()


def _cross_file(toolchain: Toolchain) -> str:
    arch = toolchain.target.arch
    compile_flags, link_flags = _meson(toolchain.compile_flags), _meson(toolchain.link_flags)
    cxx_flags = _meson(toolchain.compile_flags + toolchain.cxx_flags)
    return f"""[binaries]
c = '{_text(toolchain, "cc")}'
cpp = '{_text(toolchain, "c++")}'
ar = '{_text(toolchain, "ar")}'
ranlib = '{_text(toolchain, "ranlib")}'
pkg-config = '{_text(toolchain, "pkg-config")}'
dlltool = '{_text(toolchain, "dlltool")}'
cmake = '{_NO_CMAKE}'

[built-in options]
c_args = {compile_flags}
cpp_args = {cxx_flags}
c_link_args = {link_flags}
cpp_link_args = {link_flags}

[properties]
needs_exe_wrapper = {str(not toolchain.runs_target).lower()}

[host_machine]
system = '{toolchain.target.os}'
cpu_family = '{arch.meson_family}'
cpu = '{arch.zig}'
endian = '{arch.endian}'
"""


def _native_file(toolchain: Toolchain) -> str:
    return f"""[binaries]
c = '{_text(toolchain, "build-cc")}'
cpp = '{_text(toolchain, "build-c++")}'
ar = '{_text(toolchain, "ar")}'
pkg-config = '{_text(toolchain, "pkg-config")}'

[built-in options]
cpp_link_args = {_meson(toolchain.cxx_link_flags)}
"""


def _join_for_programs(words: Sequence[str]) -> str:
    """Join words as programs of Windows take them apart, there being no shell, and as CMake's strings take quotes."""
    return join_windows_args(words).replace("\\", "\\\\").replace('"', '\\"')


def _cmake_file(toolchain: Toolchain) -> str:
    join = _join_for_programs if toolchain.suffix else shlex.join
    compile_flags, link_flags = join(toolchain.compile_flags), join(toolchain.link_flags)
    cxx_flags = join(toolchain.compile_flags + toolchain.cxx_flags)
    name_tool = toolchain.program(_NO_NAME_TOOL)
    mac = f'set(CMAKE_INSTALL_NAME_TOOL "{name_tool}")\n' if name_tool.exists() else ""
    return f"""{mac}set(CMAKE_SYSTEM_NAME {toolchain.target.system.cmake})
set(CMAKE_SYSTEM_PROCESSOR {toolchain.target.arch.name})
set(CMAKE_C_COMPILER "{_text(toolchain, "cc")}")
set(CMAKE_CXX_COMPILER "{_text(toolchain, "c++")}")
set(CMAKE_AR "{_text(toolchain, "ar")}")
set(CMAKE_RANLIB "{_text(toolchain, "ranlib")}")
set(CMAKE_RC_COMPILER "{_text(toolchain, "windres")}")
set(CMAKE_C_FLAGS_INIT "{compile_flags}")
set(CMAKE_CXX_FLAGS_INIT "{cxx_flags}")
set(CMAKE_EXE_LINKER_FLAGS_INIT "{link_flags}")
set(CMAKE_SHARED_LINKER_FLAGS_INIT "{link_flags}")
set(CMAKE_MODULE_LINKER_FLAGS_INIT "{link_flags}")
set(PKG_CONFIG_EXECUTABLE "{_text(toolchain, "pkg-config")}")
set(CMAKE_PREFIX_PATH "{toolchain.prefix.as_posix()}")
set(CMAKE_FIND_ROOT_PATH "{toolchain.prefix.as_posix()}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_FIND_USE_CMAKE_SYSTEM_PATH FALSE)
"""
