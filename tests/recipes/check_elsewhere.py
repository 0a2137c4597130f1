"""Check programs of recipes for targets that the build machine runs with Wine or QEMU only.

A build runs the check program of its recipe if the target's programs run natively. Here, the libraries of the store are used
by the same programs: for Windows under Wine, for other architectures with glibc in QEMU, with the C library of Debian's
cross-compilers, and for musl with Debian's package `musl`, or as static programs, natively or in QEMU.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from everywheel.config.recipe import Linkage
from everywheel.libraries.features import resolve_link_flag
from everywheel.planning.steps import LibraryStep, Plan
from everywheel.platforms.architectures import find_machine_arch
from everywheel.platforms.target import Target
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.engines import open_engine
from everywheel.toolchains.toolchain import Toolchain, ToolchainOptions
from everywheel.toolchains.toolchain_writer import write_toolchain

_LOADERS = Path("/lib")  # of `musl`, `musl:arm64` and so on, of several architectures
_TIMEOUT = 300  # seconds; starting Wine takes most of it on a busy machine


def find_runner(target: Target, linkage: Linkage) -> Sequence[str] | None:
    """Return the command that runs a target's programs, which is empty if they run natively, or None if there is none."""
    if target.os == "windows":
        wine = shutil.which("wine") if target.windows_arch.runs_under_wine else None
        return None if wine is None else (wine,)
    emulator = () if target.arch == find_machine_arch(platform.machine()) else _find_emulator(target)
    if target.os != "linux" or emulator is None:
        return None
    if target.libc == "musl":
        loader = _LOADERS / f"ld-musl-{target.arch.musl_loader}.so.1"
        return emulator if linkage is Linkage.STATIC else (*emulator, str(loader)) if loader.is_file() else None
    folders = [Path(f"/usr/{cpu}-linux-{target.arch.glibc}") for cpu in (target.arch.gnu_cpu, target.arch.name)]
    system = next((folder for folder in folders if folder.is_dir()), None)
    return (*emulator, "-L", str(system)) if emulator and system else None


def list_packages(target: Target) -> Sequence[str]:
    """Return the packages of Debian with which `find_runner` succeeds on a machine with an x86-64 processor."""
    if target.os == "windows":
        return ("wine", "wine64")
    if target.os != "linux" or (target.arch.name == "x86_64" and target.libc == "glibc"):
        return ()
    emulator = () if target.arch.name == "x86_64" else ("qemu-user-static",)
    if target.libc == "glibc":
        return (*emulator, f"libc6-{target.arch.debian}-cross")
    return (*emulator, f"musl:{target.arch.debian}" if emulator else "musl")


def _find_emulator(target: Target) -> Sequence[str] | None:
    emulator = shutil.which(f"qemu-{target.arch.qemu}-static")
    return None if emulator is None else (emulator,)


def run_check(step: LibraryStep, plan: Plan, store: Store) -> str | None:
    """Use a library of the store with the check program of its recipe: return its output, or None if it ended with success.

    The output of a program names what the library does not provide; that of the compiler is returned if it fails.
    """
    runner = find_runner(step.target, step.recipe.linkage)
    if runner is None:
        return "no program of this machine runs those of the target"
    with tempfile.TemporaryDirectory(prefix="everywheel-check-", dir=store.root / "tmp") as folder:
        workspace = Path(folder)
        for id in (*step.link, step.id):
            store.unpack(plan.libraries[id].key, workspace / "prefix", replace=False)
        with open_engine(EngineName.ZIG, store, tools := ensure_tools(store.root)) as engine:
            engine.prime_cache(step.target)
            options = ToolchainOptions(cxx_runtime=step.recipe.build.cxx_runtime)
            toolchain = write_toolchain(step.target, engine.compilers(step.target), tools, workspace, options)
            try:
                program = _link(step, workspace, toolchain)
                _run(
                    [*runner, program, *step.recipe.products.provides],
                    workspace,
                    _make_environment(workspace, step.target),
                )
            except subprocess.CalledProcessError as error:
                return str(error.stdout)
            except subprocess.TimeoutExpired:
                return f"not finished after {_TIMEOUT} seconds"
    return None


def _link(step: LibraryStep, workspace: Path, toolchain: Toolchain) -> Path:
    """Compile and link the check program; return its path."""
    assert step.recipe.check is not None
    source = shutil.copyfile(step.recipe.check, workspace / step.recipe.check.name)
    is_cxx = source.suffix == ".cpp"
    compiler = toolchain.program("c++" if is_cxx else "cc")
    environment = toolchain.environment
    query = [toolchain.program("pkg-config"), "--cflags", "--libs", *step.recipe.products.pkgconfig]
    flags = shlex.split(_run(query, workspace, environment))
    cflags = [flag for flag in flags if not flag.startswith(("-l", "-L", "-Wl"))]
    libs = [resolve_link_flag(flag, workspace / "prefix", step.target) for flag in flags if flag not in cflags]
    objects, program = workspace / "check.o", workspace / f"check{step.target.system.program}"
    cxx_flags = toolchain.cxx_flags if is_cxx else ()
    is_static = step.target.libc == "musl" and step.recipe.linkage is Linkage.STATIC
    _run([compiler, *toolchain.compile_flags, *cxx_flags, *cflags, "-c", source, "-o", objects], workspace, environment)
    links = [*toolchain.link_flags, *toolchain.cxx_link_flags, *(["-static"] if is_static else []), *libs]
    _run([compiler, objects, *links, "-o", program], workspace, environment)
    return program


def _make_environment(workspace: Path, target: Target) -> Mapping[str, str]:
    """Return the environment of a program, in which Wine and the loader find the libraries; Wine shows no window."""
    prefix = workspace / "prefix"
    if target.os == "windows":
        wine = {"WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml=", "WINEPATH": str(prefix / "bin")}
        return {**os.environ, **wine}
    # QEMU is a static program, so that only the loader in it reads the variable, as musl's does.
    return {**os.environ, "LD_LIBRARY_PATH": str(prefix / "lib")}


def _run(command: Sequence[str | Path], cwd: Path, environment: Mapping[str, str]) -> str:
    """Run a command, and return its output, which goes through a file: Wine's services keep a pipe open."""
    with tempfile.TemporaryFile(dir=cwd) as output:
        status = subprocess.run(
            command, cwd=cwd, env=environment, stdout=output, stderr=output, timeout=_TIMEOUT, check=False
        )
        output.seek(0)
        text = output.read().decode(errors="replace")
    if status.returncode:
        raise subprocess.CalledProcessError(status.returncode, list(command), output=text)
    return text
