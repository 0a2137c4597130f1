"""Targets: what a wheel runs on, and every fact about it that another room needs, in one table."""

from __future__ import annotations

import difflib
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from everywheel.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Arch:
    """One processor architecture under the names that each tool has for it.

    `name` is the one in platform tags. `glibc` and `musl` are the ABI suffixes of zig's triples,
    `elf_machine` is e_machine as pyelftools spells it, `musl_arch` is musl's own name (its loader is
    `ld-musl-<musl_arch>.so.1`), `lowest_glibc` is the oldest glibc that zig has stubs for and a policy promises, and
    `zig_flags` are what zig's compilers must be told beside the triple.
    """

    name: str
    zig: str
    meson_family: str
    elf_machine: str
    bits: int
    endian: str
    debian: str
    qemu: str
    musl_arch: str
    glibc: str = "gnu"
    musl: str = "musl"
    lowest_glibc: tuple[int, int] = (2, 17)
    page_size: int = 4096
    zig_flags: tuple[str, ...] = ()


def _arch(
    name: str,
    zig: str,
    family: str,
    machine: str,
    debian: str,
    qemu: str,
    musl_arch: str,
    bits: int = 64,
    endian: str = "little",
    glibc: str = "gnu",
    musl: str = "musl",
    lowest_glibc: tuple[int, int] = (2, 17),
    page_size: int = 4096,
    zig_flags: tuple[str, ...] = (),
) -> Arch:
    return Arch(
        name=name,
        zig=zig,
        meson_family=family,
        elf_machine=machine,
        debian=debian,
        qemu=qemu,
        musl_arch=musl_arch,
        bits=bits,
        endian=endian,
        glibc=glibc,
        musl=musl,
        lowest_glibc=lowest_glibc,
        page_size=page_size,
        zig_flags=zig_flags,
    )


