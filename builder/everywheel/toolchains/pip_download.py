"""pip, asked for another machine's wheels: what lies in a container comes from outside, since it has no network."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from everywheel.execution.process import run_logged
from everywheel.platforms.tags import Floor, list_compatible_tags
from everywheel.platforms.target import Target


def platform_tags(target: Target, libc_version: Sequence[int]) -> list[str]:
    """Return the platform tags that a system with this libc takes, the newest first (PEP 600, PEP 656)."""
    floor = Floor(libc=target.libc, version=(libc_version[0], libc_version[1]))
    return list_compatible_tags(floor, target.arch.name)


def download_wheels(
    requirements: Sequence[str], folder: Path, *, platforms: Sequence[str], python: str, log: Path, alone: bool = False
) -> None:
    """Download wheels for another machine, with what they require unless `alone`."""
    alone_words = ["--no-deps"] if alone else []
    _pip(["download", *alone_words, "--dest", str(folder)], requirements, platforms, python, log)


def install_wheels(
    requirements: Sequence[str], folder: Path, *, platforms: Sequence[str], python: str, log: Path
) -> None:
    """Install wheels for another machine into a folder."""
    _pip(["install", "--no-compile", "--target", str(folder)], requirements, platforms, python, log)


def _pip(words: Sequence[str], requirements: Sequence[str], platforms: Sequence[str], python: str, log: Path) -> None:
    tags = [word for tag in platforms for word in ("--platform", tag)]
    log.unlink(missing_ok=True)
    run_logged(
        [
            sys.executable,
            "-m",
            "pip",
            *words,
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary",
            ":all:",
            "--python-version",
            python,
            *tags,
            *requirements,
        ],
        cwd=log.parent,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        log=log,
        what="fetching from the package index",
        hint="is the package index reachable? pip's own settings (PIP_INDEX_URL, pip.conf) are used",
    )
