"""The shared libraries that are passed on with the programs."""

from __future__ import annotations

import shutil

from everywheel.binaries.elf import read_elf
from everywheel.binaries.pe import read_pe

from example_builds.commands import ExampleError
from example_builds.shapes import Build


def copy_libraries(build: Build) -> None:
    """Copy the shared libraries that the programs need, with the texts of their licenses."""
    windows = build.shape.kind == "windows"
    source, destination = build.sdk / ("bin" if windows else "lib"), build.output / ("" if windows else "lib")
    destination.mkdir(exist_ok=True)
    pending = [path for path in build.output.iterdir() if path.is_file()] + [source / "libvips-42.dll"] * windows
    seen: set[str] = set()
    while pending:
        data = pending.pop().read_bytes()
        needed = list(read_pe(data).imports) if windows else list(read_elf(data).needed)
        for name in needed:
            if name not in seen and (source / name).is_file():
                seen.add(name)
                shutil.copyfile(source / name, destination / name)
                pending.append(destination / name)
    if not seen:
        raise ExampleError(f"the programs in {build.output} need no library of {source}")
    shutil.copytree(build.sdk / "share" / "licenses", build.output / "licenses", dirs_exist_ok=True)
