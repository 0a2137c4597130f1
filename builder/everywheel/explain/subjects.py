"""The subjects of an explanation: a compiled file, a wheel, a folder or an installed package, read once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from everywheel.archives.zip_reader import open_zip
from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents, read_wheel_contents
from everywheel.binaries.elf import ElfFacts
from everywheel.binaries.formats import read_binary
from everywheel.binaries.macho import MachoFacts
from everywheel.binaries.pe import PeFacts
from everywheel.binaries.unreadable import UnreadableBinary
from everywheel.errors import UsageError, printable_line
from everywheel.wheels.wheel import Wheel, WheelFile

_MAGICS = (
    b"\x7fELF",
    b"MZ",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xfe\xed\xfa\xcf",
    b"\xfe\xed\xfa\xce",
    b"\xca\xfe\xba",
)
_NAMES = (".so", ".dylib", ".dll", ".pyd", ".exe")
_MOST_FILES = 200_000  # of a folder
_LARGEST_FILE = 1 << 31  # bytes
_FORMS = (
    "name a compiled file, a wheel, a folder, an installed package, 'NAME==VERSION', or quote the message of a loader"
)


class SubjectKind(StrEnum):
    """The kind of a subject."""

    FILE = "file"
    WHEEL = "wheel"
    FOLDER = "folder"
    PACKAGE = "installed package"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A subject with the facts of its compiled files.

    `contents` has, for a subject that is not a wheel, no platform tag, and the contents of its compiled files only. `sizes`
    are the bytes of every file by path, `packed` those of the wheel, 0 for other subjects, and `packed_sizes` those that
    each file takes in the wheel. `location` is the file or folder on this machine that the paths are relative to. `faults`
    are the files that cannot be read.
    """

    title: str
    kind: SubjectKind
    location: Path
    contents: WheelContents
    sizes: tuple[tuple[str, int], ...]
    packed: int = 0
    packed_sizes: tuple[tuple[str, int], ...] = ()
    faults: tuple[Finding, ...] = ()


def read_subject(text: str) -> Subject:
    """Return the subject that a path or the name of an installed package names; raise UsageError for any other text."""
    path = Path(text)
    if path.is_dir():
        return _read_folder(path)
    if path.is_file():
        return read_wheel_subject(path) if path.suffix == ".whl" else _read_file(path)
    if os.path.lexists(path):
        raise UsageError(f"{printable_line(text)}: not a file or a folder", hint=_FORMS)
    try:
        return _read_package(distribution(text))
    except (PackageNotFoundError, ValueError):
        raise UsageError(
            f"{printable_line(text)}: no such file or folder, and no package of this name is installed", hint=_FORMS
        ) from None


def read_wheel_subject(path: Path) -> Subject:
    """Return the subject of a wheel; raise UsageError when it cannot be read as one."""
    contents, findings = read_wheel_contents(path)
    if contents is None:
        raise UsageError(
            f"{path.name} cannot be read as a wheel",
            details={"reason": findings[0].message},
            hint="download it again; `everywheel explain` also reads a folder with unpacked files",
        )
    sizes = tuple((name, len(file.data)) for name, file in contents.wheel.files.items())
    with open_zip(path) as archive:
        packed = tuple((member.name, member.packed) for member in archive.files)
    return Subject(
        title=path.name,
        kind=SubjectKind.WHEEL,
        location=path,
        contents=contents,
        sizes=sizes,
        packed=path.stat().st_size,
        packed_sizes=packed,
        faults=tuple(finding for finding in findings if finding.file in contents.unread),
    )


def _read_file(path: Path) -> Subject:
    data = _read_bytes(path)
    subject = _make_subject(path.name, SubjectKind.FILE, path, {path.name: path}, {path.name: data})
    if subject.faults:
        raise UsageError(
            f"{path.name} cannot be read as a compiled file",
            details={"reason": subject.faults[0].message},
            hint="download or build it again; `everywheel explain` also reads wheels, folders and installed packages",
        )
    if not subject.contents.binaries:
        raise UsageError(
            f"{path.name} is not a compiled file (ELF, Mach-O or PE)",
            details={"begins with": repr(data[:8])},
            hint=_FORMS,
        )
    return subject


def _read_folder(path: Path) -> Subject:
    if path.suffix == ".dist-info":
        return _read_package(Distribution.at(path))
    files = dict(_list_files(path))
    return _make_subject(str(path), SubjectKind.FOLDER, path, files, _read_compiled(files))


def _read_package(package: Distribution) -> Subject:
    root = Path(str(package.locate_file("")))
    name = f"{package.metadata['Name']} {package.version}"
    files = {
        str(file): Path(str(package.locate_file(file)))
        for file in package.files or ()
        if Path(str(package.locate_file(file))).is_file()
    }
    if not files:
        raise UsageError(f"{name}: its RECORD names no file that exists", hint="install the package again")
    return _make_subject(name, SubjectKind.PACKAGE, root, files, _read_compiled(files))


def _list_files(folder: Path) -> Iterator[tuple[str, Path]]:
    count = 0
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            count += 1
            if count > _MOST_FILES:
                raise UsageError(f"{folder} has over {_MOST_FILES} files", hint="name a folder inside it")
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(folder).as_posix(), path


def _read_compiled(files: dict[str, Path]) -> dict[str, bytes]:
    """Return the contents of the files that have the first bytes or the name of a compiled file."""
    compiled = {}
    for name, path in files.items():
        with path.open("rb") as file:
            first = file.read(4)
        if first.startswith(_MAGICS) or (name.endswith(_NAMES) and first):
            compiled[name] = _read_bytes(path)
    return compiled


def _read_bytes(path: Path) -> bytes:
    if path.stat().st_size > _LARGEST_FILE:
        raise UsageError(f"{path}: over {_LARGEST_FILE >> 30} GiB", hint=_FORMS)
    return path.read_bytes()


def _make_subject(
    title: str, kind: SubjectKind, location: Path, files: dict[str, Path], compiled: dict[str, bytes]
) -> Subject:
    wheel = Wheel(
        name=title,
        version="",
        build="",
        python="",
        abi="",
        platform="",
        files={name: WheelFile(data=data) for name, data in compiled.items()},
    )
    elves: dict[str, ElfFacts] = {}
    machos: dict[str, MachoFacts] = {}
    pes: dict[str, PeFacts] = {}
    faults = []
    for name, data in compiled.items():
        try:
            binary = read_binary(name, data, ())
        except UnreadableBinary as error:
            faults.append(Finding(check=error.check, file=name, message=str(error)))
            continue
        match binary:
            case ElfFacts():
                elves[name] = binary
            case MachoFacts():
                machos[name] = binary
            case PeFacts():
                pes[name] = binary
    contents = WheelContents(
        path=location,
        wheel=wheel,
        elves=elves,
        machos=machos,
        pes=pes,
        unread={finding.file: finding.check for finding in faults},
    )
    sizes = tuple((name, path.stat().st_size) for name, path in files.items())
    return Subject(title=title, kind=kind, location=location, contents=contents, sizes=sizes, faults=tuple(faults))
