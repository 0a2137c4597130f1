"""The contents of a wheel under audit: its files, the facts of its binaries, and the faults of the archive itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from types import MappingProxyType

from packaging.utils import canonicalize_name, canonicalize_version

from everywheel.archives.refusal import ArchiveError, BrokenArchive, UnsafeArchive
from everywheel.archives.zip_reader import open_zip
from everywheel.audit.report import Finding
from everywheel.audit.sbom import Sbom, read_sboms
from everywheel.binaries.elf import ElfFacts
from everywheel.binaries.formats import Binary, read_binary
from everywheel.binaries.macho import MachoFacts
from everywheel.binaries.pe import PeFacts
from everywheel.binaries.unreadable import UnreadableBinary
from everywheel.errors import UsageError
from everywheel.platforms.architectures import ARCHES, ArchTable
from everywheel.platforms.linux_policy import Policy, load_policy
from everywheel.platforms.mac_windows_policy import MacPolicy, WindowsPolicy, load_mac_policy, load_windows_policy
from everywheel.platforms.tags import list_systems
from everywheel.wheels.wheel import Wheel, WheelFile, split_filename

_LONGEST_DIST_INFO = 200  # characters; packaging fails on numbers of over 4,300 digits

PYPY_INIT = "_cffi_pypyinit_"
"""The prefix of the only function that modules of cffi for PyPy export."""

# The suffixes of modules that Python imports, except the bare .so: the stable ABI's, and those of one version and platform.
MODULE_SUFFIX = re.compile(
    r"\.((?P<abi>abi3t?)|cpython-(?P<version>\d+)(?P<flags>[a-z]*)|(?P<pypy>pypy\d+-pp\d+))"
    r"(-((?P<linux>(?P<cpu>\w+)-linux-(?P<libc>\w+))|(?P<mac>darwin)))?\.so$"
    r"|(\.(cp(?P<pyd_version>\d+)(?P<pyd_flags>[a-z]*)|(?P<pypy_pyd>pypy\d+-pp\d+))-(?P<windows>win\w+))?\.pyd$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelContents:
    """A wheel whose archive could be read, the facts of its binaries, and its SBOMs.

    `unread` maps compiled files that could not be read to the check that each one failed (`elf`, `macho` or `pe`): other
    files may need them, so they count as files of the wheel. `arches` are the architectures whose tags have a policy.
    `build_paths` are directories of the build that no file may name; empty for the wheels of others.
    """

    path: Path
    wheel: Wheel
    elves: Mapping[str, ElfFacts] = field(default_factory=lambda: MappingProxyType({}))
    machos: Mapping[str, MachoFacts] = field(default_factory=lambda: MappingProxyType({}))
    pes: Mapping[str, PeFacts] = field(default_factory=lambda: MappingProxyType({}))
    unread: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sbom: Sbom = field(default_factory=Sbom)
    arches: ArchTable = field(default_factory=lambda: ARCHES)
    build_paths: tuple[str, ...] = ()

    @property
    def binaries(self) -> dict[str, Binary]:
        """The binaries that could be read, of all formats."""
        return {**self.elves, **self.machos, **self.pes}

    @property
    def platforms(self) -> list[str]:
        """The platform tags."""
        return self.wheel.platform.split(".")

    @property
    def linux_policies(self) -> tuple[Policy, ...]:
        """The policies of the platform tags for Linux."""
        return tuple(policy for tag in self.platforms if (policy := load_policy(tag, self.arches)) is not None)

    @property
    def distinct_policies(self) -> tuple[Policy, ...]:
        """The policies for Linux, the lowest floor first, without those that promise the same as another one."""
        distinct: dict[tuple[str, tuple[int, int], str], Policy] = {}
        for policy in sorted(self.linux_policies, key=lambda policy: policy.floor):
            distinct.setdefault((policy.libc, policy.floor, policy.arch.name), policy)
        return tuple(distinct.values())

    @property
    def strictest_policies(self) -> tuple[Policy, ...]:
        """The policy with the lowest floor of each C library and architecture; empty without a tag for Linux."""
        strictest: dict[tuple[str, str], Policy] = {}
        for policy in self.distinct_policies:
            strictest.setdefault((policy.libc, policy.arch.name), policy)
        return tuple(strictest.values())

    @property
    def mac_policies(self) -> tuple[MacPolicy, ...]:
        """The policies of the platform tags for macOS."""
        return tuple(policy for tag in self.platforms if (policy := load_mac_policy(tag)) is not None)

    @property
    def windows_policies(self) -> tuple[WindowsPolicy, ...]:
        """The policies of the platform tags for Windows."""
        return tuple(policy for tag in self.platforms if (policy := load_windows_policy(tag)) is not None)

    @property
    def systems(self) -> frozenset[str]:
        """The operating systems of the platform tags, by Meson's names."""
        return list_systems(self.wheel.platform)

    @property
    def is_stable_abi(self) -> bool:
        """True for a wheel that is tagged abi3 or abi3t."""
        return self.is_abi3t or "abi3" in self.wheel.abi.split(".")

    @property
    def is_abi3t(self) -> bool:
        """True for a wheel that is tagged abi3t: for the stable ABI of Pythons without the GIL (PEP 803)."""
        return "abi3t" in self.wheel.abi.split(".")

    @property
    def metadata(self) -> Message:
        """The METADATA file; empty when it is missing."""
        return self._read_message("METADATA")

    @property
    def wheel_file(self) -> Message:
        """The WHEEL file; empty when it is missing."""
        return self._read_message("WHEEL")

    def _read_message(self, name: str) -> Message:
        file = self.wheel.files.get(f"{self.wheel.dist_info}/{name}", WheelFile(data=b""))
        # From bytes, the parser would return values that are not ASCII as Header objects instead of strings.
        return HeaderParser().parsestr(file.data.decode(errors="replace"))

    @property
    def modules(self) -> dict[str, Binary]:
        """The extension modules: binaries that export an initialization function, or are named as modules."""
        return {
            path: binary
            for path, binary in self.binaries.items()
            if binary.module_names or (MODULE_SUFFIX.search(path) and not self.is_opened(path))
        }

    def is_opened(self, path: str) -> bool:
        """Return whether a binary that is named as a module is a library, which code opens with ctypes or cffi.

        Such files are built as extension modules, but export functions other than an initialization function.
        """
        exports = self.binaries[path].exports
        initializes = any("PyInit" in name or name.startswith(("PyModExport_", PYPY_INIT)) for name in exports)
        is_callable = any(not name.startswith(("_Z", "?")) for name in exports)  # not only symbols of C++
        return is_callable and not initializes and MODULE_SUFFIX.search(path) is not None

    @property
    def libraries(self) -> dict[str, Binary]:
        """The shared libraries that are not modules."""
        modules = self.modules
        return {path: binary for path, binary in self.binaries.items() if path not in modules and binary.is_library}


