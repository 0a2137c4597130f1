"""Wheels for Windows run under Wine: a CPython for Windows loads the wheel's own DLLs, but the system is not Windows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.config.project import Project
from everywheel.errors import BuildError, MachineError, count_noun
from everywheel.execution.files import remove_path
from everywheel.execution.process import run_command, run_logged
from everywheel.libraries.context import project_logs
from everywheel.platforms.target import Target, parse_target
from everywheel.smoke.dependencies import list_requirements, make_marker_environment, translate_pip_errors
from everywheel.smoke.explain import first_error, quote_failure
from everywheel.smoke.imports import INSIDE, describe_failed_imports, list_imported, list_missing
from everywheel.smoke.inside.protocol import read_imports
from everywheel.smoke.modules import list_modules
from everywheel.smoke.result import SmokeResult, SmokeState
from everywheel.smoke.windows_python import choose_windows_python
from everywheel.store.local import Store
from everywheel.toolchains.pip import install_wheels

_UNIMPLEMENTED = re.compile(
    r"wine: Call from \w+ to unimplemented function (?P<library>[\w.-]+)\.(?P<function>\w+), aborting"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WineContext:
    """Settings that all wheels for macOS and Windows share; `timeout` in seconds, for Wine's start and the smoke command."""

    project: Project
    store: Store
    timeout: int = 900
    offline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """A prefix of Wine with a CPython in `folder`; commands must end before `deadline`, in seconds of the monotonic clock."""

    wine: str
    folder: Path
    environment: Mapping[str, str]
    log: Path
    deadline: float

    def run(self, arguments: Sequence[str | Path], cwd: Path, label: str) -> str:
        """Run a command under Wine, `python` being the CPython, and return its output; raise BuildError when it fails."""
        python = self.folder / "python" / "python.exe"
        program = python if arguments[0] == "python" else arguments[0]
        command = collect_output([self.wine, program, *arguments[1:]], _find_server())
        remaining = max(1, int(self.deadline - time.monotonic()))
        return run_logged(
            _add_timeout(command, remaining),
            cwd=cwd,
            env=self.environment,
            log=self.log,
            label=label,
            quote=quote_failure,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """A folder of packages for a target and a version of Python; pip unpacks wheels into it without running their files."""

    target: Target
    version: str
    folder: Path
    log: Path

    def install(self, requirements: Sequence[str]) -> None:
        """Install requirements or wheels; raise BuildError when one is not available."""
        tags = [self.target.wheel_tag]
        install_wheels(
            requirements, self.folder, platforms=tags, python=self.version, label="wheels for Windows", log=self.log
        )


def run_under_wine(initial: SmokeResult, wheel: Path, wine: str, context: WineContext) -> SmokeResult:
    """Import a wheel's modules in a CPython for Windows, run the smoke command, and return the completed result.

    PATH contains no folder of the wheel: its DLLs must be located by the code that repair added. Raises MachineError if
    Wine itself does not start, and BuildError if the requirements of wheel or smoke command are unavailable: neither is a
    failure of the wheel.
    """
    store, target = context.store, parse_target(initial.target)
    log = project_logs(store, context.project) / f"wine-{wheel.stem}.log"
    remove_path(log)
    python = choose_windows_python(wheel.name)
    installed = python.ensure_installed(store, log, offline=context.offline)
    with TemporaryDirectory(dir=store.root / "tmp") as name:
        folder = Path(name)
        shutil.copytree(installed, folder / "python")
        shutil.copytree(INSIDE, folder / "inside")
        site = _Site(target=target, version=python.version, folder=folder / "site", log=log)
        _install_requirements(wheel, site, context)
        try:
            site.install(["--no-deps", "--no-index", str(shutil.copyfile(wheel, folder / wheel.name))])
        except BuildError as error:
            return _fail(initial, f"pip rejects the wheel for Windows: {_first_error(error)}", error)
        python.set_search_path(folder / "python", (r"..\site", r"..\inside\site"))
        environment = _make_environment(folder)
        began = time.monotonic()
        deadline = began + context.timeout
        session = _Session(wine=wine, folder=folder, environment=environment, log=log, deadline=deadline)
        try:
            _create_prefix(wine, folder, environment, log, context.timeout)
            started = time.monotonic()
            begun = replace(initial, python=python.release)
            result = _run_stages(begun, list_modules(wheel, context.project.smoke), session, context)
            ended = time.monotonic()
            return replace(result, seconds=round(ended - began, 2), test_seconds=round(ended - started, 2))
        finally:
            _stop_wine(environment)


def _run_stages(initial: SmokeResult, modules: Sequence[str], session: _Session, context: WineContext) -> SmokeResult:
    """Import the modules in a folder without other files, then run the smoke command in the project's root."""
    result = initial
    output, failure = "", None
    if modules:
        program = ["python", r"..\inside\import_modules.py", r"..\imports.json", *modules]
        empty = session.folder / "empty"
        empty.mkdir()
        try:
            output = session.run(program, empty, initial.wheel)
        except BuildError as error:
            failure = error
        results = read_imports(session.folder / "imports.json")
        result = replace(result, imported=list_imported(results), not_imported=list_missing(results))
        if failure is not None:
            _check_functions(session)
            cause = _describe_timeout(session, context) or describe_failed_imports(
                results, lambda text: first_error(text) or _first_error(failure)
            )
            return _fail(result, f"under Wine, {cause}", failure)
    message = f"{count_noun(len(result.imported), 'module was', 'modules were')} imported under Wine"
    if context.project.smoke.command:
        try:
            output = session.run(context.project.smoke.command, context.project.root, initial.wheel)
        except BuildError as error:
            _check_functions(session)
            cause = _describe_timeout(session, context) or _first_error(error)
            return _fail(result, f"the smoke command failed under Wine: {cause}", error)
        message = "the smoke command passed under Wine"
    evidence = tuple(output.strip().splitlines()[-1:])
    return replace(result, state=SmokeState.UNDER_WINE, message=message, evidence=evidence)


def _check_functions(session: _Session) -> None:
    """Raise MachineError if a command ended because Wine has only the name of a function: the wheel is not at fault."""
    missing = _UNIMPLEMENTED.search(session.log.read_text(encoding="utf-8", errors="replace"))
    if missing is not None:
        raise MachineError(
            f"Wine has no implementation of {missing['function']} of {missing['library']}: the test did not end",
            details={"called by": "a file of the wheel or of its requirements"},
            excerpt=(missing[0],),
            log=session.log,
            hint="a newer Wine may have it; `smoke.requires` may name an older version of the requirement that calls it",
        )


def _describe_timeout(session: _Session, context: WineContext) -> str:
    is_late = time.monotonic() >= session.deadline
    return f"the command did not end within {context.timeout} s (`--timeout`)" if is_late else ""


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


def _install_requirements(wheel: Path, site: _Site, context: WineContext) -> None:
    """Install the requirements of the wheel and of the smoke command; raise BuildError when they are not available.

    They are installed together, so that the smoke command can restrict the version of a package that the wheel requires.
    """
    required = list_requirements(wheel, make_marker_environment(site.target, site.version))
    options = ["--no-index"] if context.offline else []
    if context.project.smoke.requires:
        # pip evaluates markers for the build machine, where pytest does not require colorama:
        # https://github.com/pypa/pip/issues/11664
        required += [*context.project.smoke.requires, "colorama"]
    if required:
        with translate_pip_errors(wheel, f"Python {site.version} on {site.target.tag}"):
            site.install([*options, *required])


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
        "EVERYWHEEL_SITE": "Z:" + str(folder / "site").replace("/", "\\"),
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
