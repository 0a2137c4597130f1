"""Targets: the platforms that wheels are built for, named by their platform tags."""

from __future__ import annotations

import difflib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from everywheel.errors import UsageError
from everywheel.platforms.architectures import ARCHES, Arch, ArchTable, find_machine_arch
from everywheel.platforms.other_names import find_other_name
from everywheel.platforms.system_arches import WindowsArch
from everywheel.platforms.tags import PlatformTag, TagFamily, libc_family

NEWEST_GLIBC = (2, 44)
"""The newest glibc that the pinned zig has the symbols of."""
# Binaries for musl 1.1 would need other headers: 1.2 changed the size of time_t on 32-bit systems.
_MUSL = (1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingSystem:
    """An operating system under the names that each tool has for it, and how its files are named.

    `name` is Meson's, which recipes use in `when`; `title` is the name in messages; `cmake` is CMAKE_SYSTEM_NAME.
    `linkable` is the file in a prefix that a shared library is linked by. `module` are the suffixes of an extension module
    for one CPython and of one for the stable ABI, `program` is the suffix of a program.
    """

    name: str
    title: str
    cmake: str
    linkable: str
    module: tuple[str, str]
    program: str = ""


OPERATING_SYSTEMS: Mapping[str, OperatingSystem] = MappingProxyType(
    {
        system.name: system
        for system in (
            OperatingSystem(
                name="linux",
                title="Linux",
                cmake="Linux",
                linkable="lib/lib{}.so",
                module=(".so", ".abi3.so"),
            ),
            OperatingSystem(
                name="darwin",
                title="macOS",
                cmake="Darwin",
                linkable="lib/lib{}.dylib",
                module=(".so", ".abi3.so"),
            ),
            OperatingSystem(
                name="windows",
                title="Windows",
                cmake="Windows",
                linkable="lib/lib{}.dll.a",
                module=(".pyd", ".pyd"),
                program=".exe",
            ),
        )
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An operating system, its oldest supported version and an architecture (PEP 425, PEP 600, PEP 656).

    `libc` and `libc_version` are set on Linux only, and `os_version`, the oldest macOS, on macOS only; elsewhere they are
    empty and (0, 0).
    """

    os: str
    arch: Arch
    libc: str = ""
    libc_version: tuple[int, int] = (0, 0)
    os_version: tuple[int, int] = (0, 0)

    @property
    def system(self) -> OperatingSystem:
        return OPERATING_SYSTEMS[self.os]

    @property
    def platform_tag(self) -> PlatformTag:
        """The platform tag, in the canonical spelling of PEP 600."""
        if self.os == "linux":
            return PlatformTag.make(libc_family(self.libc), self.arch_tag, self.libc_version)
        family = TagFamily.MACOS if self.os == "darwin" else TagFamily.WINDOWS
        return PlatformTag.make(family, self.arch_tag, self.os_version)

    @property
    def arch_tag(self) -> str:
        """The architecture in platform tags of this system: `aarch64` on Linux is `arm64` on the others."""
        name = _name_arch(self.os, self.arch)
        assert name is not None
        return name

    @property
    def windows_arch(self) -> WindowsArch:
        """The facts about the architecture on Windows; only for targets of Windows."""
        assert self.arch.windows is not None
        return self.arch.windows

    @property
    def tag(self) -> str:
        """The text of the platform tag, which identifies the target everywhere: `manylinux_2_17_x86_64`, `win_amd64`."""
        return self.platform_tag.text

    @property
    def wheel_tag(self) -> str:
        """The tag in the wheel's file name: the alias (`manylinux2014`) if there is one, for older versions of pip."""
        return self.platform_tag.alias

    @property
    def zig(self) -> str:
        """The triple that `zig cc -target` takes; the glibc floor, or the oldest macOS, is part of it."""
        if self.os == "darwin":
            return f"{self.arch.zig}-macos.{self.os_version[0]}.{self.os_version[1]}"
        if self.os == "windows":
            return f"{self.arch.zig}-windows-gnu"
        if self.libc == "glibc":
            floor = ".".join(map(str, self.libc_version))
            return f"{self.arch.zig}-linux-{self.arch.glibc}.{floor}"
        return f"{self.arch.zig}-linux-{self.arch.musl}"

    @property
    def python_platform(self) -> str:
        """The value of `sysconfig.get_platform()` on the target."""
        if self.os == "darwin":
            return f"macosx-{self.os_version[0]}.{self.os_version[1]}-{self.arch_tag}"
        return f"{'win' if self.os == 'windows' else 'linux'}-{self.arch_tag}"

    @property
    def extension_suffix(self) -> str:
        """The platform part of an extension module's file name, such as `x86_64-linux-gnu`."""
        if self.os != "linux":
            return "darwin" if self.os == "darwin" else self.tag
        return f"{self.arch.gnu_cpu}-linux-{self.arch.abi(self.libc)}"

    @property
    def long_double(self) -> tuple[int, int]:
        """Of C's `long double`: the bits of its mantissa (LDBL_MANT_DIG), and its size in bytes."""
        if self.os == "darwin" and self.arch.macos is not None:
            return self.arch.macos.long_double
        return self.windows_arch.long_double if self.os == "windows" else self.arch.long_double

    @property
    def sizeof_long(self) -> int:
        """The size of C's `long` in bytes."""
        return 4 if self.os == "windows" else self.arch.bits // 8

    @property
    def github_runner(self) -> str:
        """The runner of GitHub Actions that runs the target without an emulator; empty if there is none."""
        if self.os == "darwin":
            return self.arch.macos.github_runner if self.arch.macos is not None else ""
        return self.arch.github_runner if self.os == "linux" else self.windows_arch.github_runner

    @property
    def facts(self) -> Mapping[str, str]:
        """The facts that a recipe's `when` can test."""
        return {"os": self.os, "libc": self.libc, "arch": self.arch.name, "endian": self.arch.endian}


def _name_arch(os: str, arch: Arch) -> str | None:
    """Return the name of an architecture in platform tags of an operating system, or None where it is not a target."""
    if os == "darwin":
        return arch.macos.name if arch.macos is not None and arch.macos.lowest is not None else None
    if os == "windows":
        return arch.windows.name if arch.windows is not None and arch.windows.is_target else None
    return arch.name


def list_arches(os: str, arches: ArchTable = ARCHES) -> Mapping[str, Arch]:
    """Return the architectures that wheels can be built for on an operating system, by their names in its platform tags."""
    return {name: arch for arch in arches.values() if (name := _name_arch(os, arch)) is not None}


def parse_target(text: str, arches: ArchTable = ARCHES) -> Target:
    """Return the target that a platform tag or its alias names.

    Raises UsageError when the tag is unknown, or older than the toolchain supports.
    """
    target = parse_foreign_target(text, arches)
    tag, arch = PlatformTag.parse(text), target.arch
    if tag.os == "darwin":
        return _check_macos(text, target)
    if tag.libc == "glibc" and tag.version < arch.lowest_glibc:
        floor = ".".join(map(str, arch.lowest_glibc))
        raise UsageError(
            f"target '{text}' is not supported: the lowest floor for {arch.name} is glibc {floor}",
            hint=f"use {base_target('glibc', arch).tag} or newer",
        )
    if tag.libc == "glibc" and tag.version > NEWEST_GLIBC:
        newest = ".".join(map(str, NEWEST_GLIBC))
        raise UsageError(
            f"target '{text}' is not supported: the newest glibc of the toolchain is {newest}",
            hint=f"use {base_target('glibc', arch).tag}, or the oldest glibc that has what the wheel needs",
        )
    if tag.libc == "musl" and tag.version != _MUSL:
        raise UsageError(
            f"target '{text}' is not supported: the toolchain builds for musl {'.'.join(map(str, _MUSL))}",
            hint=f"use {base_target('musl', arch).tag}",
        )
    return target


def parse_foreign_target(text: str, arches: ArchTable = ARCHES) -> Target:
    """Return the target of a wheel that another toolchain may have built: it may be older than this one supports.

    Raises UsageError when the tag is unknown.
    """
    tag = PlatformTag.parse(text)
    arch = list_arches(tag.os, arches).get(tag.arch) if tag.libc or tag.os in ("darwin", "windows") else None
    if arch is None:
        raise _unsupported(text, arches)
    if tag.os == "linux":
        return Target(os=tag.os, libc=tag.libc, libc_version=tag.version, arch=arch)
    return Target(os=tag.os, os_version=tag.version, arch=arch)


def _check_macos(text: str, target: Target) -> Target:
    """Return the target; raise UsageError when its macOS is older than the toolchain supports."""
    lowest = _lowest_macos(target.arch)
    if target.os_version < lowest.os_version:
        version = ".".join(map(str, lowest.os_version))
        raise UsageError(
            f"target '{text}' is not supported: the oldest macOS for {target.arch_tag} is {version}",
            hint=f"use {lowest.tag} or newer",
        )
    return target


def _lowest_macos(arch: Arch) -> Target:
    assert arch.macos is not None
    assert arch.macos.lowest is not None
    return Target(os="darwin", os_version=arch.macos.lowest, arch=arch)


def _unsupported(text: str, arches: ArchTable) -> UsageError:
    families = {
        "linux": ("manylinux2014", "manylinux_2_28", "musllinux_1_2"),
        "darwin": ("macosx_10_15", "macosx_11_0"),
        "windows": ("win",),
    }
    names = {os: list_arches(os, arches) for os in families}
    known = [f"{family}_{arch}" for os in families for family in families[os] for arch in names[os]]
    close = [*difflib.get_close_matches(text, known, 1, cutoff=0.9), *_find_meant(text, arches)]
    hint = f"did you mean '{close[0]}'?" if close else "a target is a platform tag such as manylinux2014_x86_64"
    if text.endswith("universal2"):
        hint = "name both architectures: installers choose between macosx_10_15_x86_64 and macosx_11_0_arm64"
    return UsageError(
        f"target '{text}' is not supported", details={os: ", ".join(names[os]) for os in families}, hint=hint
    )


def _find_meant(text: str, arches: ArchTable) -> list[str]:
    meant = find_other_name(text, arches)
    if meant is None or _name_arch(meant.os, meant.arch) is None:
        return []
    target = Target(os=meant.os, arch=meant.arch) if meant.os == "windows" else base_target(meant.libc, meant.arch)
    return [(_lowest_macos(meant.arch) if meant.os == "darwin" else target).tag]


def build_machine_target(*, own_libc: bool = False) -> Target:
    """Return the target whose programs run on this machine.

    It has the lowest supported floor, or with `own_libc` the version of the machine's glibc; on a Mac, it has the oldest
    supported macOS. Raises UsageError for a machine that is not a target.
    """
    machine, system = platform.machine().lower(), platform.system()
    arch = find_machine_arch(machine)
    if system == "Windows":
        name = arch.windows.name if arch is not None and arch.windows is not None else machine
        return parse_target(PlatformTag.make(TagFamily.WINDOWS, name).text)
    if system == "Darwin":
        if arch is None or arch.macos is None:
            return parse_target(PlatformTag.make(TagFamily.MACOS, machine, (11, 0)).text)
        return _lowest_macos(arch)
    libc, version = platform.libc_ver()
    if arch is None:
        return parse_target(PlatformTag.make(TagFamily.MUSLLINUX, machine, (1, 2)).text)
    if libc != "glibc":
        return base_target("musl", arch)
    if own_libc:
        major, minor = map(int, version.split(".")[:2])
        parse = parse_foreign_target if (major, minor) > NEWEST_GLIBC else parse_target
        return parse(PlatformTag.make(TagFamily.MANYLINUX, arch.name, (major, minor)).text)
    return base_target("glibc", arch)


def base_target(libc: str, arch: Arch) -> Target:
    """Return the target with the lowest supported floor for a libc and an architecture."""
    return Target(os="linux", libc=libc, libc_version=arch.lowest_glibc if libc == "glibc" else _MUSL, arch=arch)
