"""A wheel's binaries, read before a repair begins: what repair tools say of a broken one names neither file nor fault."""

from __future__ import annotations

from everywheel.binaries.formats import FORMATS, UNREADABLE_BINARY, read_binary
from everywheel.errors import BuildError
from everywheel.platforms.target import Target
from everywheel.wheels.wheel import Wheel


def check_binaries(wheel: Wheel, target: Target) -> None:
    """Raise BuildError when a file that is to be repaired cannot be read, or when the wheel has none for the target.

    Files of other systems are left to the audit.
    """
    known = FORMATS[target.os]
    broken: dict[str, str] = {}
    found = False
    for path, file in sorted(wheel.files.items()):
        try:
            binary = read_binary(path, file.data, (target.os,))
        except UNREADABLE_BINARY as error:
            if error.check == known.check:
                broken[path] = str(error)
        else:
            found = found or isinstance(binary, known.facts)
    if broken:
        raise BuildError(
            f"{wheel.filename}: {'a compiled file' if len(broken) == 1 else f'{len(broken)} compiled files'} in it "
            "cannot be read, so that nothing can be grafted",
            details=broken,
            hint="such a file is cut off or damaged, or no compiled file at all: build the wheel again",
        )
    if not found:
        raise BuildError(
            f"{wheel.filename}: it holds no {known.name} file, so that there is nothing to repair for {target.tag}",
            hint=f"build the extension for {target.system.title}, or name the system that the wheel is for with --target",
        )
