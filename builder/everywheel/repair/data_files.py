"""Files of libraries that a project adds to its wheels, such as a database that a library reads at run time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from everywheel.errors import BuildError
from everywheel.execution.input_files import ListedFile, UnusableFile, leads_out, list_files
from everywheel.libraries.library_facts import find_installers, read_prefix_file
from everywheel.repair.request import RepairRequest
from everywheel.wheels.wheel import Wheel, WheelFile


def add_data_files(wheel: Wheel, request: RepairRequest) -> Wheel:
    """Return the wheel with the files and folders of the prefix that the request names, with their modes.

    Raises BuildError for a path that the prefix does not have, and for a file that the wheel has with another content. RECORD,
    which is written last, is such a file, and so is that of another entry.
    """
    files: dict[str, WheelFile] = {}
    present = {f"{wheel.dist_info}/RECORD": b"", **{path: file.data for path, file in wheel.files.items()}}
    for destination, source in request.data.items():
        for path, file in _list_data(destination, source, wheel, request).items():
            files[path] = WheelFile(data=read_prefix_file(file.path), executable=file.executable)
            if present.setdefault(path, files[path].data) != files[path].data:
                raise BuildError(
                    f"{request.describe(wheel)}: a file of `data` is in the wheel already, with another content",
                    details={"file": path, "from": source},
                    hint="name another path in `data`, or leave the project's own file out of the wheel",
                )
    return replace(wheel, files={**wheel.files, **files})


def find_data_owners(wheel: Wheel, request: RepairRequest) -> Mapping[str, tuple[str, ...]]:
    """Return the paths of data files in the wheel by the name of the library that each is from."""
    if not request.data:
        return {}
    prefix = os.path.realpath(request.prefix)
    origins = {
        path: Path(os.path.relpath(os.path.realpath(file.path), prefix)).as_posix()
        for destination, source in request.data.items()
        for path, file in _list_data(destination, source, wheel, request).items()
    }
    installers = find_installers(request.prefix, {*origins.values()})
    return {
        name: tuple(path for path, origin in sorted(origins.items()) if origin in files)
        for name, files in installers.items()
    }


def _list_data(destination: str, source: str, wheel: Wheel, request: RepairRequest) -> Mapping[str, ListedFile]:
    """Return the files of one entry, by their paths in the wheel."""
    path, reason = request.prefix / source, "it has no such path"
    try:
        if path.is_file() and not leads_out(path, request.prefix):
            executable = bool(path.stat().st_mode & 0o100)
            return {PurePosixPath(destination).as_posix(): ListedFile(name=path.name, path=path, executable=executable)}
        if path.is_dir() and not leads_out(path, request.prefix):
            files = list_files(path, within=request.prefix)
            if files:
                return {PurePosixPath(destination, file.name).as_posix(): file for file in files}
            reason = "the folder is empty"
    except UnusableFile as error:
        reason = str(error)
    raise BuildError(
        f"{request.describe(wheel)}: the libraries have no files for `data`",
        details={"path": source, "reason": reason},
        hint="name a file or a folder of a library in `requires`; `everywheel deps --output-dir DIR` writes all of them",
    )
