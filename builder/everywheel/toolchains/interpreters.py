"""CPythons that run a build backend: the one of this program, those on PATH, and those of uv, which may download one.

A backend runs with the Python of this program unless the project requires another version (`backend-python`). Programs
named `python3.12` are run before they are used: scripts of version managers fail for a version that is not selected.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from everywheel.errors import MachineError
from everywheel.execution.process import CommandResult, run_command
from everywheel.toolchains.pip_settings import filter_environment, read_pip_settings
from everywheel.toolchains.uv import UV, index_variables

_QUERY = """
import json, sys, sysconfig
facts = {
    "implementation": sys.implementation.name,
    "version": "%d.%d" % sys.version_info[:2] + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""),
    "build": sys.version,
    "prefix": sys.base_prefix,
}
print(json.dumps(facts))
"""
# Where uv keeps Pythons and from where it downloads them; all other settings of uv are ignored.
_UV_VARIABLES = ("UV_PYTHON_INSTALL_DIR", "UV_PYTHON_INSTALL_MIRROR", "UV_PYTHON_DOWNLOADS", "XDG_DATA_HOME")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A CPython of this machine: its program, its version such as `3.14t`, and what else identifies it."""

    program: Path
    version: str
    build: str
    prefix: str


def query_interpreter(program: Path) -> Interpreter | None:
    """Return what a program answers about itself, or None for one that fails or is not a CPython."""
    try:
        result = run_command([str(program), "-I", "-c", _QUERY], env=filter_environment())
        facts = json.loads(result.output)
        if facts["implementation"] != "cpython":
            return None
        return Interpreter(program=program, version=facts["version"], build=facts["build"], prefix=facts["prefix"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def identify_interpreter(version: str, program: Path) -> Interpreter:
    """Return a CPython that was found before; raise MachineError if its program does not run or has another version."""
    interpreter = query_interpreter(program)
    if interpreter is None or interpreter.version != version:
        raise MachineError(
            f"{program} is not a CPython {version}", hint="was it removed or replaced while the build ran?"
        )
    return interpreter


def find_interpreter(version: str) -> Path | None:
    """Return the program of a CPython of this machine with a version such as `3.12` or `3.14t`, or None."""
    for program in _list_programs(version):
        interpreter = query_interpreter(program)
        if interpreter is not None and interpreter.version == version:
            return program
    return None


def ensure_interpreter(version: str, *, label: str, offline: bool = False) -> Path:
    """Return the program of a CPython of this machine, or of one that uv downloads.

    `label` names the project in errors. Raises MachineError when there is none and uv fails, or when `offline` forbids it.
    """
    program = find_interpreter(version)
    reason = "--offline forbids the download"
    if program is None and not offline:
        result = _run_uv("install", "--quiet", "--no-bin", _name_request(version).removesuffix("+gil"))
        reason = (result.errors.strip() or "no Python was installed").splitlines()[0]
        program = find_interpreter(version)
    if program is None:
        raise MachineError(
            f"{label}: `backend-python` requires CPython {version}, which this machine does not have",
            details={"searched": f"python{version} on PATH, and the Pythons of uv", "uv": reason},
            hint=f"install it so that `python{version}` is on PATH",
        )
    return program


def _list_programs(version: str) -> Iterator[Path]:
    """Yield programs that may be a CPython of the version, the preferred ones first."""
    yield Path(sys.executable)
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if program := shutil.which(f"python{version}", path=folder or os.curdir):
            yield Path(program).absolute()
    # uv fails if a program on PATH does.
    own = ("--python-preference", "only-managed", "--no-python-downloads", "--no-project")
    result = _run_uv("find", *own, _name_request(version))
    if result.exit_code == 0:
        yield Path(result.output.strip())


def _name_request(version: str) -> str:
    # Without "+gil", uv also returns a build without the GIL; its downloads do not have that name.
    return f"cpython-{version.removesuffix('t')}{'+freethreaded' if version.endswith('t') else '+gil'}"


def _run_uv(*args: str) -> CommandResult:
    variables = {name: os.environ[name] for name in _UV_VARIABLES if name in os.environ}
    environment = {**filter_environment(), **index_variables(read_pip_settings("download")), **variables}
    return run_command([*UV, "python", *args, "--no-config", "--color", "never"], env=environment)
