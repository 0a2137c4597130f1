"""Checks of what a wheel names outside of itself: directories of the build machine, and libraries that programs open."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents
from everywheel.errors import count_noun

# Directories that pip, build, cibuildwheel and the runners of GitHub create for a build.
_BUILD_DIRECTORY = re.compile(
    rb"[/\\](?:(?:pip-(?:build-env|install|req-build|wheel)-|build-env-|build-via-sdist-|cibw-run-)\w{4,16}"
    rb"|(?:home|Users)/runner/work|opt/_internal)[/\\][^\s\"'<>]{1,80}"
)
_LONGEST_PATH = 120
_MAX_FILES = 4


def check_build_paths(contents: WheelContents) -> Iterator[Finding]:
    """Find files of any kind that contain a path of their build; only a build knows its paths."""
    for path, file in contents.wheel.files.items():
        for build_path in contents.build_paths:
            if build_path.encode() in file.data:
                message = f"contains a path of the build machine: {build_path}"
                yield Finding(
                    check="paths", file=path, message=message, evidence=tuple(_list_lines(file.data, build_path))
                )
                break


def _list_lines(data: bytes, text: str) -> Iterator[str]:
    """Yield the first line of a text file with a text; nothing for a binary file."""
    start = data.index(text.encode())
    line = data[data.rfind(b"\n", 0, start) + 1 :].split(b"\n", 1)[0]
    if b"\0" not in data[:4096]:
        yield line.decode(errors="replace").strip()[:_LONGEST_PATH]


def summarize_build_paths(contents: WheelContents) -> str:
    """Return the number of paths that were searched for, and text files with a directory that build tools create."""
    texts = (path for path, file in contents.wheel.files.items() if path not in contents.binaries)
    named = {path: match for path in texts if (match := _BUILD_DIRECTORY.search(contents.wheel.files[path].data))}
    count = count_noun(len(contents.build_paths), "path")
    shown = [f"{path} ({match[0].decode(errors='replace')[:_LONGEST_PATH]})" for path, match in named.items()]
    rest = f" and {count_noun(len(shown) - _MAX_FILES, 'more file')}" if len(shown) > _MAX_FILES else ""
    listed = f"; directories of a build machine in {', '.join(shown[:_MAX_FILES])}{rest}" if shown else ""
    return f"searched for {count} of the build{listed}"


def summarize_opened_libraries(contents: WheelContents) -> str:
    """Return the libraries that files open with dlopen() and that are not in the wheel, by the names in their constants."""
    names = {posixpath.basename(path) for path in contents.binaries}
    opened: dict[str, list[str]] = {}
    for path, elf in contents.elves.items():
        for library in elf.opened:
            if library not in names:
                opened.setdefault(library, []).append(posixpath.basename(path))
    listed = [f"{library} ({', '.join(files)})" for library, files in sorted(opened.items())]
    return f"may open from the system: {', '.join(listed)}" if listed else "no library outside of the wheel"
