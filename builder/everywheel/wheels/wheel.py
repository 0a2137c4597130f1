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
from email.parser import BytesHeaderParser
from pathlib import Path

from packaging.metadata import Metadata, RawMetadata, parse_email
from packaging.utils import InvalidWheelFilename, canonicalize_name, canonicalize_version, parse_wheel_filename
from packaging.version import Version

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
    """Return the wheel in a file; raise BuildError when it cannot be read or is not a wheel.

    If the .dist-info directory is spelled differently than the file name, both have the normal spelling in the result. The
    files include signatures of RECORD, but not RECORD itself.
    """
    try:
        name, version, build, python, abi, platform = split_filename(path.name)
        with open_wheel(path) as archive:
            files = {m.name: WheelFile(data=archive.read(m), executable=m.is_executable) for m in archive.files}
    except (ValueError, OSError) as error:
        raise BuildError(f"{path.name} is not a readable wheel", details={"file": path, "reason": str(error)}) from None
    wheel = Wheel(name=name, version=version, build=build, python=python, abi=abi, platform=platform, files=files)
    wheel = _unify_spelling(wheel, path)
    for needed in ("METADATA", "WHEEL"):
        if f"{wheel.dist_info}/{needed}" not in wheel.files:
            raise _unusable(path, f"has no {wheel.dist_info}/{needed}")
    record = f"{wheel.dist_info}/RECORD"
    return replace(wheel, files={file: content for file, content in wheel.files.items() if file != record})


def _unusable(path: Path, reason: str, hint: str | None = None) -> BuildError:
    return BuildError(f"{path.name} {reason}", details={"file": path}, hint=hint)


def _unify_spelling(wheel: Wheel, path: Path) -> Wheel:
    """Return the wheel with its .dist-info and .data directories spelled as its name and version.

    If .dist-info is spelled differently than in the file name, name and version get the normal spelling of the binary
    distribution format. Raises BuildError when directories that differ only in spelling contain the same file.
    """
    top_level_names = {file.split("/")[0] for file in wheel.files}
    directories = {top for top in top_level_names if _belongs_to(top, wheel)}
    if wheel.dist_info not in directories and any(top.endswith(".dist-info") for top in directories):
        name, version = canonicalize_name(wheel.name).replace("-", "_"), str(Version(wheel.version))
        wheel = replace(wheel, name=name, version=version)
    files: dict[str, WheelFile] = {}
    for file, content in wheel.files.items():
        top, slash, rest = file.partition("/")
        if top in directories:
            file = f"{wheel.name}-{wheel.version}.{top.rpartition('.')[2]}{slash}{rest}"
        if file in files:
            raise _unusable(path, f"contains {file} twice, in directories that differ in spelling")
        files[file] = content
    return replace(wheel, files=files)


def _belongs_to(directory: str, wheel: Wheel) -> bool:
    """Return whether a directory is a wheel's .dist-info or .data directory, in any spelling of name and version."""
    stem, _, suffix = directory.rpartition(".")
    if suffix not in ("dist-info", "data"):
        return False
    splits = [(stem[:index], stem[index + 1 :]) for index, character in enumerate(stem) if character == "-"]
    expected = (canonicalize_name(wheel.name), canonicalize_version(wheel.version))
    return any((canonicalize_name(name), canonicalize_version(version)) == expected for name, version in splits)


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


def list_signatures(wheel: Wheel) -> list[str]:
    """Return the signatures of RECORD in a wheel (PEP 427), which are invalid after any change of the wheel."""
    return [file for suffix in (".jws", ".p7s") if (file := f"{wheel.dist_info}/RECORD{suffix}") in wheel.files]


