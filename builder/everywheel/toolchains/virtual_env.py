"""Virtual environments in the store: creating them, installing into them, and the paths inside."""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.config.pins import Pin, parse_pins
from everywheel.errors import BuildError
from everywheel.execution.files import remove_path
from everywheel.execution.process import run_logged
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.toolchains.interpreters import Interpreter
from everywheel.toolchains.pip import run_pip, write_requirements
from everywheel.toolchains.pip_settings import filter_environment
from everywheel.toolchains.record import find_missing_packages, find_record_damage
from everywheel.toolchains.uv import run_uv_pip

_PINS_HINT = (
    "does the package index have these files for this machine? pip's settings (PIP_INDEX_URL, pip.conf) are used; "
    "`everywheel lock --upgrade` pins the files that the index has now"
)
EXE = str(sysconfig.get_config_var("EXE") or "")
"""The suffix of programs on the build machine."""


def scripts_dir(environment: Path) -> Path:
    """Return the directory with the programs of a virtual environment."""
    return _find_dir(environment, "scripts")


def site_packages(environment: Path) -> Path:
    """Return the directory with the packages of a virtual environment, which may have another Python than this program."""
    packages = _find_dir(environment, "purelib")
    return packages if packages.is_dir() else next((environment / "lib").glob("python3*/site-packages"), packages)


def python_name(environment: Path) -> str:
    """Return the name of an environment's Python in paths: `python3.12`, or `python3.14t` without the GIL."""
    name = site_packages(environment).parent.name
    return name if name.startswith("python") else f"python{sys.version_info.major}.{sys.version_info.minor}"


def environment_python(environment: Path) -> Path:
    """Return the Python of a virtual environment."""
    return scripts_dir(environment) / f"python{EXE}"


def _find_dir(environment: Path, name: str) -> Path:
    root = str(environment)
    return Path(sysconfig.get_path(name, "venv", {"base": root, "platbase": root}))


def environment_identity(requirements: str, store: Path, python: Interpreter | None = None) -> str:
    """Return a hash of the requirements, the Python and the location of an environment, for the name of its directory.

    `python` is the one of this program if it is None.

    The location is included because scripts in an environment contain its path, and machines may mount a shared store
    under different paths.
    """
    location = os.path.realpath(store / "tools")
    # Directories of versions without a manifest have other names, so that both versions can use one store.
    build, prefix = (sys.version, sys.base_prefix) if python is None else (python.build, python.prefix)
    facts = f"manifest\n{requirements}\n{build}\n{prefix}\n{location}"
    return hashlib.sha256(facts.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedPackages:
    """The packages of an environment: `pins` is a requirements file with hashes, `hint` is for a failure of pip."""

    pins: str
    label: str
    hint: str = _PINS_HINT


def ensure_pinned_environment(
    store: Path,
    name: str,
    packages: PinnedPackages,
    *,
    offline: bool = False,
    check: Callable[[Path], None] = lambda path: None,
    interpreter: Interpreter | None = None,
) -> Path:
    """Return an environment in the store with exactly the pinned packages, for `interpreter` or the Python of this program.

    `check` is called after the installation; an environment for which it raises an exception is not used. Raises MachineError
    when the environment is not complete and `offline` forbids the download, BuildError when pip fails, also
    because a file does not have a pinned hash, and when a package is missing afterwards.
    """

    def fill(path: Path) -> None:
        remove_path(log)
        create_environment(path, label=label, log=log, program=None if interpreter is None else interpreter.program)
        if pins:
            file = write_requirements(path / "requirements.txt", pins)
            options = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(file)]
            install = run_pip if interpreter is None else run_uv_pip
            install("install", options, label=label, log=log, python=environment_python(path), hint=packages.hint)
        _check_packages(path, [_describe(pin) for pin in parse_pins(pins)], label=label, log=log)
        check(path)

    pins, label = packages.pins, packages.label
    path = store / "tools" / f"{name}-{environment_identity(pins, store, interpreter)}"
    log = store / "logs" / f"{path.name}.log"
    return ensure_stamped_dir(path, fill, title=label, offline=offline)


def ensure_environment(
    path: Path, requirements: Sequence[str], *, label: str, log: Path, offline: bool = False
) -> Path:
    """Return the virtual environment at `path`; if it is incomplete or damaged, create it and install the requirements.

    Raises MachineError when the environment is not complete and `offline` forbids the download, BuildError when pip fails or
    when a package is missing afterwards.
    """

    def fill(path: Path) -> None:
        remove_path(log)
        create_environment(path, label=label, log=log)
        install_into_environment(path, requirements, label=label, log=log)
        _check_packages(path, requirements, label=label, log=log)

    return ensure_stamped_dir(path, fill, title=label, offline=offline)


def _check_packages(path: Path, requirements: Sequence[str], *, label: str, log: Path) -> None:
    """Raise BuildError unless all requirements are installed, with exactly the files that their RECORDs list."""
    site = site_packages(path)
    missing = [f"missing: {requirement}" for requirement in find_missing_packages(site, requirements)]
    damage = missing or find_record_damage(site)
    if damage:
        raise BuildError(
            f"{label}: the installation is incomplete, although pip reported success",
            details={"environment": path},
            excerpt=damage[:12],
            log=log,
            hint="run the command again; the log shows what pip did",
        )


def _describe(pin: Pin) -> str:
    return f"{pin.name}=={pin.version}" + (f" ; {pin.marker}" if pin.marker else "")


def create_environment(path: Path, *, label: str, log: Path, program: Path | None = None) -> None:
    """Create a virtual environment of a Python, by default the running one, without pip; raise BuildError when that fails."""
    python = [sys.executable, "-P"] if program is None else [program, "-I"]  # -P is new in 3.11
    run_logged(
        [*python, "-m", "venv", "--without-pip", path],
        cwd=path.parent,
        env=filter_environment(),
        log=log,
        label=f"{label}: creating the environment",
        hint="is python3-venv installed? `everywheel doctor` reports what is missing on this machine",
    )


def install_into_environment(path: Path, arguments: Sequence[str], *, label: str, log: Path) -> None:
    """Run `pip install` with `arguments` for a virtual environment; raise BuildError when pip fails."""
    run_pip("install", arguments, label=label, log=log, python=environment_python(path))
