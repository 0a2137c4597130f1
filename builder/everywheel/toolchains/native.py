"""The native engine: the compilers of the build machine, which may be a build image."""

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

from everywheel.errors import MachineError, UsageError
from everywheel.execution.files import hash_file
from everywheel.execution.process import join_windows_args, run_command, run_logged
from everywheel.execution.temporary_files import open_temporary_directory
from everywheel.platforms.target import Target, build_machine_target, parse_target
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.toolchains.compilers import Compilers, EngineName
from everywheel.toolchains.flags import SYSTEM_FLAGS
from everywheel.toolchains.windows_launcher import SOURCE

POLICY = "AUDITWHEEL_PLAT"
"""The environment variable of build images (PyPA's and ours) that contains the platform tag of the wheels to build."""

# What gcc and clang start; a name that one of them does not have is ignored.
_COMPILER_PROGRAMS = ("cc1", "cc1plus", "clang", "as", "ld")
_FLAGS = ("-O2", "-Wno-error=date-time")
# Programs on Windows need these variables to start, or to find other programs.
_WINDOWS_VARIABLES = (
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
    """The compilers of the build machine (`$CC` and `$CXX`, else `cc` and `c++`), for targets whose programs it runs.

    `store` is the root of the store; on Windows, it receives the compiled launcher.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    store: Path | None = None
    name: EngineName = EngineName.NATIVE

    def compilers(self, target: Target) -> Compilers:
        """Return the compilers of the machine.

        Raises UsageError for a target that they cannot build for, MachineError for a compiler that is missing or unusable.
        """
        machine = native_target(self.environ)
        same_platform = (target.os, target.arch, target.libc) == (machine.os, machine.arch, machine.libc)
        if not same_platform or target.libc_version < machine.libc_version:
            raise UsageError(
                f"the native engine cannot build for {target.tag}: this machine builds for {machine.tag}",
                hint="the zig engine builds for every target on any machine",
            )
        c, cxx = self._find("CC", "cc", "gcc"), self._find("CXX", "c++", "g++")
        windows = target.os == "windows"
        if windows:
            for compiler in (c, cxx):
                _check_driver(compiler, target, self.environ)
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
            # The compiler searches PATH for its assembler and linker.
            path=tuple(self.environ.get("PATH", "/usr/bin:/bin").split(os.pathsep)),
            environment=self._keep_variables(target),
            runs_target=True,
            undefined_version=target.os == "linux" and _accepts_flag(c, "-Wl,--undefined-version", self.environ),
            link=SYSTEM_FLAGS[target.os].native_link,
            launcher=self._launcher(c) if windows else None,
        )

    def prime_cache(self, target: Target) -> None:
        """On Windows, compile the launcher once for each store; the compilers themselves need no preparation.

        Raises the errors of `compilers`, and BuildError when the launcher cannot be compiled.
        """
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
                label=f"compiler for {target.tag}",
            )

        ensure_stamped_dir(launcher.parent, fill, title=f"launcher for {target.tag}")

    def _launcher(self, c: Sequence[str]) -> Path | None:
        """Return the path of the launcher that is compiled with this compiler; the file may not exist yet."""
        if self.store is None:
            return None
        facts = hashlib.sha256(SOURCE.read_bytes() + repr(c).encode()).hexdigest()[:12]
        return self.store / "tools" / f"launcher-{facts}" / "launcher.exe"

    def _keep_variables(self, target: Target) -> dict[str, str]:
        if target.os == "windows":
            return {name: self.environ[name] for name in _WINDOWS_VARIABLES if name in self.environ}
        return {"HOME": self.environ.get("HOME", "/tmp")}

    def _find(self, variable: str, *names: str) -> tuple[str, ...]:
        """Return the command in an environment variable, with its arguments, or the first program of `names` on PATH."""
        candidates = [self.environ[variable]] if self.environ.get(variable) else list(names)
        for candidate in candidates:
            for program, *args in ([candidate], split_command(candidate)):
                path = shutil.which(program, path=self.environ.get("PATH"))
                if path is not None:
                    return (path, *args)
        raise MachineError(
            f"the native engine cannot find {' or '.join(candidates)}",
            hint="install a compiler (Debian: `apt-get install gcc g++`; Windows: MinGW-w64), or use the zig engine, "
            "which needs none",
        )


def split_command(line: str, *, windows: bool = sys.platform == "win32") -> list[str]:
    """Split the value of a variable such as CC into arguments; on Windows, a backslash is not an escape character."""
    return [arg.strip('"') for arg in shlex.split(line, posix=False)] if windows else shlex.split(line)


def _check_driver(compiler: Sequence[str], target: Target, environ: Mapping[str, str]) -> None:
    """Raise MachineError unless a compiler is MinGW's gcc or clang for the target: recipes support no other."""
    command = [*compiler, "-dumpmachine"]
    result = run_command(command, env=environ)
    machine = result.output.strip()
    if result.exit_code == 0 and re.fullmatch(rf"{target.arch.zig}-.*(mingw|windows-gnu).*", machine):
        return
    raise MachineError(
        f"the native engine cannot use {compiler[0]}: recipes are built by MinGW's gcc or clang, for {target.arch.name}",
        details={"command": join_windows_args(command), "output": machine or f"none (exit {result.exit_code})"},
        hint="put MinGW-w64's gcc and g++ on PATH, or name them with CC and CXX; the zig engine on Linux needs none",
    )


def _system_flags(target: Target) -> tuple[str, ...]:
    """Return the flags that select the architecture and the oldest macOS of a target for Apple's compilers."""
    if target.os != "darwin":
        return ()
    return ("-arch", target.arch_tag, f"-mmacosx-version-min={'.'.join(map(str, target.os_version))}")


def native_target(environ: Mapping[str, str] = os.environ) -> Target:
    """Return the target that the machine's compilers build for.

    In a build image, it is the platform tag of the image; elsewhere it has the version of the machine's own libc. On a Mac,
    MACOSX_DEPLOYMENT_TARGET is the oldest macOS. Raises UsageError for a machine that is not a supported target.
    """
    policy = environ.get(POLICY, "")
    if policy:
        return parse_target(policy)
    machine, floor = build_machine_target(own_libc=True), environ.get("MACOSX_DEPLOYMENT_TARGET", "")
    if machine.os == "darwin" and re.fullmatch(r"\d+\.\d+", floor):
        major, minor = map(int, floor.split("."))
        return replace(machine, os_version=max(machine.os_version, (major, minor)))
    return machine


def native_facts(environ: Mapping[str, str] = os.environ) -> str:
    """Return a hash of the target and the compilers of the build machine, for cache keys.

    It covers what the compilers print about their version, the bytes of the programs that compile, assemble, archive and
    link, and on macOS the SDK. Raises MachineError when a compiler is missing.
    """
    engine = NativeEngine(environ=environ)
    c, cxx = engine._find("CC", "cc", "gcc"), engine._find("CXX", "c++", "g++")
    queries = [[*c, "--version"], [*cxx, "--version"], [*c, "-print-sysroot"]]
    if sys.platform == "darwin":
        queries.append(["xcrun", "--show-sdk-build-version"])
    answers = [run_command(query, env=environ).output for query in queries]
    programs = [c[0], cxx[0], engine._find("AR", "ar", "gcc-ar")[0], engine._find("RANLIB", "ranlib", "gcc-ranlib")[0]]
    programs += [
        run_command([*c, f"-print-prog-name={name}"], env=environ).output.strip() for name in _COMPILER_PROGRAMS
    ]
    hashes = [_hash_program(program, environ) for program in programs]
    return hashlib.sha256(repr((native_target(environ).tag, answers, hashes)).encode()).hexdigest()[:16]


def _hash_program(program: str, environ: Mapping[str, str]) -> str:
    path = shutil.which(program, path=environ.get("PATH"))
    return hash_file(Path(path)) if path is not None else ""


def _accepts_flag(compiler: Sequence[str], flag: str, environ: Mapping[str, str]) -> bool:
    """Return whether the compiler can link a shared library with a flag."""
    with open_temporary_directory() as folder:
        source = folder / "empty.c"
        source.write_text("")
        command = [*compiler, "-shared", "-fPIC", flag, str(source), "-o", str(folder / "out.so")]
        return run_command(command, env=environ).exit_code == 0
