"""The archives that the files of a wheel are linked to, from the arguments of the links.

Neither zig's linkers nor a finished module name the archives in it: a module is stripped, and exports its init function only.
The compilers of a wheel's toolchain therefore write down the arguments of each link.
"""

from __future__ import annotations

import filecmp
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from everywheel.binaries.formats import read_binary
from everywheel.binaries.unreadable import UnreadableBinary
from everywheel.platforms.target import OPERATING_SYSTEMS
from everywheel.toolchains.toolchain import Toolchain
from everywheel.wheels.wheel import read_wheel

_ARCHIVES = (".a", ".lib")
_PROGRAMS = ("cc", "c++", "ar")
# Each process has a file of its own. The arguments follow the working directory, and an empty line ends them.
_RECORD = """case " $* " in
  *' -c '* | *' -E '* | *' -S '*) ;;
  *) { printf ' %s\\n' "$PWD" "$@"; echo; } >>@folder@/$$ ;;
esac
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """The working directory and the arguments of a link, or of a call of `ar`."""

    folder: Path
    args: Sequence[str]

    @property
    def output(self) -> str:
        """The name of the file that was linked; empty for a call of `ar`."""
        for arg, following in zip(self.args, [*self.args[1:], ""], strict=True):
            if arg.startswith("-o"):
                return PurePosixPath(arg[2:] or following).name
        return ""

    def list_files(self, prefix: Path) -> Iterator[Path]:
        """Yield the archives and objects that the arguments name; those of `-lfoo` are searched as linkers do."""
        folders = []
        parts = [part for arg in self.args for part in (arg.split(",")[1:] if arg.startswith("-Wl,") else [arg])]
        for part, following in zip(parts, [*parts[1:], ""], strict=True):
            if part.startswith("-L"):
                folders.append(self.folder / (part[2:] or following))
        for part in parts:
            if part.startswith("-l"):
                name = part[2:]
                names = [name[1:]] if name.startswith(":") else [f"lib{name}.a", f"{name}.lib", f"lib{name}.lib"]
                candidates = (folder / name for folder in (*folders, prefix / "lib") for name in names)
                yield from [path for path in candidates if path.is_file()][:1]
            elif not part.startswith("-"):
                yield self.folder / part


def record_links(toolchain: Toolchain) -> None:
    """Add commands that write down the arguments of links to the compilers of a toolchain, which are shell scripts."""
    folder = _find_records(toolchain)
    folder.mkdir(exist_ok=True)
    for program in map(toolchain.program, _PROGRAMS):
        first, rest = program.read_text().split("\n", 1)
        program.write_text(f"{first}\n{_RECORD.replace('@folder@', shlex.quote(str(folder)))}{rest}")


def find_linked_archives(built: Path, toolchain: Toolchain) -> frozenset[str] | None:
    """Return the names of the archives in the prefix, such as `libz.a`, that the files of a backend's wheel are linked to.

    Returns None if that is not known, since a file of the wheel was not linked under its name by the toolchain.
    """
    links = _read_links(toolchain)
    outputs: dict[str, list[_Link]] = {}
    for link in links:
        outputs.setdefault(link.output, []).append(link)
    pending = list(_list_binaries(built))
    if any(name not in outputs for name in pending):
        return None
    prefix = toolchain.prefix.resolve()
    # An archive of the prefix from which `ar` copies objects can be part of every file.
    files = {path for link in outputs.get("", ()) for path in link.list_files(prefix)}
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        for path in (path for link in outputs[name] for path in link.list_files(prefix)):
            files.add(path)
            if path.name in outputs and not path.resolve().is_relative_to(prefix):
                pending.append(path.name)
    inside = {path.resolve() for path in files if path.suffix in _ARCHIVES and path.is_file()}
    return frozenset(_find_own_name(path) for path in inside if path.is_relative_to(prefix))


def _find_records(toolchain: Toolchain) -> Path:
    return toolchain.directory / "links"


def _read_links(toolchain: Toolchain) -> list[_Link]:
    folder = _find_records(toolchain)
    links = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        for record in path.read_text(encoding="utf-8", errors="surrogateescape").split("\n\n"):
            lines = [line[1:] for line in record.splitlines() if line.startswith(" ")]
            if lines:
                links.append(_Link(folder=Path(lines[0]), args=tuple(lines[1:])))
    return links


def _list_binaries(built: Path) -> Iterator[str]:
    for path, file in read_wheel(built).files.items():
        try:
            is_binary = read_binary(path, file.data, tuple(OPERATING_SYSTEMS)) is not None
        except UnreadableBinary:
            is_binary = True
        if is_binary:
            yield PurePosixPath(path).name


def _find_own_name(path: Path) -> str:
    """Return the name that a library has installed an archive with, which may be a copy under a name for Windows."""
    if path.suffix == ".lib":
        for other in sorted(path.parent.glob("lib*.a")):
            if filecmp.cmp(path, other, shallow=False):
                return other.name
    return path.name
