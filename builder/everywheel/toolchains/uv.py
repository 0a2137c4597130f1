"""uv: its command, and the settings of pip for the index, proxy and certificates as its options and variables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from everywheel.execution.process import run_logged
from everywheel.toolchains.pip_settings import filter_environment, read_pip_settings

UV = (sys.executable, "-P", "-m", "uv")
"""The command uv; no configuration file and no cache of the user's may change what it does."""
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def list_index_options(settings: Mapping[str, str]) -> list[str]:
    """Return uv's options for the settings of pip; as with pip, the best version of all indexes is chosen."""
    options = ["--index-strategy", "unsafe-best-match"]
    for name, option in (
        ("index-url", "--default-index"),
        ("extra-index-url", "--index"),
        ("find-links", "--find-links"),
        ("trusted-host", "--allow-insecure-host"),
    ):
        options += [arg for value in settings.get(name, "").split() for arg in (option, value)]
    return [*options, "--no-index"] if settings.get("no-index", "").lower() in ("1", "true", "yes", "on") else options


def index_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for the certificates and the proxy of pip's settings."""
    certificates = {"SSL_CERT_FILE": settings["cert"]} if settings.get("cert") else {}
    return {**certificates, **(dict.fromkeys(_PROXIES, settings["proxy"]) if settings.get("proxy") else {})}


def run_uv_pip(command: str, arguments: Sequence[str], *, label: str, log: Path, python: Path, hint: str) -> str:
    """Run a command of `uv pip` for the environment of `python`, and return its output; raise BuildError when it fails.

    uv needs nothing of that Python, while pip would run with it: it may have no OpenSSL, or be too old for pip.
    """
    settings = read_pip_settings(command)
    options = ["--python", str(python), "--no-config", "--no-cache", "--compile-bytecode", "--color", "never"]
    return run_logged(
        [*UV, "pip", command, *options, *list_index_options(settings), *arguments],
        cwd=log.parent,
        env={**filter_environment(), **index_variables(settings)},
        log=log,
        label=f"{label}: uv pip {command}",
        hint=hint,
    )
