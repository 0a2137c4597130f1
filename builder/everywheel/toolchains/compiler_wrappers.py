"""Compiler wrappers: shell scripts that call an engine's compilers with their fixed arguments.

Build systems call `cc` and `c++` by name. The wrappers also remove or replace arguments that build systems pass to every
compiler but that zig's linkers ignore or interpret differently.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.compiler_arguments import RESPONSE_FILES, render_filter
from everywheel.toolchains.compilers import Compilers
from everywheel.toolchains.toolchain import Toolchain, ToolchainOptions
from everywheel.toolchains.utilities import find_utilities
from everywheel.toolchains.windows_names import render_library_names
from everywheel.toolchains.windows_wrappers import render_definition, render_windres

NO_INSTALL_NAME_TOOL = "no-install-name-tool"
"""The name of a program that replaces install_name_tool and always fails."""

# A shared object that other files can be linked to has a soname, or an install name on macOS. A version script of the
# project's own counts as one: the linker accepts only one script.
_FIND_MODULE = """shared= named= no_library=
for arg do
  case $arg in
    -shared | -dynamiclib | -bundle) shared=yes ;;
    -soname* | --soname* | -install_name | --version-script*) named=yes ;;
    -Wl,-soname* | -Wl,-h,* | -Wl,*,-soname* | -Wl,*-install_name,* | -Wl,*--soname* | -Wl,*--version-script*) named=yes ;;
    -nostdlib++ | -nostdlib | -nodefaultlibs | -r | -E) no_library=yes ;;
  esac
done
"""
# Meson treats zig's linker as GNU ld on every system (https://github.com/mesonbuild/meson/issues/12652) and passes a soname,
# which has no meaning on macOS.
_REPLACE_SONAME = """for arg do
  shift
  case $arg in
    -Wl,-soname,*) named=yes ;;
    *) set -- "$@" "$arg" ;;
  esac
  if [ "$before" = -o ]; then output=$arg; fi
  before=$arg