def retag_wheel(wheel: Wheel, *, python: str, abi: str, platform: str) -> Wheel:
    """Return the wheel with other tags in its file name and in its WHEEL file.

    Other fields of the WHEEL file are kept; the build number is that of the file name. `Root-Is-Purelib` is false for a wheel
    whose platform is not `any`.
    """
    tagged = replace(wheel, python=python, abi=abi, platform=platform)
    path = f"{wheel.dist_info}/WHEEL"
    message = BytesHeaderParser().parsebytes(wheel.files[path].data)
    dropped = ("tag", "build", "root-is-purelib")
    lines = [f"{key}: {value}" for key, value in message.items() if key.lower() not in dropped]
    lines.append(f"Root-Is-Purelib: {'true' if platform == 'any' else 'false'}")
    lines += [f"Build: {wheel.build}"] if wheel.build else []
    lines += [f"Tag: {tag}" for tag in tagged.tags]
    return add_files(tagged, {path: "".join(f"{line}\n" for line in lines).encode()})


def read_tags(wheel: Wheel) -> tuple[str, str, set[str]]:
    """Return `Root-Is-Purelib`, the build number and the tags in the WHEEL file."""
    message = BytesHeaderParser().parsebytes(wheel.files[f"{wheel.dist_info}/WHEEL"].data)
    return message.get("Root-Is-Purelib", ""), message.get("Build", ""), set(message.get_all("Tag", []))


def add_files(wheel: Wheel, files: Mapping[str, bytes]) -> Wheel:
    """Return the wheel with files added or replaced; a replaced file keeps its mode."""
    old = wheel.files
    new = {path: WheelFile(data=data, executable=path in old and old[path].executable) for path, data in files.items()}
    return replace(wheel, files={**old, **new})


def read_metadata(wheel: Wheel) -> RawMetadata:
    """Return the fields of METADATA that the core metadata specification defines, without validating them."""
    return parse_email(wheel.files[f"{wheel.dist_info}/METADATA"].data)[0]


def edit_metadata(wheel: Wheel, change: Callable[[RawMetadata], RawMetadata]) -> Wheel:
    """Return the wheel with its METADATA changed and validated against the core metadata specification.

    Fields that the specification does not define are kept, sorted, after all others. Raises BuildError when the result is
    not valid.
    """
    path = f"{wheel.dist_info}/METADATA"
    known, unknown = parse_email(wheel.files[path].data)
    try:
        metadata = Metadata.from_raw(change(known))
    except ExceptionGroup as group:
        reasons = sorted(str(error) for error in group.exceptions)
        raise BuildError(f"{wheel.filename}: METADATA would not be valid", excerpt=reasons) from None
    head, blank, body = metadata.as_rfc822().as_bytes().partition(b"\n\n")
    fields = [(name, value.splitlines()) for name, values in sorted(unknown.items()) for value in values]
    lines = [f"{name}: " + "\n        ".join(map(str.strip, value)) for name, value in fields]
    # packaging writes the names of fields in lower case, which is valid, but differs from all other tools.
    named = re.sub(rb"(?m)^[a-z-]+(?=:)", _spell_field, b"\n".join([head, *(line.encode() for line in lines)]))
    return add_files(wheel, {path: named + blank + body})


def _spell_field(match: re.Match[bytes]) -> bytes:
    return _SPELLINGS.get(match[0], match[0].title())


def pack_wheel(wheel: Wheel, folder: Path, *, epoch: int, compress: bool = True, kept: Path | None = None) -> Path:
    """Write the wheel with a new RECORD into a directory and return its path.

    The files are sorted, with .dist-info after all others and RECORD as the last file (PEP 427). `epoch` is the time of
    every file in seconds since 1970. Without `compress`, files are stored as they are; `kept` is the directory of
    `compression.compress_data`.
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
        unfinished.write_bytes(pack_zip(entries, epoch=epoch, compress=compress, kept=kept))
        unfinished.replace(final)
    finally:
        unfinished.unlink(missing_ok=True)
    return final


def encode_digest(digest: bytes) -> str:
    """Return a digest in the spelling of RECORD: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
