"""Launchers: what compiler wrappers are on Windows, which starts programs alone and no scripts.

A launcher is a copy of one small program (`launcher.c`), with a file beside it that says what to start.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from everywheel.execution.process import join_windows_args

SOURCE = Path(__file__).with_name("windows_launcher.c")
SUFFIX = ".exe"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """What a launcher starts: the words before its own, and variables.

    `libraries` is the folder that is named to whoever asks a compiler where libraries lie (`-print-search-dirs`).
    """

    command: Sequence[object]
    libraries: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def write_launcher(program: Path, compiled: Path, launch: LaunchSpec) -> None:
    """Write a launcher as `program`, a copy of the compiled one."""
    libraries = "" if launch.libraries is None else launch.libraries.as_posix()
    variables = [f"{name}={value}" for name, value in launch.environment.items()]
    lines = [join_windows_args([str(arg) for arg in launch.command]), libraries, *variables]
    shutil.copyfile(compiled, program)
    program.with_name(f"{program.name}.words").write_text("\n".join(lines), encoding="utf-8", newline="\n")
