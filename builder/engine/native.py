"""The native engine: the compilers of the machine itself, such as those of a build image."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from builder.engine import Compilers, EngineName
from builder.errors import MachineError, UsageError
from builder.target import Target, build_machine_target, parse_target

POLICY = "AUDITWHEEL_PLAT"
"""The variable in which PyPA's images, and ours, name the platform tag that wheels built there can have."""
IMAGE = "EVERYWHEEL_IMAGE"
"""The variable by which whoever starts a container says which image it is."""

_FLAGS = ("-O2", "-Wno-error=date-time")


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeEngine:
    """`$CC` and `$CXX`, or `cc` and `c++`, of this machine; it builds for this machine alone."""

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    name: EngineName = EngineName.NATIVE

    def compilers(self, target: Target) -> Compilers:
        """Return the machine's compilers; raise UsageError for a target that is not this machine's."""
        here = native_target(self.environ)
        same = (target.os, target.arch, target.libc) == (here.os, here.arch, here.libc)
        if not same or target.libc_version < here.libc_version:
            raise UsageError(
                f"the native engine cannot build for {target.tag}: what this machine makes is {here.tag}",
                hint="the zig engine builds for every target on any machine",
            )
        c, cxx = self._find("CC", "cc", "gcc"), self._find("CXX", "c++", "g++")
        flags = [*_FLAGS, *_system_flags(target)]
        return Compilers(
            c=(c, *flags),
            cxx=(cxx, *flags),
            build_c=(c, *flags),
            build_cxx=(cxx, *flags),
            ar=(self._find("AR", "ar", "gcc-ar"),),
            ranlib=(self._find("RANLIB", "ranlib", "gcc-ranlib"),),
            # The compiler finds its assembler and linker there.
            path=tuple(self.environ.get("PATH", "/usr/bin:/bin").split(":")),
            environment={"HOME": self.environ.get("HOME", "/tmp")},
            runs_target=True,
            undefined_version=_accepts(c, "-Wl,--undefined-version", self.environ),
        )

    def warm(self, target: Target) -> None:
        """Do nothing: the machine's compilers are ready."""

    def _find(self, variable: str, *names: str) -> str:
        wanted = [self.environ[variable]] if self.environ.get(variable) else list(names)
        for name in wanted:
            found = shutil.which(name, path=self.environ.get("PATH"))
            if found is not None:
                return found
        raise MachineError(
            f"the native engine finds no {' or '.join(wanted)}",
            hint="install a compiler (Debian: `apt-get install gcc g++`), or use the zig engine, which needs none",
        )


def _system_flags(target: Target) -> tuple[str, ...]:
    """Return what Apple's compilers are told; unlike glibc, macOS lets them compile for a system older than their own."""
    if target.os != "darwin":
        return ()
    return ("-arch", target.arch_tag, f"-mmacosx-version-min={'.'.join(map(str, target.os_version))}")


def native_target(environ: Mapping[str, str] = os.environ) -> Target:
    """Return the target that this machine's compilers make: what its image says, else what its libc is.

    Of a Mac, Apple's variable says how old a system may be.
    """
    policy = environ.get(POLICY, "")
    if policy:
        return parse_target(policy)
    here, floor = build_machine_target(own_libc=True), environ.get("MACOSX_DEPLOYMENT_TARGET", "")
    if here.os == "darwin" and re.fullmatch(r"\d+\.\d+", floor):
        major, minor = map(int, floor.split("."))
        return replace(here, os_version=max(here.os_version, (major, minor)))
    return here


def native_facts(environ: Mapping[str, str] = os.environ) -> str:
    """Return what stands in a key for the machine: the image, where it is a container, else what its compilers say."""
    image = environ.get(IMAGE, "")
    if image:
        return image
    engine = NativeEngine(environ=environ)
    words = [engine._find("CC", "cc", "gcc"), engine._find("CXX", "c++", "g++")]
    told = [subprocess.run([word, "--version"], capture_output=True, text=True, check=False).stdout for word in words]
    return hashlib.sha256("".join([*told, native_target(environ).tag]).encode()).hexdigest()[:16]


def _accepts(compiler: str, flag: str, environ: Mapping[str, str]) -> bool:
    """Tell whether a compiler links with a flag."""
    with TemporaryDirectory() as folder:
        source = Path(folder) / "empty.c"
        source.write_text("")
        words = [compiler, "-shared", "-fPIC", flag, str(source), "-o", str(Path(folder) / "out.so")]
        return subprocess.run(words, env=dict(environ), capture_output=True, check=False).returncode == 0
