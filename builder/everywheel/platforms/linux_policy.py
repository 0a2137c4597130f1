"""Policies: what a Linux platform tag promises, from the data that auditwheel keeps (PEP 600, PEP 656)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from auditwheel.architecture import Architecture
from auditwheel.libc import Libc
from auditwheel.policy import WheelPolicies

from everywheel.binaries.elf import split_version, version_key
from everywheel.platforms.target import ARCHES, Arch

_TAG = re.compile(r"(manylinux|musllinux)_(\d+)_(\d+)_(\w+)")
_LEGACY = {"manylinux1": "manylinux_2_5", "manylinux2010": "manylinux_2_12", "manylinux2014": "manylinux_2_17"}
_LOADER = re.compile(r"ld-linux[\w-]*\.so\.\d+|ld64\.so\.[12]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The symbol and library floor of one platform tag.

    `floor` is the version of the libc. `versions` maps the other families of symbol versions (`GLIBCXX`) to the numbers
    that may be needed, `libraries` are those that the system has, `forbidden` their symbols that must not be used.
    """

    tag: str
    libc: str
    floor: tuple[int, int]
    arch: Arch
    versions: Mapping[str, frozenset[str]]
    libraries: frozenset[str]
    forbidden: Mapping[str, frozenset[str]]

    @property
    def promise(self) -> str:
        """What the tag promises, in words: `manylinux2014_x86_64 promises glibc 2.17`."""
        return f"{self.tag} promises {self.libc} {self.floor[0]}.{self.floor[1]}"

    @property
    def musl_library(self) -> str:
        """The name under which musl is on a system of this architecture."""
        return f"libc.musl-{_MUSL_NAMES.get(self.arch.name, self.arch.name)}.so.1"

    def provides(self, library: str) -> bool:
        """Tell whether every system of this tag has the library."""
        return library in self.libraries or (self.libc == "glibc" and _LOADER.fullmatch(library) is not None)

    def allows(self, version: str) -> bool:
        """Tell whether a symbol version may be needed: `GLIBC_2.17`, `GLIBCXX_3.4.19`."""
        family, number = split_version(version)
        if family == "GLIBC":
            if self.libc != "glibc":
                return False
            # The number decides, not the list: PEP 600 promises the floor's glibc and nothing newer.
            if number:
                return version_key(number) <= self.floor
            return version.removeprefix("GLIBC_") in self.versions["GLIBC"]
        return family not in self.versions or version.removeprefix(f"{family}_") in self.versions[family]


_MUSL_NAMES = {"i686": "x86", "armv7l": "armv7"}


@cache
def load_policy(tag: str) -> Policy | None:
    """Return the policy of a platform tag, or None for a tag that has none (`linux_x86_64`, `win_amd64`, `any`).

    A floor that auditwheel's data does not list gets the limits of the next lower one that it does.
    """
    full = tag
    for alias, name in _LEGACY.items():
        if tag.startswith(f"{alias}_"):
            full = tag.replace(alias, name, 1)
    match = _TAG.fullmatch(full)
    if match is None or match[4] not in ARCHES:
        return None
    floor = (int(match[2]), int(match[3]))
    libc = "glibc" if match[1] == "manylinux" else "musl"
    known = Libc.GLIBC if libc == "glibc" else Libc.MUSL
    # Naming a musl policy keeps auditwheel from asking the build machine for its own.
    musl = "musllinux_1_2" if libc == "musl" else None
    policies = WheelPolicies(libc=known, arch=Architecture(match[4]), musl_policy=musl)
    listed = {tuple(map(int, p.name.split("_")[1:3])): p for p in policies if _TAG.fullmatch(p.name)}
    nearest = max((version for version in listed if version <= floor), default=min(listed))
    policy = listed[nearest]
    return Policy(
        tag=tag,
        libc=libc,
        floor=floor,
        arch=ARCHES[match[4]],
        versions=policy.symbol_versions,
        libraries=policy.whitelist,
        forbidden=policy.blacklist,
    )
