"""Parts of the wrappers of compilers for Windows: exports of DLLs, and the resource compiler."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from everywheel.toolchains.toolchain import Toolchain

_PACKAGES = Path(__file__).parents[2]


def render_definition(toolchain: Toolchain, compiler: Sequence[object], exports: Sequence[str]) -> str:
    """Return the part of a wrapper that limits the exports of DLLs whose objects do not mark them.

    Only the linker knows what it exports then, so that it links a DLL with further exports twice.
    """
    program = [sys.executable, "-B", "-P", "-s", "-m", "everywheel.toolchains.define_exports"]
    return f"""if [ "$shared" ]; then
  {shlex.join(map(str, compiler))} "$@" || exit
  definition={shlex.quote(str(toolchain.directory / "exports"))}.$$.def
  PYTHONPATH={shlex.quote(str(_PACKAGES))} {shlex.join(program)} "$definition" {shlex.join(exports)} -- "$@" || exit
  [ -f "$definition" ] || exit 0
  set -- "$@" "$definition"
fi
"""


def render_windres(command: Sequence[object]) -> str:
    """Return a wrapper that translates the options of GNU windres, which build systems pass, for zig's resource compiler.

    `zig rc` has the options of Microsoft's rc.exe: https://github.com/ziglang/zig/pull/17412. It takes the path of a file that
    begins with a slash for an option, except after `--`. The format of a file follows from its suffix. Meson calls a compiler
    with `/?` and `--version` to recognize it, and has a preprocessor write the dependencies, which no build here reads.
    """
    return f"""option= input=
for arg do
  shift
  case $option in
    '') ;;
    input) input=$arg option= ; continue ;;
    ignored) option= ; continue ;;
    *) set -- "$@" "$option" "$arg"; option= ; continue ;;
  esac
  arg=${{arg#--preprocessor-arg=}}
  case $arg in
    -V | --version) echo 'GNU windres, as far as zig rc has its options'; exit ;;
    '/?') exit 1 ;;
    --use-temp-file | --target=* | --input-format=* | --output-format=* | -M* | -v) ;;
    -O?* | -J?* | -F?*) ;;
    -O | -J | -F | --target | --input-format | --output-format) option=ignored ;;
    -c | --codepage) option=/c ;;
    -D | --define) option=/d ;;
    -I | --include-dir) option=/i ;;
    -U | --undefine) option=/u ;;
    -o | --output) option=/fo ;;
    -i | --input) option=input ;;
    --codepage=*) set -- "$@" /c "${{arg#*=}}" ;;
    --define=*) set -- "$@" /d "${{arg#*=}}" ;;
    --include-dir=*) set -- "$@" /i "${{arg#*=}}" ;;
    --output=*) set -- "$@" /fo "${{arg#*=}}" ;;
    --input=*) input=${{arg#*=}} ;;
    -D*) set -- "$@" /d "${{arg#-D}}" ;;
    -I*) set -- "$@" /i "${{arg#-I}}" ;;
    -U*) set -- "$@" /u "${{arg#-U}}" ;;
    -*) set -- "$@" "$arg" ;;
    *) if [ "$input" ]; then set -- "$@" /fo "$arg"; else input=$arg; fi ;;
  esac
done
exec {shlex.join(map(str, command))} /:auto-includes gnu "$@" -- "$input"
"""
