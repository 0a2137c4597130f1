"""Paths of the build in text files of a built wheel, replaced by paths that are the same on every machine.

Projects write compilers, flags and folders of their build into modules, such as numpy's `__config__.py`. Two machines would
not build the same bytes, and the folders exist on neither user's machine. Compiled files get neutral paths from
the compilers (`-ffile-prefix-map`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from everywheel.execution.notices import report_notice
from everywheel.libraries.products import list_spellings
from everywheel.store.local import FIXED_TIME
from everywheel.toolchains.toolchain import PREFIX
from everywheel.wheels.wheel import pack_wheel, read_wheel

_LISTED = 4  # files
# The names of environments in the store end with a hash of the store's location, among others.
_TOOL = re.compile(rb"(%b/store/tools/[\w.-]+?)-[0-9a-f]{12}\b" % PREFIX.encode())


def replace_build_paths(built: Path, workspace: Path, store: Path, label: str) -> Path:
    """Return a wheel without paths of the workspace and of the store in text files, and report the files that had any.

    A wheel without such files is returned as it is; the audit refuses paths in other files.
    """
    neutral = {
        **dict.fromkeys(list_spellings((workspace,)), PREFIX),
        **dict.fromkeys(list_spellings((store,)), f"{PREFIX}/store"),
    }
    wheel = read_wheel(built)
    changed = {
        path: text for path, file in wheel.files.items() if (text := _replace_paths(file.data, neutral)) != file.data
    }
    if not changed:
        return built
    rest = f" and {len(changed) - _LISTED} more" if len(changed) > _LISTED else ""
    listed = f"{', '.join(sorted(changed)[:_LISTED])}{rest}"
    report_notice(f"{label}: paths of the build are replaced by {PREFIX} in {listed}")
    files = {path: replace(file, data=changed.get(path, file.data)) for path, file in wheel.files.items()}
    return pack_wheel(replace(wheel, files=files), built.parent, epoch=FIXED_TIME)


def _replace_paths(data: bytes, neutral: Mapping[str, str]) -> bytes:
    if b"\0" in data:
        return data
    for path, replacement in neutral.items():
        data = data.replace(path.encode(), replacement.encode())
    return _TOOL.sub(rb"\1", data)
