"""CPythons on PATH for wheels of another version than the running Python."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from everywheel.platforms.target import Target
from everywheel.smoke.foreign_python import ForeignPython
from everywheel.smoke.python_tags import is_for_python
from everywheel.toolchains.interpreters import query_interpreter

_TAG = re.compile(r"cp3(\d+)")


def find_installed_python(target: Target, wheel: Path) -> ForeignPython | None:
    """Return a CPython that is on PATH and has the oldest version of a wheel for this machine, or None.

    One without a GIL (`python3.14t`) is used only for a wheel that no CPython with a GIL can install.
    """
    matches = (_TAG.fullmatch(tag.interpreter) for tag in parse_wheel_filename(wheel.name)[-1])
    releases = sorted({f"3.{match[1]}" for match in matches if match}, key=Version)
    for version in (*releases, *(f"{release}t" for release in releases)):
        if not is_for_python(wheel.name, version):
            continue
        program = shutil.which(f"python{version}")
        interpreter = query_interpreter(Path(program)) if program else None  # scripts of version managers may fail
        if interpreter and interpreter.version == version:
            folder = Path(interpreter.prefix)
            if (folder / "bin" / f"python{version}").exists():
                return ForeignPython(folder=folder, version=version, arch=target.arch, root=Path("/"), emulator=None)
    return None
