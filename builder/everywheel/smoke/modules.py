"""The extension modules of a wheel by the names that Python imports them by."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from everywheel.audit.wheel_contents import MODULE_SUFFIX, WheelContents, installed_path, read_wheel_contents
from everywheel.config.project import Smoke
from everywheel.repair.needed import scheme_of


def list_modules(wheel: Path, smoke: Smoke) -> tuple[str, ...]:
    """Return the full names of a wheel's extension modules, sorted, without those that the project excludes.

    Empty for a wheel that cannot be read: its audit, or pip, reports why.
    """
    contents, _ = read_wheel_contents(wheel) if wheel.is_file() else (None, ())
    if contents is None:
        return ()
    names = find_module_files(contents)
    return tuple(sorted(name for name in names if not any(fnmatchcase(name, glob) for glob in smoke.exclude)))


def find_module_files(contents: WheelContents) -> Mapping[str, str]:
    """Return the path of each extension module by its full name.

    A file that is named `.so` only, as libraries are, is a module if it exports the initialization function of its name. A
    library that ctypes or cffi opens is not a module. A module with a name or in a directory that no import statement can
    name is left out.
    """
    files: dict[str, str] = {}
    for path, binary in contents.binaries.items():
        if scheme_of(path):
            continue
        folder, file = posixpath.split(installed_path(path))
        match = MODULE_SUFFIX.search(file)
        stem = file[: match.start()] if match else file.removesuffix(".so")
        if match is None and (stem == file or stem not in binary.module_names):
            continue
        if contents.is_opened(path):
            continue
        parts = [*filter(None, folder.split("/")), *([stem] if stem != "__init__" else [])]
        if parts and all(part.isidentifier() for part in parts):
            files.setdefault(".".join(parts), path)
    return files
