"""The wheel under audit: opened and read, with a finding for whatever is wrong with the archive."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.message import Message
from email.parser import Parser
from pathlib import Path
from types import MappingProxyType

from packaging.utils import canonicalize_name, canonicalize_version

from everywheel.audit.report import Finding
from everywheel.binaries.elf import ElfFacts
from everywheel.binaries.formats import UNREADABLE_BINARY, Binary, read_binary
from everywheel.binaries.macho import MachoFacts
from everywheel.binaries.pe import PeFacts
from everywheel.errors import UsageError
from everywheel.platforms.tags import list_systems
from everywheel.wheels.wheel import (
    UNREADABLE,
    TooLargeError,
    Wheel,
    WheelFile,
    check_unpacked,
    encode_digest,
    is_safe_path,
    split_filename,
)

# The suffixes that CPython imports, but for the bare .so: the stable ABI's, and that of one version on one system.
MODULE_SUFFIX = re.compile(
    r"\.(?P<abi>abi3t?|cpython-(?P<version>\d+)(?P<flags>[a-z]*)"
    r"(-((?P<cpu>\w+)-linux-(?P<libc>\w+)|(?P<mac>darwin)))?)\.so$"
    r"|(\.cp(?P<pyd_version>\d+)(?P<pyd_flags>[a-z]*)-(?P<windows>win\w+))?\.pyd$"
)
_HASHES = ("sha256", "sha384", "sha512")  # PEP 376 and the binary distribution format: nothing weaker


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelContents:
    """A wheel whose archive could be read, and the facts of every compiled file in it: of Linux, macOS and Windows.

    `unread` are the compiled files that cannot be read, with the check that each failed (`elf`, `macho` or `pe`): what
    needs one of them has it in the wheel all the same.
    """

    path: Path
    wheel: Wheel
    elves: Mapping[str, ElfFacts] = field(default_factory=lambda: MappingProxyType({}))
    machos: Mapping[str, MachoFacts] = field(default_factory=lambda: MappingProxyType({}))
    pes: Mapping[str, PeFacts] = field(default_factory=lambda: MappingProxyType({}))
    unread: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def binaries(self) -> dict[str, Binary]:
        return {**self.elves, **self.machos, **self.pes}

    @property
    def systems(self) -> frozenset[str]:
        """The systems that the platform tags name, by Meson's names."""
        return list_systems(self.wheel.platform)

    @property
    def metadata(self) -> Message:
        return self._message("METADATA")

    @property
    def wheel_file(self) -> Message:
        return self._message("WHEEL")

    def _message(self, name: str) -> Message:
        file = self.wheel.files.get(f"{self.wheel.dist_info}/{name}", WheelFile(data=b""))
        return Parser().parsestr(file.data.decode(errors="replace"))  # from bytes, values that are not ASCII are no str

    @property
    def modules(self) -> dict[str, Binary]:
        """The extension modules: what Python can import, or what is named as if it could."""
        return {path: it for path, it in self.binaries.items() if it.module_names or MODULE_SUFFIX.search(path)}

    @property
    def libraries(self) -> dict[str, Binary]:
        """The other shared objects: what the modules need."""
        return {path: it for path, it in self.binaries.items() if path not in self.modules and it.is_library}