class _UnusableWheel(Exception):
    """The file cannot be read as a wheel at all; the text is the finding's message."""


def read_wheel_contents(path: Path, build_paths: Sequence[str] = ()) -> tuple[WheelContents | None, list[Finding]]:
    """Return a wheel's contents, with the findings about its archive and the headers of its binaries.

    The contents are None when the file cannot be read as a wheel at all. Raises UsageError when the file is missing.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file", hint="name a finished wheel, such as wheelhouse/*.whl")
    try:
        wheel, findings = _read_wheel(path)
    except _UnusableWheel as error:
        return None, [Finding(check="archive", file=path.name, message=str(error))]
    elves: dict[str, ElfFacts] = {}
    machos: dict[str, MachoFacts] = {}
    pes: dict[str, PeFacts] = {}
    unread: dict[str, str] = {}
    for name, file in wheel.files.items():
        try:
            binary = read_binary(name, file.data, list_systems(wheel.platform))
        except UnreadableBinary as error:
            unread[name] = error.check
            findings.append(Finding(check=error.check, file=name, message=str(error)))
            continue
        if isinstance(binary, ElfFacts):
            elves[name] = binary
        elif isinstance(binary, MachoFacts):
            machos[name] = binary
        elif isinstance(binary, PeFacts):
            pes[name] = binary
    contents = WheelContents(
        path=path,
        wheel=wheel,
        elves=elves,
        machos=machos,
        pes=pes,
        unread=unread,
        sbom=read_sboms(wheel),
        build_paths=tuple(build_paths),
    )
    return contents, findings


def _read_wheel(path: Path) -> tuple[Wheel, list[Finding]]:
    try:
        name, version, build, python, abi, platform = split_filename(path.name)
    except ValueError as error:
        raise _UnusableWheel(f"not a valid wheel file name: {error}") from None
    try:
        files, findings = _read_files(path)
    except UnsafeArchive as error:
        raise _UnusableWheel(str(error)) from None
    except BrokenArchive as error:
        raise _UnusableWheel(f"not a zip archive: {error}") from None
    except OSError as error:
        raise _UnusableWheel(f"cannot be read: {error.strerror or error}") from None
    wheel = Wheel(name=name, version=version, build=build, python=python, abi=abi, platform=platform, files=files)
    dist_info = _find_dist_info(wheel)
    for file in ("METADATA", "WHEEL", "RECORD"):
        if f"{dist_info}/{file}" not in files:
            findings.append(Finding(check="archive", file=f"{dist_info}/{file}", message="missing"))
    if dist_info != wheel.dist_info:  # spelled differently than in the file name, which PEP 427 allows
        stem = dist_info.removesuffix(".dist-info").split("-")
        wheel = replace(wheel, name=stem[0], version=stem[1])
    return wheel, findings


def _find_dist_info(wheel: Wheel) -> str:
    """Return the name of the .dist-info directory; raise _UnusableWheel unless there is one that fits the file name."""
    top_level_names = {file.split("/")[0] for file in wheel.files}
    directories = sorted(name for name in top_level_names if name.endswith(".dist-info"))
    if len(directories) != 1:
        listed = f": {', '.join(directories)}" if directories else ""
        raise _UnusableWheel(f"{len(directories)} .dist-info directories instead of 1{listed}")
    stem = directories[0].removesuffix(".dist-info").split("-")
    if (
        len(directories[0]) > _LONGEST_DIST_INFO
        or len(stem) != 2
        or canonicalize_name(stem[0]) != canonicalize_name(wheel.name)
        or canonicalize_version(stem[1]) != canonicalize_version(wheel.version)
    ):
        raise _UnusableWheel(
            f"the .dist-info directory is {directories[0][:_LONGEST_DIST_INFO]}, but the file name requires {wheel.dist_info}"
        )
    return directories[0]


def installed_path(path: str) -> str:
    """Return the path of a wheel's file relative to site-packages: `x.data/platlib/` is removed (PEP 427)."""
    parts = path.split("/")
    return "/".join(parts[2:] if parts[0].endswith(".data") and parts[1:2] in (["platlib"], ["purelib"]) else parts)


def _read_files(path: Path) -> tuple[dict[str, WheelFile], list[Finding]]:
    files: dict[str, WheelFile] = {}
    with open_zip(path) as archive:
        faults = [*archive.find_faults(), *_find_equal_names([member.name for member in archive.files])]
        findings = [Finding(check="archive", file=name, message=fault) for name, fault in faults]
        for member in archive.files:
            try:
                files[member.name] = WheelFile(data=archive.read(member), executable=member.is_executable)
            except ArchiveError as error:
                findings.append(Finding(check="archive", file=member.name, message=f"cannot be read: {error}"))
    return files, findings


def _find_equal_names(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    spelled: dict[str, str] = {}
    for name in names:
        first = spelled.setdefault(unicodedata.normalize("NFC", name.casefold()), name)
        if first != name:
            yield (
                name,
                f"differs from {first} only in case: file systems of macOS and Windows keep only one of the two",
            )
