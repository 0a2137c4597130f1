"""Hints for failures of a build backend whose cause is known by the messages of compilers and build systems."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from everywheel.errors import BuildError
from everywheel.platforms.target import Target

# Compilers that a build starts by their own names. They would compile for this machine, so PATH has none of them.
_COMPILER = r"(?:[\w.-]+-)?(?:gcc|g\+\+|clang|clang\+\+|cl|icx?|tcc)(?:-[\d.]+)?(?:\.exe)?"
_FOREIGN_COMPILER = re.compile(
    rf"No such file or directory: '(?P<python>{_COMPILER})'"
    rf"|(?:^|: )(?P<shell>{_COMPILER}): (?:command )?not found"
    rf"|^(?P<program>\S*\b{_COMPILER}): (?:fatal )?error: (?:cannot execute|unable to execute|unable to run)",
    re.MULTILINE,
)
_MISSING = re.compile(
    r"unable to find (?:dynamic|static) system library [\"'](?P<zig>[^\"']+)[\"']"
    r"|library not found for -l(?P<ld>\S+)"
    r"|fatal error: '(?P<header>[^']+\.h(?:h|pp)?)' file not found"
    r"|Dependency \"?(?P<meson>[^\" ]+)\"? not found"
    r"|C shared or static library '(?P<library>[^']+)' not found"
    r"|Could NOT find (?P<cmake>\w+)",
)

# Headers of macOS itself: those of its kernel and C library, and those of frameworks that Python packages use.
_APPLE_FRAMEWORKS = (
    "Accelerate|AppKit|ApplicationServices|AudioToolbox|AudioUnit|AVFoundation|Carbon|Cocoa|CoreAudio|CoreFoundation|CoreGraphics"
    "|CoreMIDI|CoreServices|CoreText|Foundation|ImageIO|IOKit|Metal|OpenCL|OpenGL|QuartzCore|Security|SystemConfiguration"
)
_APPLE_HEADER = re.compile(rf"(?:{_APPLE_FRAMEWORKS}|bsm|dispatch|mach|mach-o|net|netinet6?|objc|os|sys|xpc)/.+")

_MESON_DOWNLOAD = re.compile(
    r"Subproject (?P<name>\S+) is buildable: NO\n.*Automatic wrap-based subproject downloading is disabled"
)

# Instructions in a function with `target("sse4.2")`, which implies `crc32` for gcc. zig turns off all features that the oldest
# processor of a target does not have, and then they are not implied (https://github.com/llvm/llvm-project/issues/194125).
_MISSING_FEATURE = re.compile(
    r"error: (?:'[^']+' needs target feature|always_inline function '[^']+' requires target feature) '?(?P<feature>[\w.]+)"
)

# Files that build systems name as the build files of a project do: relative to its folder.
_ABOVE = r"(?P<file>(?:\.\./)+[^\s:'\"]+)"
_MISSING_FILE = (
    re.compile(rf"{_ABOVE}['\"]?:.*(?:No such file|FileNotFound|does not exist)"),
    re.compile(rf"(?:No such file or directory|does not exist)[^\n]*?: '?{_ABOVE}"),
    re.compile(rf"ERROR: (?:File|Nonexistent build file|Include dir) '?{_ABOVE}'? (?:does not exist|not found)"),
    re.compile(rf"Cannot find source file:\s+{_ABOVE}"),
)
_MISSING_HEADER = re.compile(r"fatal error: '(?P<header>[^']+)' file not found")
_FOLDER_ABOVE = re.compile(r"-I(?P<folder>(?:\.\./)*\.\.(?:/[^\s'\"]*)?)")


def explain_failure(error: BuildError, extension: Path, target: Target) -> None:
    """Add a hint to an error of a build backend that has none, if the quoted output shows the cause.

    `extension` is the folder that the project was copied from.
    """
    if error.hint is not None:
        return
    output = "\n".join(error.excerpt)
    if compiler := _FOREIGN_COMPILER.search(output):
        error.hint = (
            f"the build starts the compiler '{_name(compiler)}' by its own name, which is that of this machine: it must use "
            "the compiler of the target, which $CC, $CXX and $LDSHARED name, as does Python's `sysconfig`"
        )
    elif outside := next(_find_files_above(output, extension), None):
        error.hint = (
            f"'{outside}' is not in the copy of the project that is built, since it is outside of {extension.name}: move it "
            "into that folder, or make a link to it there, which is followed"
        )
    elif wrap := _MESON_DOWNLOAD.search(output):
        error.hint = (
            f"the build would download '{wrap['name']}', which nothing pins: name its recipe in `requires`, or add "
            "the folder of the subproject to the project (`meson subprojects download`)"
        )
    elif match := _MISSING_FEATURE.search(output):
        name = match["feature"]
        error.hint = (
            f"not every processor of the target has the instructions '{name}': if the code runs them only where they exist, "
            f'`environment = {{ CFLAGS = "-m{name}" }}` (CXXFLAGS for C++) in an override for this processor enables them'
        )
    elif missing := _MISSING.search(output):
        error.hint = _explain_missing(_name(missing), target)


def _explain_missing(name: str, target: Target) -> str:
    if target.os == "darwin" and _APPLE_HEADER.fullmatch(name):
        return (
            f"'{name}' is a header of Apple's SDK, which zig does not have: switch off the part of the project that includes "
            "it, or build for macOS on a Mac with `--engine native`"
        )
    return (
        f"'{name}' is not among the libraries of the target: name its recipe in `requires`; `everywheel recipes "
        "search` finds recipes"
    )


def _name(match: re.Match[str]) -> str:
    return next(text for text in match.groups() if text)


def _find_files_above(output: str, extension: Path) -> Iterator[str]:
    """Yield the missing files in the output that are above the project's folder: they exist, but not for the build."""
    files = [match["file"] for pattern in _MISSING_FILE for match in pattern.finditer(output)]
    headers = [match["header"] for match in _MISSING_HEADER.finditer(output)]
    folders = [match["folder"].rstrip("/") for match in _FOLDER_ABOVE.finditer(output)]
    for file in (*files, *(f"{folder}/{header}" for header in headers for folder in folders)):
        path = (extension / file).resolve()
        if path.exists() and not path.is_relative_to(extension.resolve()):
            yield file
