"""Running pip; no other module does.

pip is that of the running Python and uses the settings of the user (`PIP_INDEX_URL`, pip.conf). It installs packages into a
virtual environment, or downloads and installs wheels for the platform tags and the Python version of another machine. The
latter are for containers, which have no network access.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from everywheel.execution.process import run_logged
from everywheel.platforms.tags import Floor, list_compatible_tags
from everywheel.platforms.target import Target

INDEX_SETTINGS = ("index-url", "extra-index-url", "no-index", "find-links", "trusted-host", "cert", "proxy")
"""pip's settings for indexes, proxies and certificates, by their names in pip.conf."""
_HINT = "is the package index reachable? pip's own settings (PIP_INDEX_URL, pip.conf) are used"


def run_pip(
    command: str,
    arguments: Sequence[str],
    *,
    label: str,
    log: Path,
    python: Path | None = None,
    hint: str = _HINT,
) -> str:
    """Run a command of pip, in the environment of `python` if it is not None, and return its output.

    `label` names the packages in errors: `build tools`. Raises BuildError when pip fails.
    """
    selection = [] if python is None else ["--python", str(python)]
    options = ["--quiet", "--disable-pip-version-check"]
    return run_logged(
        [sys.executable, "-m", "pip", *selection, command, *options, *arguments],
        cwd=log.parent,
        env=python_environment(),
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


def list_index_settings(log: Path) -> dict[str, str]:
    """Return pip's own settings for indexes, proxies and certificates by their names in pip.conf: `index-url`.

    As for pip, a variable (`PIP_INDEX_URL`) has precedence over the files, and a command's section over `[global]`.
    """
    output = run_pip("config", ["list"], label="settings", log=log)
    settings = {}
    for section in ("global.", "download.", "install.", ":env:."):
        for line in output.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(section) and key.removeprefix(section) in INDEX_SETTINGS:
                settings[key.removeprefix(section)] = str(ast.literal_eval(value))
    return settings


def python_environment() -> dict[str, str]:
    """Return the variables of this process without PYTHONPATH, which would apply to the Python of the environment too."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _select_platform(platforms: Sequence[str], python: str) -> list[str]:
    tags = [option for tag in platforms for option in ("--platform", tag)]
    return ["--only-binary", ":all:", "--python-version", python, "--implementation", "cp", *tags]
