"""The native engine: the compilers of the machine itself, such as those of a build image."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.errors import MachineError, UsageError
from everywheel.execution.process import join_windows_args, run_command, run_logged
from everywheel.platforms.target import Target, build_machine_target, parse_target
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.toolchains.compilers import Compilers, EngineName
from everywheel.toolchains.windows_launcher import SOURCE

POLICY = "AUDITWHEEL_PLAT"
"""The variable in which PyPA's images, and ours, name the platform tag that wheels built there can have."""
IMAGE = "EVERYWHEEL_IMAGE"
"""The variable by which whoever starts a container says which image it is."""

_FLAGS = ("-O2", "-Wno-error=date-time")
# What MinGW's compilers bring along goes inside: no Windows has libgcc, libstdc++ or winpthread as a DLL.
_LINK_FLAGS = {"windows": ("-static",)}
# Without these no program of Windows starts, or none finds another.
_WINDOWS = (
    "COMSPEC",
    "NUMBER_OF_PROCESSORS",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "USERPROFILE",
    "WINDIR",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeEngine:
    """`$CC` and `$CXX`, or `cc` and `c++`, of this machine; it builds for this machine alone.

    `store` is where it keeps what it compiles for itself.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    store: Path | None = None
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
        windows = target.os == "windows"
        if windows:
            for words in (c, cxx):
                _check_driver(words, target, self.environ)
        flags = [*_FLAGS, *_system_flags(target)]
        return Compilers(
            c=(*c, *flags),
            cxx=(*cxx, *flags),
            build_c=(*c, *flags),
            build_cxx=(*cxx, *flags),
            ar=self._find("AR", "ar", "gcc-ar"),
            ranlib=self._find("RANLIB", "ranlib", "gcc-ranlib"),
            dlltool=self._find("DLLTOOL", "dlltool") if windows else (),
            windres=self._find("WINDRES", "windres") if windows else (),
            # The compiler finds its assembler and linker there.
            path=tuple(self.environ.get("PATH", "/usr/bin:/bin").split(os.pathsep)),
            environment=self._keep_variables(target),
            runs_target=True,
            undefined_version=target.os == "linux" and _accepts(c, "-Wl,--undefined-version", self.environ),
            link=_LINK_FLAGS.get(target.os, ()),
            launcher=self._launcher(c) if windows else None,
        )

    def prime_cache(self, target: Target) -> None:
        """Compile the launcher, once for each store, where one is needed: the machine's compilers are ready."""
        compilers = self.compilers(target)
        if compilers.launcher is None:
            return
        assert self.store is not None
        launcher, log = compilers.launcher, self.store / "logs" / f"compiler-{target.tag}.log"

        def fill(folder: Path) -> None:
            run_logged(
                [*compilers.c, *compilers.link, "-s", SOURCE, "-o", folder / launcher.name],
                cwd=folder,
                env=self.environ,
                log=log,
                what=f"compiler for {target.tag}",
            )

        ensure_stamped_dir(launcher.parent, fill, title=f"launcher for {target.tag}")

    def _launcher(self, c: Sequence[str]) -> Path | None:
        """Return where the launcher is, or will be, that this very compiler makes."""
        if self.store is None:
            return None
        facts = hashlib.sha256(SOURCE.read_bytes() + repr(c).encode()).hexdigest()[:12]
        return self.store / "tools" / f"launcher-{facts}" / "launcher.exe"

    def _keep_variables(self, target: Target) -> dict[str, str]:
        if target.os == "windows":
            return {name: self.environ[name] for name in _WINDOWS if name in self.environ}
        return {"HOME": self.environ.get("HOME", "/tmp")}

    def _find(self, variable: str, *names: str) -> tuple[str, ...]:
        """Return the words that start a program: those of a variable, which may be several, or the first that is there."""
        wanted = [self.environ[variable]] if self.environ.get(variable) else list(names)
        for name in wanted:
            for words in ([name], split_words(name)):
                found = shutil.which(words[0], path=self.environ.get("PATH"))
                if found is not None:
                    return (found, *words[1:])
        raise MachineError(
            f"the native engine finds no {' or '.join(wanted)}",
            hint="install a compiler (Debian: `apt-get install gcc g++`; Windows: MinGW-w64), or use the zig engine, "
            "which needs none",
        )


def split_words(line: str, *, windows: bool = sys.platform == "win32") -> list[str]:
    """Take the words of a variable such as CC apart as a shell of this machine would; Windows' paths have backslashes."""
    return [word.strip('"') for word in shlex.split(line, posix=False)] if windows else shlex.split(line)


def _check_driver(compiler: Sequence[str], target: Target, environ: Mapping[str, str]) -> None:
    """Raise MachineError for a compiler that does not speak GNU's words and make MinGW's code, as all of ours is built."""
    command = [*compiler, "-dumpmachine"]
    result = run_command(command, env=environ)
    machine = result.output.strip()
    if result.exit_code == 0 and re.fullmatch(rf"{target.arch.zig}-.*(mingw|windows-gnu).*", machine):
        return
    raise MachineError(
        f"the native engine cannot use {compiler[0]}: recipes are built by MinGW's gcc or clang, for {target.arch.name}",
        details={"command": join_windows_args(command), "answer": machine or f"none (exit {result.exit_code})"},
        hint="put MinGW-w64's gcc and g++ on PATH, or name them with CC and CXX; the zig engine on Linux needs none",
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
    commands = [engine._find("CC", "cc", "gcc"), engine._find("CXX", "c++", "g++")]
    versions = [run_command([*command, "--version"]).output for command in commands]
    return hashlib.sha256("".join([*versions, native_target(environ).tag]).encode()).hexdigest()[:16]


def _accepts(compiler: Sequence[str], flag: str, environ: Mapping[str, str]) -> bool:
    """Tell whether a compiler links with a flag."""
    with TemporaryDirectory() as folder:
        source = Path(folder) / "empty.c"
        source.write_text("")
        words = [*compiler, "-shared", "-fPIC", flag, str(source), "-o", str(Path(folder) / "out.so")]
        return run_command(words, env=environ).exit_code == 0
