"""Virtual environments in the store: creating them, installing into them, and the paths inside."""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from everywheel.execution.process import run_logged
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.toolchains.pip import python_environment, run_pip

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
    """Return the directory with the packages of a virtual environment."""
    return _find_dir(environment, "purelib")


def environment_python(environment: Path) -> Path:
    """Return the Python of a virtual environment."""
    return scripts_dir(environment) / f"python{EXE}"


def _find_dir(environment: Path, name: str) -> Path:
    root = str(environment)
    return Path(sysconfig.get_path(name, "venv", {"base": root, "platbase": root}))


def environment_identity(requirements: str, store: Path) -> str:
    """Return a hash of the requirements, the Python and the location of an environment, for the name of its directory.

    The location is included because scripts in an environment contain its path, and machines may mount a shared store
    under different paths.
    """
    location = (store / "tools").resolve()
    facts = f"{requirements}\n{sys.version}\n{sys.base_prefix}\n{location}"
    return hashlib.sha256(facts.encode()).hexdigest()[:12]


def ensure_pinned_environment(store: Path, name: str, pins: str, *, label: str, offline: bool = False) -> Path:
    """Return the Python of an environment in the store with exactly the packages of a requirements file with hashes.

    `pins` is the text of the file. Raises MachineError when the environment is not complete and `offline` forbids the
    download, BuildError when pip fails, also because a file does not have a pinned hash.
    """

    def fill(path: Path) -> None:
        log.unlink(missing_ok=True)
        create_environment(path, label=label, log=log)
        file = path / "requirements.txt"
        file.write_text(pins)
        if pins:
            options = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(file)]
            python = environment_python(path)
            run_pip("install", options, label=label, log=log, python=python, hint=_PINS_HINT)

    log = store / "logs" / f"{name}.log"
    path = store / "tools" / f"{name}-{environment_identity(pins, store)}"
    return environment_python(ensure_stamped_dir(path, fill, title=label, offline=offline))


def ensure_environment(path: Path, arguments: Sequence[str], *, label: str, log: Path, offline: bool = False) -> Path:
    """Return the virtual environment at `path`; if it is incomplete, create it and run `pip install` with `arguments`.

    Raises MachineError when the environment is not complete and `offline` forbids the download, BuildError when pip fails.
    """

    def fill(path: Path) -> None:
        log.unlink(missing_ok=True)
        create_environment(path, label=label, log=log)
        install_into_environment(path, arguments, label=label, log=log)

    return ensure_stamped_dir(path, fill, title=label, offline=offline)


def create_environment(path: Path, *, label: str, log: Path) -> None:
    """Create a virtual environment of the running Python without pip; raise BuildError when that fails."""
    run_logged(
        [sys.executable, "-m", "venv", "--without-pip", path],
        cwd=path.parent,
        env=python_environment(),
        log=log,
        label=f"{label}: creating the environment",
        hint="is python3-venv installed? `everywheel doctor` reports what is missing on this machine",
    )


def install_into_environment(path: Path, arguments: Sequence[str], *, label: str, log: Path) -> None:
    """Run `pip install` with `arguments` for a virtual environment; raise BuildError when pip fails."""
    run_pip("install", arguments, label=label, log=log, python=environment_python(path))
