"""The environment of a backend that is queried for requirements and metadata, before anything is built for a target."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from everywheel.toolchains.pip_settings import filter_environment
from everywheel.toolchains.utilities import find_utilities


def query_environment(folder: Path, programs: Sequence[Path]) -> dict[str, str]:
    """Return the variables of a backend's process that has the programs of a build on PATH, but no compiler.

    `programs` are directories for the beginning of PATH. The links to the utilities are created in `folder`. As in a build, no
    other program of the machine is on PATH, so that a backend does not require what only some machines make necessary: a
    backend that finds a CMake does not require the package. Windows has no such links.
    """
    variables = filter_environment()
    if os.name == "nt":
        search = variables.get("PATH", os.defpath)
    else:
        links = folder / "utilities"
        links.mkdir(exist_ok=True)
        for name, path in find_utilities().items():
            if path is not None and not (links / name).is_symlink():
                (links / name).symlink_to(path)
        search = str(links)
    variables["PATH"] = os.pathsep.join([*map(str, programs), search])
    return variables
