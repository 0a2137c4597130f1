"""Validation of a wheel's binaries before a repair, since the messages of repair tools do not name the broken file."""

from __future__ import annotations

from everywheel.binaries.formats import FORMATS, read_binary
from everywheel.binaries.unreadable import UnreadableBinary
from everywheel.errors import BuildError
from everywheel.platforms.target import Target
from everywheel.wheels.wheel import Wheel


def check_binaries(wheel: Wheel, target: Target) -> None:
    """Raise BuildError when a file that needs a repair cannot be read, or when the wheel has none for the target.

    The audit checks the files of other systems.
    """
    expected = FORMATS[target.os]
    broken: dict[str, str] = {}
    has_binary = False
    for path, file in sorted(wheel.files.items()):
        try:
            binary = read_binary(path, file.data, (target.os,))
        except UnreadableBinary as error:
            if error.check == expected.check:
                broken[path] = str(error)
        else:
            has_binary = has_binary or isinstance(binary, expected.facts)
    if broken:
        files = "a compiled file" if len(broken) == 1 else f"{len(broken)} compiled files"
        raise BuildError(
            f"{wheel.filename}: cannot graft libraries, because {files} cannot be read",
            details=broken,
            hint="such a file is truncated, damaged or not a compiled file: build the wheel again",
        )
    if not has_binary:
        raise BuildError(
            f"{wheel.filename}: nothing to repair for {target.tag}: the wheel has no {expected.name} file",
            hint=f"build the extension for {target.system.title}, or name the wheel's target with --target",
        )