def read_wheel_contents(path: Path) -> tuple[WheelContents | None, list[Finding]]:
    """Return what is in a wheel, with the findings about its archive, its RECORD and the headers of compiled files.

    There is no content when the file cannot be read as a wheel at all. Raises UsageError when there is no such file.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file", hint="name a finished wheel, such as wheelhouse/*.whl")

    def fail(message: str) -> tuple[None, list[Finding]]:
        return None, [Finding(check="archive", file=path.name, message=message)]

    try:
        name, version, build, python, abi, platform = split_filename(path.name)
    except ValueError as error:
        return fail(f"the file name is not a wheel's: {error}")
    try:
        files, findings = _read_files(path)
    except TooLargeError as error:
        return fail(str(error))
    except UNREADABLE as error:
        return fail(f"not a zip archive: {error}")
    except OSError as error:
        return fail(f"cannot be read: {error.strerror or error}")
    wheel = Wheel(name=name, version=version, build=build, python=python, abi=abi, platform=platform, files=files)
    folders = sorted({file.split("/")[0] for file in files if file.split("/")[0].endswith(".dist-info")})
    if len(folders) != 1:
        listed = f": {', '.join(folders)}" if folders else ""
        return fail(f"{len(folders)} .dist-info folders where one must be{listed}")
    if not _names(folders[0], name, version):
        return fail(f"the .dist-info folder is {folders[0]}, the file name asks for {wheel.dist_info}")
    findings += [
        Finding(check="archive", file=f"{folders[0]}/{file}", message="missing")
        for file in ("METADATA", "WHEEL", "RECORD")
        if f"{folders[0]}/{file}" not in files
    ]
    if folders[0] != wheel.dist_info:  # spelled otherwise than in the file name, which PEP 427 lets pass
        stem = folders[0].removesuffix(".dist-info").split("-")
        wheel = replace(wheel, name=stem[0], version=stem[1])
    findings += _check_record(wheel)
    elves: dict[str, ElfFacts] = {}
    machos: dict[str, MachoFacts] = {}
    pes: dict[str, PeFacts] = {}
    unread: dict[str, str] = {}
    for file, content in files.items():
        try:
            binary = read_binary(file, content.data, list_systems(platform))
        except UNREADABLE_BINARY as error:
            unread[file] = error.check
            findings.append(Finding(check=error.check, file=file, message=str(error)))
            continue
        if isinstance(binary, ElfFacts):
            elves[file] = binary
        elif isinstance(binary, MachoFacts):
            machos[file] = binary
        elif isinstance(binary, PeFacts):
            pes[file] = binary
    return WheelContents(path=path, wheel=wheel, elves=elves, machos=machos, pes=pes, unread=unread), findings


def installed_path(path: str) -> str:
    """Return where a file of a wheel is once installed, relative to site-packages: `x.data/platlib/` vanishes (PEP 427)."""
    parts = path.split("/")
    return "/".join(parts[2:] if parts[0].endswith(".data") and parts[1:2] in (["platlib"], ["purelib"]) else parts)


def _names(folder: str, name: str, version: str) -> bool:
    stem = folder.removesuffix(".dist-info").split("-")
    return (
        len(stem) == 2
        and canonicalize_name(stem[0]) == canonicalize_name(name)
        and canonicalize_version(stem[1]) == canonicalize_version(version)
    )


def _read_files(path: Path) -> tuple[dict[str, WheelFile], list[Finding]]:
    files: dict[str, WheelFile] = {}
    findings = []
    with zipfile.ZipFile(path) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        check_unpacked(infos, path.stat().st_size)
        for name, times in Counter(info.filename for info in infos).items():
            if times > 1:
                findings.append(Finding(check="archive", file=name, message=f"{times} members have this name"))
        spelled: dict[str, str] = {}
        for info in infos:
            first = spelled.setdefault(info.filename.lower(), info.filename)
            if first != info.filename:
                message = f"{first} differs in case alone: most Macs and Windows keep one of the two"
                findings.append(Finding(check="archive", file=info.filename, message=message))
        for info in infos:
            if not is_safe_path(info.filename):
                findings.append(Finding(check="archive", file=info.filename, message="the path leaves the wheel"))
            if stat.S_ISLNK(info.external_attr >> 16):
                message = "a symbolic link, which installers make a file of"
                findings.append(Finding(check="archive", file=info.filename, message=message))
            try:
                files[info.filename] = WheelFile(data=archive.read(info))
            except UNREADABLE as error:
                findings.append(Finding(check="archive", file=info.filename, message=f"cannot be read: {error}"))
    return files, findings


def _check_record(wheel: Wheel) -> Iterator[Finding]:
    record = f"{wheel.dist_info}/RECORD"
    if record not in wheel.files:
        return
    try:
        rows = [row for row in csv.reader(io.StringIO(wheel.files[record].data.decode())) if row]
    except (csv.Error, UnicodeDecodeError) as error:
        yield Finding(check="record", file=record, message=f"not a table of files: {error}")
        return
    listed = {row[0]: row[1] if len(row) > 1 else "" for row in rows}
    sizes = {row[0]: row[2] for row in rows if len(row) > 2}
    for file in sorted(set(wheel.files) | set(listed)):
        if file in (record, f"{record}.jws", f"{record}.p7s"):
            continue
        if file not in listed:
            yield Finding(check="record", file=file, message="not listed in RECORD")
        elif file not in wheel.files:
            yield Finding(check="record", file=file, message="listed in RECORD, but not in the wheel")
        else:
            found = list(_check_hash(file, wheel.files[file].data, listed[file]))
            size = str(len(wheel.files[file].data))
            if not found and sizes.get(file, size) not in ("", size):
                found = [Finding(check="record", file=file, message=f"has {size} bytes, but RECORD says {sizes[file]}")]
            yield from found


def _check_hash(file: str, data: bytes, written: str) -> Iterator[Finding]:
    algorithm, _, digest = written.partition("=")
    if algorithm not in _HASHES:
        yield Finding(check="record", file=file, message=f"RECORD has no sha256 of it, only '{written}'")
        return
    found = encode_digest(hashlib.new(algorithm, data).digest())
    if found != digest.rstrip("="):
        evidence = (f"RECORD: {algorithm}={digest}", f"file:   {algorithm}={found}")
        yield Finding(check="record", file=file, message="not what RECORD says it is", evidence=evidence)
