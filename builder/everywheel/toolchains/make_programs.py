"""The programs that configure scripts, libtool and makefiles call: compilers with all flags, `ld`, `nm`, and no others.

The compilers contain the flags of the toolchain, so that a makefile which drops or reorders flags uses them, and no path of
the build machine becomes part of a library through a summary of its configuration. Scripts find the programs by name.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.configure_answers import render_config_site
from everywheel.toolchains.toolchain import Toolchain

_LINKER_HELP = "ld: supported targets: elf32 elf64 pei; --auto-import"
# The install name is the file's own name with every prefix. Libraries for all macOS versions are linked with a two-level
# namespace, which old versions of libtool do not expect since macOS 11: https://savannah.gnu.org/support/?110443
_DARWIN_ARGUMENTS = """name=
for arg do
  shift
  if [ "$name" ]; then
    set -- "$@" "-Wl,-install_name,@rpath/${arg##*/}"
    name=
    continue
  fi
  case $arg in
    -install_name) name=yes ;;
    -Wl,-flat_namespace | -Wl,-undefined | -Wl,suppress | -Wl,-undefined,suppress | -Wl,-single_module | -single_module) ;;
    *) set -- "$@" "$arg" ;;
  esac
done
"""


def find_folder(toolchain: Toolchain) -> Path:
    """Return the directory of the programs, the first one of PATH."""
    return toolchain.directory / "make"


def write_make_programs(toolchain: Toolchain, tools: Tools, optimize: str) -> dict[str, str]:
    """Write the programs and `config.site`; return the environment variables with which a build uses them."""
    folder = find_folder(toolchain)
    folder.mkdir(exist_ok=True)
    nm = [str(tools.python), "-I", "-S", str(Path(__file__).with_name("list_symbols.py"))]
    flags, cxx_flags = toolchain.compile_flags, (*toolchain.compile_flags, *toolchain.cxx_flags)
    scripts = {
        "cc": _render_compiler(toolchain, "cc", flags),
        "c++": _render_compiler(toolchain, "c++", cxx_flags),
        "nm": f'exec {shlex.join(nm)} "$@"',
        "ld": _render_linker(toolchain),
        "strip": ":",
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    site = folder / "config.site"
    site.write_text(render_config_site(toolchain.target))
    return _list_variables(toolchain, folder, site, optimize)


def _render_compiler(toolchain: Toolchain, name: str, flags: Sequence[str]) -> str:
    """Return a compiler with the flags of the toolchain, which searches the prefix after the folders of the build."""
    program = shlex.quote(str(toolchain.program(name)))
    compile_flags, link_flags = shlex.join(flags), shlex.join(toolchain.link_flags)
    include, lib = shlex.quote(f"-I{toolchain.prefix}/include"), shlex.quote(f"-L{toolchain.prefix}/lib")
    translate = _DARWIN_ARGUMENTS if toolchain.target.os == "darwin" else ""
    return f"""{translate}for arg do
  case $arg in
    -c | -E | -S | -M | -MM | -fsyntax-only) exec {program} {compile_flags} "$@" {include} ;;
    -V | -qversion | -version | --version | -v | -dumpversion | -dumpmachine | -print-*) exec {program} "$@" ;;
    -r) exec {program} -nostdlib "$@" ;;
  esac
done
exec {program} {compile_flags} "$@" {include} {lib} {link_flags}"""


def _render_linker(toolchain: Toolchain) -> str:
    """Return an `ld` that answers like GNU ld, or like that of macOS; scripts call it only to combine objects."""
    version = "@(#)PROGRAM:ld64" if toolchain.target.os == "darwin" else "GNU ld (zig) 2.40"
    program = shlex.quote(str(toolchain.program("cc")))
    return f"""case " $* " in
  *" --help "*) echo {shlex.quote(_LINKER_HELP)}; exit ;;
  *" -v "* | *" -V "* | *" --version "*) echo {shlex.quote(version)}; exit ;;
esac
exec {program} -nostdlib "$@\""""


def _list_variables(toolchain: Toolchain, folder: Path, site: Path, optimize: str) -> dict[str, str]:
    search = toolchain.environment["PATH"]
    system: Mapping[str, str] = {}
    if toolchain.target.os == "windows":
        system = {"DLLTOOL": "dlltool", "RC": "windres", "WINDRES": "windres", "OBJDUMP": ":"}
    elif toolchain.target.os == "darwin":
        system = dict.fromkeys(("DSYMUTIL", "NMEDIT", "LIPO", "OTOOL", "OTOOL64"), ":")
    return {
        "PATH": f"{folder}:{search}",
        "CC": "cc",
        "CXX": "c++",
        "CPP": "cc -E",
        "CXXCPP": "c++ -E",
        "AR": "ar",
        "RANLIB": "ranlib",
        "NM": "nm",
        "STRIP": "strip",
        "CFLAGS": optimize,
        "CXXFLAGS": optimize,
        "CC_FOR_BUILD": "build-cc",
        "CXX_FOR_BUILD": "build-c++",
        "BUILD_CC": "build-cc",
        "PKG_CONFIG": "pkg-config",
        "CONFIG_SITE": str(site),
        "CONFIG_SHELL": "/bin/sh",
        # Perl's own order of hashes is random, and its output is part of some libraries.
        "PERL_HASH_SEED": "0",
        **system,
    }
