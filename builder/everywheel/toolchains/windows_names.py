"""Headers and libraries of Windows by names in any case, as on Windows: `#include <Windows.h>`, `-lPowrProf`.

The files of MinGW that zig has for Windows have lowercase names.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from everywheel.toolchains.build_tools import tools_identity

_HEADERS = Path("lib", "libc", "include", "any-windows-any")
_DEFINITIONS = Path("lib", "libc", "mingw")


def windows_names_identity(zig: Path) -> str:
    """Return the hash of zig's version and path and of this code, for the name of a directory."""
    return hashlib.sha256(f"{tools_identity()} {zig}".encode() + Path(__file__).read_bytes()).hexdigest()[:12]


def find_overlay(folder: Path) -> Path:
    """Return the path of the overlay in its directory; it may not exist yet."""
    return folder / "headers.json"


def write_overlay(zig: Path, folder: Path) -> None:
    """Write an overlay of zig's headers for Windows, in which clang ignores the case of names (`-ivfsoverlay`).

    clang requires every file in it: a directory that is mapped as a whole is searched with the case of the name.
    """
    headers = zig.parent / _HEADERS
    overlay = {
        "version": 0,
        "case-sensitive": "false",
        "roots": [{"name": str(headers), "type": "directory", "contents": _list_entries(headers)}],
    }
    find_overlay(folder).write_text(json.dumps(overlay), encoding="utf-8")


def _list_entries(folder: Path) -> list[dict[str, object]]:
    return [
        {"name": path.name, "type": "directory", "contents": _list_entries(path)}
        if path.is_dir()
        else {"name": path.name, "type": "file", "external-contents": str(path)}
        for path in sorted(folder.iterdir())
    ]


def find_definitions(zig: Path) -> tuple[Path, ...]:
    """Return the directories with the definition files from which zig makes import libraries."""
    return tuple(sorted(path for path in (zig.parent / _DEFINITIONS).glob("lib*") if path.is_dir()))


def render_library_names(definitions: Sequence[Path], python: Path) -> str:
    """Return the part of a compiler wrapper that passes names of Windows' libraries in lowercase.

    It drops the C runtime, which projects name for MinGW and zig links by itself, and -static for a DLL: zig would then not
    write a DLL.
    """
    folders = shlex.join(map(str, definitions))
    lower = shlex.join([str(python), "-I", "-S", "-c", "import sys; print(sys.argv[1].lower())"])
    return f"""dll=
case " $* " in *' -shared '*) dll=yes ;; esac
for arg do
  shift
  case $arg in
    -lucrt) continue ;;
    -static) [ ! "$dll" ] || continue ;;
    -l*[[:upper:]]*)
      name=$({lower} "${{arg#-l}}")
      for folder in {folders}; do
        if [ -f "$folder/$name.def" ] || [ -f "$folder/$name.def.in" ]; then arg=-l$name; fi
      done
      ;;
  esac
  set -- "$@" "$arg"
done
"""