done
if [ "$named" ]; then set -- "$@" "-Wl,-install_name,@rpath/${output##*/}"; fi
"""
# pkgconf escapes the blanks in ${pcfiledir}, with which the variables of relocated files begin. Flags need that, but a build
# system takes the value of a variable for a path, such as Meson that of glib-mkenums (https://mesonbuild.com/Gnome-module.html).
_PRINT_VARIABLE = """for arg do
  case $arg in --variable=*) ;; *) continue ;; esac
  value=$({command} "$@") || exit
  while :; do
    case $value in
      *{escaped}*) value=${{value%%{escaped}*}}{prefix}${{value#*{escaped}}} ;;
      *) break ;;
    esac
  done
  printf '%s\\n' "$value"
  exit
done
"""
# The object of another link at the same time is kept.
_RENAME_UNLESS_IT_EXISTS = "import os, sys; old, new = sys.argv[1:]; os.path.exists(new) or os.rename(old, new)"


def write_wrappers(
    toolchain: Toolchain,
    compilers: Compilers,
    tools: Tools,
    options: ToolchainOptions,
    limit_exports: Sequence[str] = (),
) -> None:
    """Write the wrappers of a toolchain, and links to the utilities of the build machine that build files call.

    `limit_exports` are the arguments of the linker that limit what a shared library exports.
    """
    scripts = _render_compilers(toolchain, compilers, tools, options, limit_exports)
    scripts["pkg-config"] = _render_pkgconfig(toolchain, tools, static=options.static_pkgconfig)
    if toolchain.target.os == "windows":
        scripts |= {"dlltool": _exec(compilers.dlltool), "windres": render_windres(compilers.windres)}
    workspace = toolchain.directory.parent
    nasm = workspace / "build-prefix" / "bin" / "nasm"
    if nasm.exists():
        scripts["nasm"] = _render_nasm(nasm, workspace)
    if toolchain.target.os == "darwin" and not shutil.which("install_name_tool", path=os.pathsep.join(compilers.path)):
        # CMake requires an install_name_tool (https://gitlab.kitware.com/cmake/cmake/-/issues/27069). This one always fails,
        # since libraries must be linked with their final install names. It has another file name because Meson runs
        # install_name_tool whenever it is on PATH.
        message = "there is no install_name_tool: link with the right install name"
        scripts[NO_INSTALL_NAME_TOOL] = f"echo '{message}' >&2\nexit 1"
    for name, script in scripts.items():
        path = toolchain.program(name)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    for name, utility in find_utilities().items():
        if utility is not None and not toolchain.program(name).exists():
            toolchain.program(name).symlink_to(utility)


def _render_compilers(
    toolchain: Toolchain, compilers: Compilers, tools: Tools, options: ToolchainOptions, limit_exports: Sequence[str]
) -> dict[str, str]:
    limit_c, limit_cxx = (
        _render_limit(toolchain, tools, options, limit_exports, command) for command in (compilers.c, compilers.cxx)
    )
    name = _REPLACE_SONAME if toolchain.target.os == "darwin" else ""
    check = _render_removal(toolchain.prefix)
    if compilers.folders:
        check = render_filter(toolchain, compilers.folders, tools.python)
    if compilers.definitions:
        check += render_library_names(compilers.definitions, tools.python)
    objects = ""
    if compilers.operator_new and options.exports_of_modules:
        condition = '[ "$shared" ] && [ -z "$named" ]'
        objects += _render_object("operator_new", condition, compilers.operator_new, toolchain, compilers, tools)
    if compilers.cxx_exceptions and options.cxx_runtime:
        condition = '[ "$shared" ] && [ -z "$no_library" ]'
        objects += _render_object("cxx_exceptions", condition, compilers.cxx_exceptions, toolchain, compilers, tools)
    find = _FIND_MODULE if objects or limit_cxx else ""
    return {
        "cc": f"{check}{name}{_FIND_MODULE if limit_c else ''}{limit_c}{_render_cxx_sources(compilers)}{_exec(compilers.c)}",
        "c++": f"{check}{name}{find}{objects}{limit_cxx}{_exec(compilers.cxx)}",
        # The level replaces that of a link: zig would compile its run-time library once more for a check with -O0.
        "build-cc": f"{_exec(compilers.build_c)} -O2",
        "build-c++": f"{_exec(compilers.build_cxx)} -O2",
        "ar": f"{_render_archive_operation(tools)}{_exec(compilers.ar)}",
        "ranlib": _exec(compilers.ranlib),
    }


def _render_cxx_sources(compilers: Compilers) -> str:
    """Return the part of the C wrapper that compiles C++ sources with the C++ compiler.

    Older versions of setuptools compile them with the C compiler, which works with gcc: it finds the headers of its C++
    library by the suffix of the source file.
    """
    return f"""case " $* " in
  *.cc\\ * | *.cpp\\ * | *.cxx\\ * | *.c++\\ * | *.C\\ *) case " $* " in *' -c '*) {_exec(compilers.cxx)} ;; esac ;;
esac
"""


def _render_object(
    name: str, condition: str, source: Sequence[str], toolchain: Toolchain, compilers: Compilers, tools: Tools
) -> str:
    """Return the part of a C++ wrapper that links a part of the C++ library into a shared library as an object.

    The object takes precedence over the C++ library, which zig links by itself, and its symbols can be hidden before the
    link.
    """
    flags = ["-O2", "-g0", "-fPIC", "-ffunction-sections", *source]
    compile_object = shlex.join(map(str, [*compilers.cxx, *flags, "-c", "-o"]))
    # One name for all links, so that results do not differ. Python, since not every machine has `mv`.
    rename = shlex.join([str(tools.python), "-I", "-S", "-c", _RENAME_UNLESS_IT_EXISTS])
    return f"""if {condition}; then
  object={shlex.quote(str(toolchain.directory / f"{name}.o"))}
  if [ ! -f "$object" ]; then
    {compile_object} "$object.$$.o" && {rename} "$object.$$.o" "$object" || exit
  fi
  set -- "$@" "$object"