ARCHES: Mapping[str, Arch] = MappingProxyType(
    {
        arch.name: arch
        for arch in (
            #     tag name   zig            meson      e_machine      debian     qemu        musl
            _arch("x86_64", "x86_64", "x86_64", "EM_X86_64", "amd64", "x86_64", "x86_64"),
            _arch("aarch64", "aarch64", "aarch64", "EM_AARCH64", "arm64", "aarch64", "aarch64", page_size=65536),
            _arch("i686", "x86", "x86", "EM_386", "i386", "i386", "i386", bits=32),
            _arch(
                "armv7l", "arm", "arm", "EM_ARM", "armhf", "arm", "armhf", bits=32, glibc="gnueabihf", musl="musleabihf"
            ),
            # Its long double is a double: of the wider ones, IEEE needs functions of glibc 2.32, and IBM some that zig lacks.
            _arch(
                "ppc64le",
                "powerpc64le",
                "ppc64",
                "EM_PPC64",
                "ppc64el",
                "ppc64le",
                "powerpc64le",
                lowest_glibc=(2, 19),
                page_size=65536,
                zig_flags=("-mlong-double-64",),
            ),
            _arch("s390x", "s390x", "s390x", "EM_S390", "s390x", "s390x", "s390x", endian="big"),
            _arch("riscv64", "riscv64", "riscv64", "EM_RISCV", "riscv64", "riscv64", "riscv64", lowest_glibc=(2, 31)),
        )
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingSystem:
    """One operating system under the names that each tool has for it, and what its files are called.

    `name` is Meson's, which recipes use in `when`; `cmake` is CMAKE_SYSTEM_NAME. `linkable` is the file in a prefix
    that a shared library is linked by, `module` what ends an extension module of one CPython and of the stable ABI, and
    `program` what ends a program. `arches` are the architectures that it has, by their names in its platform tags.
    """

    name: str
    cmake: str
    linkable: str
    module: tuple[str, str]
    arches: Mapping[str, Arch]
    program: str = ""


SYSTEMS: Mapping[str, OperatingSystem] = MappingProxyType(
    {
        system.name: system
        for system in (
            OperatingSystem(
                name="linux", cmake="Linux", linkable="lib/lib{}.so", module=(".so", ".abi3.so"), arches=ARCHES
            ),
            OperatingSystem(
                name="darwin",
                cmake="Darwin",
                linkable="lib/lib{}.dylib",
                module=(".so", ".abi3.so"),
                arches={"x86_64": ARCHES["x86_64"], "arm64": ARCHES["aarch64"]},
            ),
            OperatingSystem(
                name="windows",
                cmake="Windows",
                linkable="lib/lib{}.dll.a",
                module=(".pyd", ".pyd"),
                arches={"amd64": ARCHES["x86_64"], "arm64": ARCHES["aarch64"]},
                program=".exe",
            ),
        )
    }
)

_LEGACY = MappingProxyType({"manylinux2014": "manylinux_2_17"})
_TAG = re.compile(
    r"(?P<family>manylinux|musllinux|macosx)_(?P<major>\d+)_(?P<minor>\d+)_(?P<arch>\w+)|win_(?P<win>\w+)"
)
# The oldest macOS that zig has a libc and libraries for, for each architecture; an arm64 Mac has never had less than 11.
_LOWEST_MACOS = MappingProxyType({"x86_64": (10, 15), "arm64": (11, 0)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A platform tag taken apart: operating system, libc, versions and the architecture (PEP 425, 600 and 656).

    `libc` and `libc_version` are of Linux alone, `os_version` is the oldest macOS; elsewhere they are empty and (0, 0).
    """

    os: str
    arch: Arch
    libc: str = ""
    libc_version: tuple[int, int] = (0, 0)
    os_version: tuple[int, int] = (0, 0)

    @property
    def system(self) -> OperatingSystem:
        return SYSTEMS[self.os]

    @property
    def arch_tag(self) -> str:
        """The architecture as this system's platform tags spell it: `aarch64` on Linux is `arm64` on the others."""
        return next(name for name, arch in self.system.arches.items() if arch == self.arch)

    @property
    def tag(self) -> str:
        """The platform tag, the target's name everywhere: `manylinux_2_17_x86_64`, `macosx_11_0_arm64`, `win_amd64`."""
        if self.os == "windows":
            return f"win_{self.arch_tag}"
        family = {"glibc": "manylinux", "musl": "musllinux"}.get(self.libc, "macosx")
        major, minor = self.libc_version if self.libc else self.os_version
        return f"{family}_{major}_{minor}_{self.arch_tag}"

    @property
    def wheel_tag(self) -> str:
        """The tag in the wheel's file name: the older alias where one exists, since every installer knows it."""
        for alias, name in _LEGACY.items():
            if self.tag.startswith(f"{name}_"):
                return self.tag.replace(name, alias, 1)
        return self.tag

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
        """What `sysconfig.get_platform()` says on the target."""
        if self.os == "darwin":
            return f"macosx-{self.os_version[0]}.{self.os_version[1]}-{self.arch_tag}"
        return f"{'win' if self.os == 'windows' else 'linux'}-{self.arch_tag}"

    @property
    def extension_suffix(self) -> str:
        """The ABI part of an extension module's file name, such as `x86_64-linux-gnu`."""
        if self.os != "linux":
            return "darwin" if self.os == "darwin" else self.tag
        names = {"i686": "i386", "armv7l": "arm", "ppc64le": "powerpc64le"}
        abi = self.arch.glibc if self.libc == "glibc" else self.arch.musl
        return f"{names.get(self.arch.name, self.arch.name)}-linux-{abi}"

    @property
    def facts(self) -> Mapping[str, str]:
        """What a recipe's `when` may ask."""
        return {"os": self.os, "libc": self.libc, "arch": self.arch.name, "endian": self.arch.endian}


def parse_target(text: str) -> Target:
    """Return the target that a platform tag or its alias names.

    Raises UsageError when the tag is unknown, or below what the toolchain can promise.
    """
    name = text
    for alias, full in _LEGACY.items():
        if name.startswith(f"{alias}_"):
            name = name.replace(alias, full, 1)
    match = _TAG.fullmatch(name)
    os = "linux" if match is None else {"macosx": "darwin", None: "windows"}.get(match["family"], "linux")
    arch = None if match is None else SYSTEMS[os].arches.get(match["arch"] or match["win"])
    if match is None or arch is None:
        raise _unsupported(text)
    if os == "windows":
        return Target(os=os, arch=arch)
    version = (int(match["major"]), int(match["minor"]))
    if os == "darwin":
        if version < (lowest := _LOWEST_MACOS[match["arch"]]):
            raise UsageError(
                f"target '{text}' is not supported: the oldest macOS for {match['arch']} is {lowest[0]}.{lowest[1]}",
                hint=f"use macosx_{lowest[0]}_{lowest[1]}_{match['arch']} or newer",
            )
        return Target(os=os, os_version=version, arch=arch)
    libc = "glibc" if match["family"] == "manylinux" else "musl"
    if libc == "glibc" and version < arch.lowest_glibc:
        floor = "_".join(map(str, arch.lowest_glibc))
        raise UsageError(
            f"target '{text}' is not supported: the lowest floor for {arch.name} is glibc {floor.replace('_', '.')}",
            hint=f"use manylinux_{floor}_{arch.name} or newer",
        )
    if libc == "musl" and version[0] != 1:
        raise UsageError(f"target '{text}' is not supported", hint=f"use musllinux_1_2_{arch.name}")
    return Target(os=os, libc=libc, libc_version=version, arch=arch)


def _unsupported(text: str) -> UsageError:
    families = {
        "linux": ("manylinux2014", "manylinux_2_28", "musllinux_1_2"),
        "darwin": ("macosx_10_15", "macosx_11_0"),
        "windows": ("win",),
    }
    known = [f"{family}_{arch}" for os, names in families.items() for family in names for arch in SYSTEMS[os].arches]
    close = difflib.get_close_matches(text, known, 1, cutoff=0.9)
    return UsageError(
        f"target '{text}' is not supported",
        details={system: ", ".join(SYSTEMS[system].arches) for system in SYSTEMS},
        hint=f"did you mean '{close[0]}'?" if close else "a target is a platform tag such as manylinux2014_x86_64",
    )


def build_machine_target(*, own_libc: bool = False) -> Target:
    """Return the target whose programs run on this machine: of the lowest floor, or of its `own_libc`.

    A Mac's own is that of the oldest system.
    """
    machine = platform.machine().lower()
    if platform.system() == "Windows":
        return parse_target(f"win_{machine}")
    machine = {"amd64": "x86_64", "arm64": "aarch64", "armv8l": "armv7l"}.get(machine, machine)
    if platform.system() == "Darwin":
        tag = "arm64" if machine == "aarch64" else machine
        return parse_target("macosx_{}_{}_{}".format(*_LOWEST_MACOS.get(tag, (11, 0)), tag))
    name, version = platform.libc_ver()
    if name == "glibc" and machine in ARCHES:
        if own_libc:
            return parse_target("manylinux_{}_{}_{}".format(*version.split(".")[:2], machine))
        return base_target("glibc", ARCHES[machine])
    return parse_target(f"musllinux_1_2_{machine}")


def base_target(libc: str, arch: Arch) -> Target:
    """Return the target of the lowest floor for a libc and an architecture."""
    if libc == "glibc":
        return Target(os="linux", libc=libc, libc_version=arch.lowest_glibc, arch=arch)
    return Target(os="linux", libc=libc, libc_version=(1, 2), arch=arch)
