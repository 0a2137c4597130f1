"""Programs of Python packages, such as auditwheel: their command and their environment, without settings of the user."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Mapping
from importlib.metadata import distribution, distributions
from pathlib import Path

# `PYTHONPATH` replaces modules of a program, and variables such as `PYTHONWARNINGS` change what it prints or does.
_DROPPED = ("__PYVENV_LAUNCHER__", "PYTHON")


def python_program(module: str) -> list[str | Path]:
    """Return the command of a module; with -P, no file in the current directory replaces one of its modules."""
    return [sys.executable, "-P", "-m", module]


def drop_python_settings(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return an environment without the variables that Python reads."""
    return {name: value for name, value in environ.items() if not name.upper().startswith(_DROPPED)}


def program_environment(package: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for a module of an installed package, without the user's settings for Python.

    In a build container, packages are in a mounted directory, which only PYTHONPATH names: it is kept for these.
    """
    own = [*site.getsitepackages(), site.getusersitepackages()]
    variables = drop_python_settings(environ)
    if not any(True for _ in distributions(name=package, path=own)):
        variables["PYTHONPATH"] = str(distribution(package).locate_file(""))
    return variables