fi
"""


def _render_limit(
    toolchain: Toolchain,
    tools: Tools,
    options: ToolchainOptions,
    limit_exports: Sequence[str],
    compiler: Sequence[object],
) -> str:
    """Return the part of a wrapper that limits the exports of the links that are not limited by their own arguments."""
    if toolchain.target.os == "darwin" and options.exports:
        is_module = '[ "$shared" ] && [ -z "$named" ]'
        return _render_hiding(tools, options, is_module if options.exports_of_modules else '[ "$shared" ]')
    if toolchain.target.os == "windows" and options.exports_of_modules:
        # DLLs have no soname: the modules are the files that Python loads.
        return _render_hiding(tools, options, 'case " $* " in *".pyd "*) ;; *) false ;; esac')
    if toolchain.target.os == "windows" and options.exports:
        return render_definition(toolchain, compiler, options.exports)
    if options.exports_of_modules and limit_exports:
        return f"""if [ "$shared" ] && [ -z "$named" ]; then set -- "$@" {shlex.join(limit_exports)}; fi
"""
    return ""


def _render_removal(prefix: Path) -> str:
    """Return the part of a wrapper that removes -rpath arguments and answers -print-search-dirs with the prefix only.

    Build systems pass directories of the workspace as RUNPATH. For -print-search-dirs, compilers print library directories of
    the build machine, in which Meson would find libraries for another target.
    """
    return f"""for arg do
  shift
  case $arg in
    -Wl,-rpath*) ;;
    *-print-search-dirs) echo libraries: ={shlex.quote(str(prefix))}/lib; exit ;;
    *) set -- "$@" "$arg" ;;
  esac
done
"""


def _render_archive_operation(tools: Tools) -> str:
    """Return the part of the wrapper of `ar` that writes regular archives instead of thin ones.

    A thin archive names its objects instead of holding them. Meson writes them for libraries that it does not install, and
    what changes the objects of a link requires them in the archive.
    """
    expand = shlex.join(map(str, [tools.python, "-I", "-S", RESPONSE_FILES]))
    return f"""for arg do
  case $arg in @?*) if [ -f "${{arg#@}}" ]; then exec {expand} "$0" "$@"; fi ;; esac
done
operation=
for arg do
  shift
  case $arg in
    --thin) continue ;;
    --*) set -- "$@" "$arg"; continue ;;
    -*) operation=$arg ;;
    *)
      if [ "$operation" ]; then set -- "$@" "$arg"; continue; fi
      operation=$arg
      ;;
  esac
  while :; do
    case $arg in
      *T*) arg=${{arg%%T*}}${{arg#*T}} ;;
      *) break ;;
    esac
  done
  if [ "$arg" != - ]; then set -- "$@" "$arg"; fi
done
"""


def _render_hiding(tools: Tools, options: ToolchainOptions, condition: str) -> str:
    """Return the part of a wrapper that hides symbols in the objects of a link before it, if the condition is met."""
    program = Path(__file__).with_name("hide_symbols.py")
    command = shlex.join(map(str, [tools.python, "-I", "-S", program, *options.exports, "--"]))
    return f'if {condition}; then {command} "$@" || exit; fi\n'


def _render_pkgconfig(toolchain: Toolchain, tools: Tools, *, static: bool) -> str:
    search = f"{toolchain.prefix}/lib/pkgconfig:{toolchain.prefix}/share/pkgconfig"
    command, variable = [tools.pkgconf, *(["--static"] if static else [])], ""
    if " " in (prefix := str(toolchain.prefix)):
        values = {"command": shlex.join(map(str, command)), "prefix": shlex.quote(prefix)}
        variable = _PRINT_VARIABLE.format(escaped=shlex.quote(prefix.replace(" ", "\\ ")), **values)
    return f"export PKG_CONFIG_LIBDIR={shlex.quote(search)}\n{variable}{_exec(command)}"


def _render_nasm(nasm: Path, workspace: Path) -> str:
    """Return a wrapper that passes source files by paths relative to the build directory.

    nasm writes the paths into objects and has no equivalent of -ffile-prefix-map: https://github.com/netwide-assembler/nasm/issues/173
    """
    root = shlex.quote(str(workspace))
    return f"""for arg do
  shift
  case $arg in {root}/*) arg=../${{arg#{root}/}} ;; esac
  set -- "$@" "$arg"
done
{_exec([nasm])}"""


def _exec(command: Sequence[object]) -> str:
    return f'exec {shlex.join(map(str, command))} "$@"'
