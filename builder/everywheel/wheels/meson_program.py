"""A program `meson` that answers meson-python's query of the version without a start of Meson.

meson-python calls `meson --version` before it builds, which imports all of Meson, for a third of a second.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from everywheel.config.pins import Pin

# Of a pre-release, Meson writes the version differently than the package index.
_RELEASE = re.compile(r"\d+(\.\d+)*")


def write_meson_program(folder: Path, interpreter: Path, pins: Sequence[Pin]) -> None:
    """Write the program into a folder of PATH before that of `interpreter`, the Python of an environment with the pins.

    Without a pinned release of Meson in the environment, nothing is written.
    """
    program = interpreter.parent / "meson"
    version = next((pin.version for pin in pins if pin.name == "meson"), "")
    if not _RELEASE.fullmatch(version) or not program.is_file():
        return
    written = folder / "meson"
    written.write_text(
        f'#!/bin/sh\nif [ "$*" = --version ]; then echo {version}; else exec {shlex.quote(str(program))} "$@"; fi\n'
    )
    written.chmod(0o755)
