"""Policies of Linux: the symbol and library limits that a platform tag promises, from auditwheel's data (PEP 600, 656)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from auditwheel.architecture import Architecture
from auditwheel.libc import Libc
from auditwheel.policy import WheelPolicies

from everywheel.platforms.architectures import ARCHES, Arch, ArchTable
from everywheel.platforms.symbol_versions import split_version, version_key
from everywheel.platforms.tags import PlatformTag

_LOADER = re.compile(r"ld-linux[\w-]*\.so\.\d+|ld64\.so\.[12]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The limits of a platform tag.

    `floor` is the version of the libc. `versions` maps the other families of symbol versions (`GLIBCXX`) to the numbers
    that a file may need, `libraries` are those that every system has, `forbidden` their symbols that must not be used.
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
        """The promise of the tag for messages: `manylinux2014_x86_64 promises glibc 2.17`."""
        return f"{self.tag} promises {self.libc} {self.floor[0]}.{self.floor[1]}"

    @property
    def musl_library(self) -> str:
        """The soname of musl on a system of this architecture."""
        return f"libc.musl-{self.arch.musl_library}.so.1"

    @property
    def loader(self) -> str:
        """The path of the loader on a system of this architecture."""
        return self.arch.glibc_loader if self.libc == "glibc" else f"/lib/ld-musl-{self.arch.musl_loader}.so.1"

    def provides(self, library: str) -> bool:
        """Return whether every system of this tag has the library."""
        return library in self.libraries or self.is_loader(library)

    def is_loader(self, library: str) -> bool:
        """Return whether a library is the loader of glibc, which modules may also name."""
        return self.libc == "glibc" and _LOADER.fullmatch(library) is not None

    def allows(self, version: str) -> bool:
        """Return whether a file may need a symbol version: `GLIBC_2.17`, `GLIBCXX_3.4.19`."""
        family, number = split_version(version)
        if family == "GLIBC":
            if self.libc != "glibc":
                return False
            # PEP 600 defines the limit by the version of glibc, so the list in auditwheel's data is not used.
            if number:
                return version_key(number) <= self.floor
            return version.removeprefix("GLIBC_") in self.versions["GLIBC"]
        return family not in self.versions or version.removeprefix(f"{family}_") in self.versions[family]


def load_policy(tag: str, arches: ArchTable = ARCHES) -> Policy | None:
    """Return the policy of a platform tag, or None for a tag that has none (`linux_x86_64`, `win_amd64`, `any`).

    A floor that is missing in auditwheel's data has the limits of the next lower floor.
    """
    parsed = PlatformTag.parse(tag)
    return _load_policy(parsed, arches[parsed.arch]) if parsed.libc and parsed.arch in arches else None


@cache
def _load_policy(tag: PlatformTag, arch: Arch) -> Policy:
    policies = WheelPolicies(
        libc=Libc.GLIBC if tag.libc == "glibc" else Libc.MUSL,
        arch=Architecture(arch.name),
        # Without the name of a policy, auditwheel determines the musl version of the build machine.
        musl_policy="musllinux_1_2" if tag.libc == "musl" else None,
    )
    parsed = {PlatformTag.parse(policy.name): policy for policy in policies}
    floors = {known.version: policy for known, policy in parsed.items() if known.libc}
    nearest = max((floor for floor in floors if floor <= tag.version), default=min(floors))
    return Policy(
        tag=tag.text,
        libc=tag.libc,
        floor=tag.version,
        arch=arch,
        versions=floors[nearest].symbol_versions,
        libraries=floors[nearest].whitelist,
        forbidden=floors[nearest].blacklist,
    )
