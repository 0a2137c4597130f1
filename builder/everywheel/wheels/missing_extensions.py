"""Extensions that a build backend left out of its wheel, with the compiler's first error.

Many projects have a slower version in Python, and continue without their extension modules when a compiler fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from everywheel.binaries.formats import FORMATS, read_binary
from everywheel.binaries.unreadable import UnreadableBinary
from everywheel.errors import BuildError
from everywheel.execution.notices import report_notice
from everywheel.platforms.target import OPERATING_SYSTEMS, Target
from everywheel.wheels.wheel import read_wheel

# Errors of compilers, with file and line, those of linkers, CMake and Meson, and of zig and cargo; not those of setuptools,
# which names the command that failed after it.
_ERROR = re.compile(
    r"^.*(:\d+(:\d+)?: (fatal )?error: |\b(ld|lld|ld\.lld|clang|zig)[\w.+-]*: (fatal )?error: |CMake Error\b|: ERROR: )"
    r".*$|^error: (?!command ).*$",
    re.MULTILINE,
)
# `Extension(optional=True)` of setuptools
_LEFT_OUT = re.compile(r'building extension "(?P<name>[^"]+)" failed')
_SOURCES = frozenset((".c", ".cc", ".cpp", ".cxx", ".m", ".mm", ".pyx", ".rs", ".f", ".f90", ".go", ".zig"))
_SHOWN = 4  # lines of an error, and files


def check_extensions(built: Path, target: Target, source: Path, log: Path, label: str) -> None:
    """Report the extensions that the backend's log calls failed; raise BuildError when the wheel has no compiled file.

    `built` is the backend's wheel, `source` the copy of the project that it was built from.
    """
    output = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    if _has_compiled_file(built):
        for name, error in _list_left_out(output):
            report_notice(f"{label}: the extension {name} is not part of the wheel: {error}")
        return
    if first := _ERROR.search(output):
        raise BuildError(
            f"{label}: the wheel has no extension module, because compiling failed",
            details={"built": built.name},
            excerpt=output[first.start() :].splitlines()[:_SHOWN],
            log=log,
            hint="the project's build continues after an error of the compiler: correct the first one",
        )
    if sources := _list_sources(source):
        rest = f" and {len(sources) - _SHOWN} more" if len(sources) > _SHOWN else ""
        raise BuildError(
            f"{label}: the wheel has no extension module, and no compiler reported an error",
            details={"built": built.name, "sources": f"{', '.join(sources[:_SHOWN])}{rest}"},
            log=log,
            hint="does the project require a setting that enables its extension? The log shows what its build did",
        )
    raise BuildError(
        f"{label}: the project is pure Python: it has nothing to build for a target",
        details={"built": built.name},
        hint="the wheel that `pip wheel --no-deps .` builds runs on every system: upload that one",
    )


def _has_compiled_file(built: Path) -> bool:
    for path, file in read_wheel(built).files.items():
        try:
            binary = read_binary(path, file.data, tuple(OPERATING_SYSTEMS))
        except UnreadableBinary:
            return True  # repair and audit describe it
        if isinstance(binary, tuple(format.facts for format in FORMATS.values())):
            return True
    return False


def _list_left_out(output: str) -> Iterator[tuple[str, str]]:
    """Yield each extension that setuptools left out, with the first error since the previous one."""
    start = 0
    for match in _LEFT_OUT.finditer(output):
        error = _ERROR.search(output, start, match.start())
        yield match["name"], error[0].strip() if error else "its compiler failed"
        start = match.end()


def _list_sources(source: Path) -> list[str]:
    files = (path for path in source.rglob("*") if path.suffix in _SOURCES and path.is_file())
    return sorted(path.relative_to(source).as_posix() for path in files)
