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


def ensure_environment(
    path: Path, arguments: Sequence[str], *, label: str, log: Path, constraints: str = "", offline: bool = False
) -> Path:
    """Return the virtual environment at `path`; if it is incomplete, create it and run `pip install` with `arguments`.

    `constraints` is the text of a constraints file of pip. Raises MachineError when the environment is not complete and
    `offline` forbids the download, BuildError when pip fails.
    """

    def fill(path: Path) -> None:
        log.unlink(missing_ok=True)
        create_environment(path, label=label, log=log)
        options = []
        if constraints:
            file = path / "constraints.txt"
            file.write_text(constraints)
            options = ["-c", str(file)]
        install_into_environment(path, [*options, *arguments], label=label, log=log)

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
