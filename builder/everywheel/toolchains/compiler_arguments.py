"""Arguments of compilers that the wrappers of the zig engine drop, replace, translate or refuse, and the notes about them.

A build may name directories of the build machine, and flags that gcc and GNU ld have but zig does not. The wrappers handle
them with `compiler_arguments.sh`, and append a note to a file for each argument that they drop or refuse, since build
systems hide what a compiler prints. The notes are reported at the end of the build.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from everywheel.errors import BuildError, count_noun, find_page
from everywheel.execution.process import log_lines
from everywheel.toolchains.toolchain import PYTHON_HEADERS, TARGET_PACKAGES, Toolchain

SCRIPT = Path(__file__).with_name("compiler_arguments.sh")
RESPONSE_FILES = SCRIPT.with_name("response_files.py")
_FOLDER_OPTIONS = ("-I", "-L", "-B", "-F", "-i", "--sysroot")
_MISSING = re.compile("not found|unable to find|cannot find|No such file", re.I)
_FOREIGN_LIBRARY = "is refused: it is a library of the build machine"  # as the wrapper writes it
_SHOWN = 5  # arguments in one line of an error
# Patterns of the shell for flags of link-time optimization.
_GCC_LTO = "-flto=auto | -flto=jobserver | -flto=[0-9]*"
_LTO = "-flto | -flto=* | -fwhole-program-vtables | -fsplit-lto-unit | -fvirtual-function-elimination"


class NoteKind(StrEnum):
    """The reason for a note; the value is its first word. An argument that names a framework is passed on."""

    DROPPED = "dropped"
    REFUSED = "refused"
    FRAMEWORK = "framework"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An argument of which a wrapper made a note; `subjects` are the files that it was passed for."""

    kind: NoteKind
    argument: str
    subjects: tuple[str, ...]

    @property
    def is_folder(self) -> bool:
        """True for a directory of the build machine."""
        is_option = self.argument.startswith(_FOLDER_OPTIONS) and "/" in self.argument
        return self.kind is NoteKind.DROPPED and is_option

    def __str__(self) -> str:
        others = f" and {count_noun(len(self.subjects) - 1, 'other file')}" if len(self.subjects) > 1 else ""
        return f"{self.argument} (for {self.subjects[0]}{others})"


def render_filter(toolchain: Toolchain, folders: Sequence[Path], python: Path) -> str:
    """Return the part of a wrapper that checks its arguments: builds may name only the workspace and `folders`.

    `python` replaces response files by the arguments in them, which are checked like all others.

    Link-time optimization is possible for Linux only: zig's linker for macOS does not have it, and for Windows functions of
    the C library that it introduces are missing (https://github.com/ziglang/zig/issues/15958). LLD does not know the values
    of gcc's option.
    """
    workspace = toolchain.directory.parent
    allowed = dict.fromkeys(path for folder in (workspace, *folders) for path in (folder, folder.resolve()))
    headers = toolchain.prefix / PYTHON_HEADERS
    values = {
        "python": shlex.quote(str(headers)) if headers.is_dir() else "",
        "windows": "yes" if toolchain.target.os == "windows" else "",
        "features": "yes" if toolchain.target.arch.is_x86 else "",
        "packages": shlex.quote(str(workspace / TARGET_PACKAGES)),
        "prefix": shlex.quote(str(toolchain.prefix)),
        "source": shlex.quote(str(workspace / "source")),
        "allowed": " | ".join(f"{shlex.quote(str(path))}/*" for path in allowed),
        "expand": shlex.join(map(str, [python, "-I", "-S", RESPONSE_FILES])),
        "architecture": " | ".join(
            f"-Xarch_{name}" for name in ("host", toolchain.target.arch.name, toolchain.target.arch_tag)
        ),
        "lto": _GCC_LTO if toolchain.target.os == "linux" else _LTO,
        "notes": shlex.quote(str(_find_notes(toolchain))),
    }
    text = "".join(line for line in SCRIPT.read_text().splitlines(keepends=True) if not line.startswith("#"))
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _find_notes(toolchain: Toolchain) -> Path:
    return toolchain.directory / "arguments.txt"


def read_notes(toolchain: Toolchain) -> tuple[Note, ...]:
    """Return the notes that the wrappers of a toolchain have written, one for each argument."""
    path = _find_notes(toolchain)
    subjects: dict[tuple[str, str], dict[str, None]] = {}
    pending: list[tuple[str, str]] = []
    for line in path.read_text(errors="replace").splitlines() if path.exists() else []:
        kind, _, text = line.partition("\t")
        if kind != "for":
            pending.append((kind, text))
            continue
        for note in pending:
            subjects.setdefault(note, {})[text or "a link"] = None
        pending = []
    return tuple(
        Note(kind=NoteKind(kind), argument=argument, subjects=tuple(files))
        for (kind, argument), files in subjects.items()
    )


@contextlib.contextmanager
def report_arguments(toolchain: Toolchain, log: Path, label: str) -> Iterator[None]:
    """Append the notes of the wrappers to the log at the end of the body, and add them to a BuildError that it raises."""
    try:
        yield
    except BuildError as error:
        _explain(error, read_notes(toolchain))
        raise
    finally:
        lines = [f"{note.kind}: {note}" for note in read_notes(toolchain) if note.kind is not NoteKind.FRAMEWORK]
        if lines:
            log_lines(log, label, ["arguments that the compiler wrappers did not pass on:", *lines])


def _explain(error: BuildError, notes: Sequence[Note]) -> None:
    refused = [note for note in notes if note.kind is NoteKind.REFUSED]
    folders = [note for note in notes if note.is_folder]
    frameworks = [note for note in notes if note.kind is NoteKind.FRAMEWORK]
    for title, selected in (("refused", refused), ("dropped", folders), ("frameworks", frameworks)):
        if selected:
            rest = f", and {len(selected) - _SHOWN} more" if len(selected) > _SHOWN else ""
            error.details[title] = ", ".join(map(str, selected[:_SHOWN])) + rest
    if refused:
        if error.hint is None and _FOREIGN_LIBRARY in "\n".join(error.excerpt):
            error.hint = (
                "the target needs its own library: name a recipe in `requires`, and let the build search it by name (`-lz`) "
                "instead of naming this file"
            )
        return
    if frameworks:
        error.hint = (
            "zig has libSystem and no framework of macOS, and SDKROOT is not used: switch the framework off, or build for "
            f"macOS on a Mac with `--engine native` ({find_page('macos.md')})"
        )
    elif folders and _MISSING.search("\n".join(error.excerpt)):
        error.hint = (
            f"'{folders[0].argument}' names a folder of this machine, which no wheel may depend on: a library from there "
            "needs a recipe, named in `requires`"
        )
