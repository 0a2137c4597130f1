"""Wheels: reading, changing and retagging them, and packing them reproducibly."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.parser import BytesParser
from pathlib import Path

from packaging.metadata import Metadata, RawMetadata, parse_email
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from everywheel.archives.refusal import ArchiveError, UnsafeArchive
from everywheel.archives.zip_reader import ZipArchive, open_zip
from everywheel.errors import BuildError
from everywheel.wheels.zip_writer import ZipEntry, pack_zip

_SPELLINGS = {b"project-url": b"Project-URL", b"home-page": b"Home-page", b"download-url": b"Download-URL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFile:
    """The content of a file in a wheel, and whether its mode allows executing it."""

    data: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """The parts of a wheel's file name, and its files by path. RECORD is not included: `pack_wheel` writes it.

    `name` and `version` are spelled as in the file name. The tags may be compressed sets (`py2.py3`, PEP 425).
    """

    name: str
    version: str
    build: str
    python: str
    abi: str
    platform: str
    files: Mapping[str, WheelFile]

    @property
    def filename(self) -> str:
        parts = [self.name, self.version, self.build, self.python, self.abi, self.platform]
        return "-".join(part for part in parts if part) + ".whl"

    @property
    def dist_info(self) -> str:
        return f"{self.name}-{self.version}.dist-info"

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags that the compressed sets of the file name expand to."""
        sets = (self.python.split("."), self.abi.split("."), self.platform.split("."))
        return tuple("-".join(tag) for tag in itertools.product(*sets))


def split_filename(filename: str) -> tuple[str, str, str, str, str, str]:
    """Return name, version, build number, Python tag, ABI tag and platform tag of a wheel's file name.

    Raises ValueError when it is not the name of a wheel (PEP 427).
    """
    try:
        parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise ValueError(str(error)) from None
    name, version, *build, python, abi, platform = filename.removesuffix(".whl").split("-")
    return name, version, build[0] if build else "", python, abi, platform


def read_wheel(path: Path) -> Wheel:
    """Return the wheel in a file; raise BuildError when it cannot be read or is not a wheel."""
    try:
        name, version, build, python, abi, platform = split_filename(path.name)
        with open_wheel(path) as archive:
            files = {m.name: WheelFile(data=archive.read(m), executable=m.is_executable) for m in archive.files}
    except (ValueError, OSError) as error:
        raise BuildError(f"{path.name} is not a readable wheel", details={"file": path, "reason": str(error)}) from None
    wheel = Wheel(name=name, version=version, build=build, python=python, abi=abi, platform=platform, files=files)
    for needed in ("METADATA", "WHEEL"):
        if f"{wheel.dist_info}/{needed}" not in files:
            raise BuildError(f"{path.name} has no {wheel.dist_info}/{needed}", details={"file": path})
    return replace(wheel, files={file: files[file] for file in files if not _is_record(file, wheel.dist_info)})


@contextmanager
def open_wheel(path: Path) -> Iterator[ZipArchive]:
    """Open the archive of a wheel, such as one from a package index, for unpacking it.

    Raises BuildError when it is damaged or has a member that must not be unpacked.
    """
    try:
        with open_zip(path) as archive:
            for name, fault in archive.find_faults():
                raise UnsafeArchive(f"'{name}': {fault}")
            yield archive
    except ArchiveError as error:
        raise BuildError(f"{path.name} is not a readable wheel", details={"file": path, "reason": str(error)}) from None


def _is_record(file: str, dist_info: str) -> bool:
    # Signatures (PEP 427) are removed too, since they would not match the new RECORD.
    return file in (f"{dist_info}/RECORD", f"{dist_info}/RECORD.jws", f"{dist_info}/RECORD.p7s")


def retag_wheel(wheel: Wheel, *, python: str, abi: str, platform: str) -> Wheel:
    """Return the wheel with other tags in its file name and in its WHEEL file.

    Other fields of the WHEEL file are kept, except for the build number, which is removed. `Root-Is-Purelib` is false for a
    wheel whose platform is not `any`.
    """
    tagged = replace(wheel, build="", python=python, abi=abi, platform=platform)
    path = f"{wheel.dist_info}/WHEEL"
    message = BytesParser().parsebytes(wheel.files[path].data)
    dropped = ("tag", "build", "root-is-purelib")
    lines = [f"{key}: {value}" for key, value in message.items() if key.lower() not in dropped]
    lines.append(f"Root-Is-Purelib: {'true' if platform == 'any' else 'false'}")
    lines += [f"Tag: {tag}" for tag in tagged.tags]
    return add_files(tagged, {path: "".join(f"{line}\n" for line in lines).encode()})


def add_files(wheel: Wheel, files: Mapping[str, bytes]) -> Wheel:
    """Return the wheel with files added or replaced; a replaced file keeps its mode."""
    old = wheel.files
    new = {path: WheelFile(data=data, executable=path in old and old[path].executable) for path, data in files.items()}
    return replace(wheel, files={**old, **new})


def read_metadata(wheel: Wheel) -> RawMetadata:
    """Return the fields of METADATA without validating them; raise BuildError for unknown fields."""
    raw, unknown = parse_email(wheel.files[f"{wheel.dist_info}/METADATA"].data)
    if unknown:
        fields = ", ".join(unknown)
        raise BuildError(f"{wheel.filename}: METADATA has unknown fields", details={"fields": fields})
    return raw


def edit_metadata(wheel: Wheel, change: Callable[[RawMetadata], RawMetadata]) -> Wheel:
    """Return the wheel with its METADATA changed and validated against the core metadata specification.

    Raises BuildError when the result is not valid, or when the wheel has fields that the specification does not define.
    """
    try:
        metadata = Metadata.from_raw(change(read_metadata(wheel)))
    except ExceptionGroup as group:
        reasons = sorted(str(error) for error in group.exceptions)
        raise BuildError(f"{wheel.filename}: METADATA would not be valid", excerpt=reasons) from None
    head, blank, body = metadata.as_rfc822().as_bytes().partition(b"\n\n")
    # packaging writes the names of fields in lower case, which is valid, but differs from all other tools.
    named = re.sub(rb"(?m)^[a-z-]+(?=:)", lambda match: _SPELLINGS.get(match[0], match[0].title()), head)
    return add_files(wheel, {f"{wheel.dist_info}/METADATA": named + blank + body})


def pack_wheel(wheel: Wheel, folder: Path, *, epoch: int) -> Path:
    """Write the wheel with a new RECORD into a directory and return its path.

    The files are sorted, with .dist-info after all others and RECORD as the last file (PEP 427). `epoch` is the time of
    every file in seconds since 1970.
    """
    paths = sorted(wheel.files, key=lambda path: (path.startswith(f"{wheel.dist_info}/"), path))
    record = f"{wheel.dist_info}/RECORD"
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    for path in paths:
        data = wheel.files[path].data
        writer.writerow((path, f"sha256={encode_digest(hashlib.sha256(data).digest())}", len(data)))
    writer.writerow((record, "", ""))
    files = [(path, wheel.files[path]) for path in paths]
    entries = [ZipEntry(name=path, data=file.data, executable=file.executable) for path, file in files]
    entries.append(ZipEntry(name=record, data=rows.getvalue().encode()))
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / wheel.filename
    unfinished = final.with_suffix(f".{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(pack_zip(entries, epoch=epoch))
        unfinished.replace(final)
    finally:
        unfinished.unlink(missing_ok=True)
    return final


def encode_digest(digest: bytes) -> str:
    """Return a digest in the spelling of RECORD: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
