"""The archives that the files of a wheel are linked to, from the arguments of the links.

Neither zig's linkers nor a finished module name the archives in it: a module is stripped, and exports its init function only.
The compilers of a wheel's toolchain therefore write down the arguments of each link.
"""

from __future__ import annotations

import filecmp
import re
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
_MAGIC = b"!<"  # of archives, also thin ones
# `-lz`, `-l z`, and `-weak-lz` of macOS
_LIBRARY = re.compile(r"(?:-(?:weak|hidden|needed|reexport))?-l(?P<name>.*)|--library=?(?P<long>.*)")
_PROGRAMS = ("cc", "c++", "ar")
# Each process has a file of its own. The arguments follow the working directory and the program, and an empty line ends them.
_RECORD = """links_nothing=
case "${0##*/} $* " in
  'ar '*) ;;
  *' -c '* | *' -E '* | *' -S '*) links_nothing=yes ;;
esac
if [ -z "$links_nothing" ]; then { printf ' %s\\n' "$PWD" "${0##*/}" "$@"; echo; } >>@folder@/$$; fi
"""


class _UnknownLinkError(Exception):
    """The arguments of a link do not show which archives it uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """The working directory, the program and the arguments of a link, or of a call of `ar`."""

    folder: Path
    program: str
    args: Sequence[str]

    @property
    def output(self) -> str:
        """The name of the file that was linked; empty for a call of `ar`."""
        for arg, following in zip(self.args, [*self.args[1:], ""], strict=True):
            if self.program != "ar" and arg.startswith("-o"):
                return PurePosixPath(arg[2:] or following).name
        return ""

    @property
    def is_readable(self) -> bool:
        """False if the arguments name files that contain the names of others: scripts of `ar`, and response files."""
        return "-M" not in self.args and not any(arg.startswith("@") for arg in self.args)

    def list_files(self, prefix: Path) -> Iterator[Path]:
        """Yield the archives and objects that the arguments name; those of `-lfoo` are searched as linkers do.

        Raises _UnknownLinkError for a library that is a script of the linker.
        """
        folders = []
        parts = [part for arg in self.args for part in (arg.split(",")[1:] if arg.startswith("-Wl,") else [arg])]
        for part, following in zip(parts, [*parts[1:], ""], strict=True):
            if part.startswith("-L"):
                folders.append(self.folder / (part[2:] or following))
        for part, following in zip(parts, [*parts[1:], ""], strict=True):
            if match := _LIBRARY.fullmatch(part):
                yield from _search(match["name"] or match["long"] or following, [*folders, prefix / "lib"])
            elif not part.startswith("-"):
                yield self.folder / part


def _search(name: str, folders: Sequence[Path]) -> Iterator[Path]:
    """Yield the archive that `-l` finds, if there is one in the folders."""
    names = [name[1:]] if name.startswith(":") else [f"lib{name}.a", f"{name}.lib", f"lib{name}.lib"]
    shared = (folder / f"lib{name}.so" for folder in folders)
    archives = [folder / name for folder in folders for name in names if _is_file(folder / name)][:1]
    if any(not _is_binary(path) for path in (*filter(_is_file, shared), *archives)):
        raise _UnknownLinkError
    yield from archives


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


def _is_binary(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(4)
    return start.startswith(_MAGIC) or start == b"\x7fELF"


def record_links(toolchain: Toolchain) -> None:
    """Add commands that write down the arguments of links to the compilers of a toolchain, which are shell scripts."""
    folder = _find_records(toolchain)
    folder.mkdir(exist_ok=True)
    for program in map(toolchain.program, _PROGRAMS):
        first, rest = program.read_text().split("\n", 1)
        program.write_text(f"{first}\n{_RECORD.replace('@folder@', shlex.quote(str(folder)))}{rest}")


def find_linked_archives(built: Path, toolchain: Toolchain) -> frozenset[str] | None:
    """Return the names of the archives in the prefix, such as `libz.a`, that the files of a backend's wheel are linked to.

    An archive that the wheel itself contains is among them. Returns None if that is not known: a file of the wheel was not
    linked under its name by the toolchain, or an archive has an unknown origin.
    """
    links = _read_links(toolchain)
    prefix = toolchain.prefix.resolve()
    try:
        files = _follow_links(links, list(_list_binaries(built)), prefix, frozenset(toolchain.link_flags))
    except _UnknownLinkError:
        return None
    return frozenset(map(_find_own_name, files)) | _list_shipped(built, prefix)


def _follow_links(links: Sequence[_Link], names: Sequence[str], prefix: Path, flags: frozenset[str]) -> set[Path]:
    """Return the archives in a prefix that the files with these names are linked to; raise _UnknownLinkError.

    `flags` are those of every link.
    """
    outputs: dict[str, list[_Link]] = {}
    for link in links:
        outputs.setdefault(link.output, []).append(link)
    calls = outputs.get("", [])
    if any(name not in outputs for name in names) or not all(link.is_readable for link in calls):
        raise _UnknownLinkError
    # An archive of the prefix from which `ar` copies objects can be part of every file.
    files = {path for link in calls for path in link.list_files(prefix)}
    own = {path.name for path in files}
    pending, seen = [*names], set[str]()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        for path in (path for link in outputs[name] for path in link.list_files(prefix)):
            files.add(path)
            if path.name in outputs and not path.resolve().is_relative_to(prefix):
                pending.append(path.name)
    archives = {path.resolve() for path in files if path.suffix in _ARCHIVES}
    inside = {path for path in archives if path.is_relative_to(prefix) and _is_file(path)}
    unknown = {path for path in archives - inside if path.name not in own and str(path) not in flags}
    return inside | {_find_original(path, prefix) for path in unknown}


def _find_original(path: Path, prefix: Path) -> Path:
    """Return the archive of a prefix that a file is a copy of; raise _UnknownLinkError if there is none."""
    if _is_file(path):
        for other in _list_archives(prefix):
            if filecmp.cmp(path, other, shallow=False):
                return other
    raise _UnknownLinkError


def _list_archives(prefix: Path) -> list[Path]:
    return sorted(path for path in (prefix / "lib").glob("*") if path.suffix in _ARCHIVES and path.is_file())


def _list_shipped(built: Path, prefix: Path) -> frozenset[str]:
    """Return the names of the archives of a prefix that a wheel contains."""
    shipped = {file.data for path, file in read_wheel(built).files.items() if path.endswith(_ARCHIVES)}
    return frozenset(
        _find_own_name(path) for path in _list_archives(prefix) if shipped and path.read_bytes() in shipped
    )


def _find_records(toolchain: Toolchain) -> Path:
    return toolchain.directory / "links"


def _read_links(toolchain: Toolchain) -> list[_Link]:
    folder = _find_records(toolchain)
    links = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        for record in path.read_text(encoding="utf-8", errors="surrogateescape").split("\n\n"):
            lines = [line[1:] for line in record.splitlines() if line.startswith(" ")]
            if lines:
                links.append(_Link(folder=Path(lines[0]), program=lines[1], args=tuple(lines[2:])))
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
