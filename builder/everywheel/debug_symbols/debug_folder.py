"""A folder with the debug files of wheels, `.build-id/12/3456….debug`, as debuggers and debuginfod read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.archives.zip_reader import open_zip
from everywheel.binaries.elf import is_elf
from everywheel.debug_symbols.elf_debug_file import has_debug_data, hash_code, make_debug_file, read_build_id
from everywheel.errors import BuildError
from everywheel.wheels.wheelhouse import open_unfinished


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugFile:
    """The debug file of a compiled file in a wheel; `path` is None if the file has no debug data, for a `reason`."""

    file: str
    path: Path | None = None
    reason: str = ""


def find_other_code(wheel: Path, twin: Path) -> tuple[str, ...]:
    """Return the compiled files of a wheel whose code is not that of a file in `twin`, the wheel with debug data."""
    codes = {hash_code(data) for _, data in _list_elf_files(twin)}
    return tuple(file for file, data in _list_elf_files(wheel) if read_build_id(data) and hash_code(data) not in codes)


def write_debug_files(wheel: Path, twins: Sequence[Path], folder: Path) -> tuple[DebugFile, ...]:
    """Write a debug file for each compiled file of a wheel, from the first twin, a wheel with debug data, that has its code.

    Raises BuildError when all twins have other code, whose debug data would be wrong.
    """
    twins_by_code = {hash_code(data): data for twin in reversed(twins) for _, data in _list_elf_files(twin)}
    return tuple(_write(wheel, file, data, twins_by_code, folder) for file, data in _list_elf_files(wheel))


def _write(wheel: Path, file: str, data: bytes, twins: Mapping[str, bytes], folder: Path) -> DebugFile:
    build_id = read_build_id(data)
    if not build_id:
        return DebugFile(
            file=file, reason="it has no build id: it was linked by other means than the compiler wrappers"
        )
    source = twins.get(hash_code(data))
    if source is None:
        raise BuildError(
            f"{wheel.name}: {file} has other code when it is built with debug data",
            details={"build id": build_id},
            hint="the build depends on flags of the compiler, or changes from build to build: `nox -s reproduce` shows which",
        )
    if not has_debug_data(source):
        return DebugFile(file=file, reason="its build drops debug data: it passes -g0 or -s itself")
    path = folder / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug"
    with open_unfinished(path) as unfinished:
        unfinished.write_bytes(make_debug_file(source, build_id))
    return DebugFile(file=file, path=path)


def _list_elf_files(wheel: Path) -> Iterator[tuple[str, bytes]]:
    with open_zip(wheel) as archive:
        for member in archive.members:
            data = archive.read(member)
            if is_elf(member.name, data):
                yield member.name, data
