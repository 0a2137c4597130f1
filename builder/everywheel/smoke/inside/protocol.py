"""Request and report of one smoke test: `run.py` receives the request as its argument and writes the report to a file.

Imported by this package and by `run.py` in the image. A Python in an image may be as old as 3.9, which has
neither slotted dataclasses nor StrEnum.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

_LARGEST_REPORT = 64 << 20  # bytes


class Stage(str, Enum):  # noqa: UP042
    """Parts of a smoke test, in their order."""

    INSTALL = "install"
    IMPORT = "import"
    TEST = "test"


@dataclass(frozen=True)
class SmokeRequest:
    """Input of `run.py`; all paths are paths in the container.

    `requirement` is the wheel's path, or a requirement that is resolved from the package index `index`. It is installed into
    `site`. Then `modules` are imported, and `command`, the smoke command, is run unless it is empty; both are started
    through `emulator` if that is not empty. Libraries may be loaded from `allowed_folders`, and `promised_libraries`
    (file names) from anywhere.
    """

    requirement: str
    index: str
    site: str
    modules: tuple[str, ...]
    command: tuple[str, ...]
    emulator: tuple[str, ...]
    report: str
    allowed_folders: tuple[str, ...]
    promised_libraries: tuple[str, ...]

    def to_argument(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_argument(cls, argument: str) -> SmokeRequest:
        values = json.loads(argument)
        return cls(
            requirement=values["requirement"],
            index=values["index"],
            site=values["site"],
            modules=tuple(values["modules"]),
            command=tuple(values["command"]),
            emulator=tuple(values["emulator"]),
            report=values["report"],
            allowed_folders=tuple(values["allowed_folders"]),
            promised_libraries=tuple(values["promised_libraries"]),
        )


@dataclass(frozen=True)
class StageResult:
    """Exit code (negative: a signal), end of the output of both streams, and wall time in seconds of one stage."""

    stage: Stage
    exit_code: int
    output: str
    seconds: float


@dataclass(frozen=True)
class ImportResult:
    """The import of one extension module: `error` is the last line of the exception, empty if there was none.

    `missing` is the top-level module that is not installed, if the import failed because of that.
    """

    module: str
    error: str = ""
    missing: str = ""


def write_imports(file: Path, results: Sequence[ImportResult]) -> None:
    """Write the results of imports so far."""
    file.write_text(json.dumps([dataclasses.asdict(result) for result in results]), encoding="utf-8")


def read_imports(file: Path) -> tuple[ImportResult, ...]:
    """Return the results that were written; none if there is no valid file, since the imported code may do anything."""
    try:
        return _parse_imports(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()


def _parse_imports(values: list[dict[str, Any]]) -> tuple[ImportResult, ...]:
    return tuple(
        ImportResult(module=str(value["module"]), error=str(value["error"]), missing=str(value["missing"]))
        for value in values
    )


@dataclass(frozen=True)
class SmokeReport:
    """Report of a container: the stages that ran, the imports, and the libraries that imports and smoke command loaded.

    `libc_version` is empty if it cannot be determined. `loaded_libraries` are file names, `unexpected_libraries` the
    paths of those that the request does not allow.
    """

    python: str
    libc: str
    libc_version: tuple[int, ...]
    stages: tuple[StageResult, ...]
    loaded_libraries: tuple[str, ...]
    unexpected_libraries: tuple[str, ...]
    imports: tuple[ImportResult, ...] = ()

    def write(self, path: Path) -> None:
        """Write the report atomically: after a container is killed, either the whole file exists or none."""
        unfinished = path.with_name(f"{path.name}.unfinished")
        unfinished.write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")
        unfinished.replace(path)

    @classmethod
    def read(cls, path: Path) -> SmokeReport | None:
        """Return the report of a container, or None if the container, whose code may do anything, wrote no valid one."""
        try:
            if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST_REPORT:
                return None
            return cls._parse(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    @classmethod
    def _parse(cls, values: dict[str, Any]) -> SmokeReport:
        stages = tuple(
            StageResult(
                stage=Stage(stage["stage"]),
                exit_code=int(stage["exit_code"]),
                output=str(stage["output"]),
                seconds=float(stage["seconds"]),
            )
            for stage in values["stages"]
        )
        if not stages:
            raise ValueError("no stage was run")
        return cls(
            python=str(values["python"]),
            libc=str(values["libc"]),
            libc_version=tuple(map(int, values["libc_version"])),
            stages=stages,
            loaded_libraries=tuple(map(str, values["loaded_libraries"])),
            unexpected_libraries=tuple(map(str, values["unexpected_libraries"])),
            imports=_parse_imports(values["imports"]),
        )
