"""Running pip to download and to install packages; no other module does.

pip is that of the running Python and uses the settings of the user for index, proxy and certificates (`PIP_INDEX_URL`,
pip.conf). It installs packages into a virtual environment, or downloads and installs wheels for the platform tags and the
Python version of another machine. The latter are for containers, which have no network access.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from everywheel.errors import MachineError
from everywheel.execution.files import flush_file, translate_os_errors
from everywheel.execution.process import run_logged
from everywheel.platforms.tags import Floor, list_compatible_tags
from everywheel.platforms.target import Target
from everywheel.toolchains.pip_settings import PIP, isolated_environment, pip_environment

PIP_HINT = (
    "is the package index reachable? pip's index, proxy and certificate settings (PIP_INDEX_URL, pip.conf) are used"
)


def run_pip(
    command: str,
    arguments: Sequence[str],
    *,
    label: str,
    log: Path,
    python: Path | None = None,
    hint: str = PIP_HINT,
) -> str:
    """Run a command of pip, in the environment of `python` if it is not None, and return its output.

    `label` names the packages in errors: `build tools`. Raises BuildError when pip fails.
    """
    selection = [] if python is None else ["--python", str(python)]
    is_isolated = {"--no-index", "--no-deps"} <= set(
        arguments
    )  # a user's `find-links` may have what a package requires
    options = ["--quiet", "--disable-pip-version-check"]
    return run_logged(
        [*PIP, *selection, command, *options, *arguments],
        cwd=log.parent,
        env=isolated_environment() if is_isolated else pip_environment(command),
        log=log,
        label=f"{label}: pip {command}",
        hint=hint,
    )


def download_wheels(
    requirements: Sequence[str],
    folder: Path,
    *,
    platforms: Sequence[str],
    python: str,
    label: str,
    log: Path,
    dependencies: bool = True,
) -> None:
    """Download wheels for another machine into a folder, by default with all wheels that they require.

    Raises BuildError when pip fails.
    """
    options = ["--dest", str(folder), *([] if dependencies else ["--no-deps"])]
    run_pip("download", [*options, *_select_platform(platforms, python), *requirements], label=label, log=log)


def install_wheels(
    requirements: Sequence[str], folder: Path, *, platforms: Sequence[str], python: str, label: str, log: Path
) -> None:
    """Install wheels for another machine into a folder; `requirements` may begin with options of pip.

    Raises BuildError when pip fails.
    """
    options = ["--no-compile", "--target", str(folder)]
    run_pip("install", [*options, *_select_platform(platforms, python), *requirements], label=label, log=log)


def platform_tags(target: Target, libc_version: Sequence[int]) -> list[str]:
    """Return the platform tags that a system with this libc accepts, the newest first (PEP 600, PEP 656)."""
    floor = Floor(libc=target.libc, version=(libc_version[0], libc_version[1]))
    return list_compatible_tags(floor, target.arch.name)


def write_requirements(file: Path, text: str) -> Path:
    """Write a requirements or constraints file for pip in one step, and return its path.

    Raises MachineError when the file cannot be written, or does not have the text afterwards: pip accepts an empty file.
    """
    unfinished = file.with_name(f".{file.name}")
    with translate_os_errors(file):
        unfinished.write_text(text, encoding="utf-8")
        flush_file(unfinished)
        unfinished.replace(file)
    if file.read_text(encoding="utf-8") != text:
        raise MachineError(f"{file} was not written completely", hint="check the disk, then run the command again")
    return file


def _select_platform(platforms: Sequence[str], python: str) -> list[str]:
    tags = [option for tag in platforms for option in ("--platform", tag)]
    return ["--only-binary", ":all:", "--python-version", python, "--implementation", "cp", *tags]
