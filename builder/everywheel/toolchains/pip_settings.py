"""The environment of pip: the user's settings for index, proxy and certificates, and no others.

Settings such as `target`, `dry-run`, `no-deps` or `constraint` would change what is installed, or install nothing and report
success. So pip reads neither configuration files nor the `PIP_` variables of this process; the settings below are
read from both and passed on as variables, which unlike arguments are visible to no other user.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Mapping

from everywheel.errors import MachineError
from everywheel.execution.process import excerpt, run_command

PIP = (sys.executable, "-P", "-m", "pip")
"""The command pip; with -P, no module in the current directory replaces one of pip or of the standard library."""

_SETTINGS = frozenset(
    {
        # index
        "index-url",
        "extra-index-url",
        "no-index",
        "find-links",
        "trusted-host",
        "keyring-provider",
        # proxy and connection
        "proxy",
        "timeout",
        "default-timeout",
        "retries",
        "resume-retries",
        # certificates
        "cert",
        "client-cert",
        # where downloads are kept, which does not change what is installed
        "cache-dir",
        "no-cache-dir",
    }
)
# The features that select certificates; all other features may change what is installed.
_FEATURES = {"use-feature": "truststore", "use-deprecated": "legacy-certs"}

_VARIABLES = frozenset(
    {
        # proxy and certificates
        *("ALL_PROXY", "FTP_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"),
        *("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"),
        # credentials for an index: netrc and keyring
        *("DBUS_SESSION_BUS_ADDRESS", "NETRC", "PYTHON_KEYRING_BACKEND", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"),
        # the machine and the user
        *("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "TEMP", "TMP", "TMPDIR", "USER", "XDG_CACHE_HOME"),
        *("APPDATA", "COMSPEC", "LOCALAPPDATA", "PATHEXT", "PROGRAMDATA", "PROGRAMFILES", "SYSTEMDRIVE", "SYSTEMROOT"),
        *("PROCESSOR_ARCHITECTURE", "USERNAME", "USERPROFILE", "WINDIR"),
    }
)
# Credentials that keyring's backends for the package indexes of cloud services read.
_CREDENTIALS = ("ARTIFACTS_KEYRING_", "AWS_", "AZURE_", "CLOUDSDK_", "GOOGLE_", "VSS_NUGET_")
_DEFAULT_INDEX = re.compile(r"--index-url\b[^(]*\(default\s+(https?://[^\s)]+)\)")
_LINE = re.compile(r"([\w-]+|:env:)\.([\w-]+)=(.+)")


def filter_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables for pip and for the creation of virtual environments, without those of pip and Python."""
    return {
        name: value
        for name, value in environ.items()
        if name.upper() in _VARIABLES or name.upper().startswith(_CREDENTIALS)
    }


def pip_environment(command: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables for one command of pip: with the user's settings, and no configuration file.

    Raises MachineError when pip cannot read its configuration files.
    """
    settings = read_pip_settings(command, environ)
    variables = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in settings.items()}
    return {**isolated_environment(environ), **variables}


def isolated_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables for a command of pip that searches for no package: the user's settings take time to read."""
    return {**filter_environment(environ), "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INPUT": "1"}


def read_pip_settings(command: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the user's settings for a command of pip by their names in pip.conf: `index-url`.

    As for pip, a variable (`PIP_INDEX_URL`) has precedence over the files, and a command's section over `[global]`. Raises
    MachineError when pip cannot read its configuration files.
    """
    return _read_files(command, environ) | _read_variables(environ)


def list_indexes(command: str, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the URLs of the indexes that a command of pip uses; without a setting, the first is pip's own default.

    Raises MachineError when pip cannot read its configuration files, or when its help does not name the default.
    """
    settings = read_pip_settings(command, environ)
    index = settings.get("index-url") or _read_default_index(command, environ)
    return (index, *settings.get("extra-index-url", "").split())


def _read_default_index(command: str, environ: Mapping[str, str]) -> str:
    """Return the default of --index-url, which pip states only in its help."""
    result = run_command([*PIP, command, "--help"], env={**filter_environment(environ), "PIP_CONFIG_FILE": os.devnull})
    match = _DEFAULT_INDEX.search(result.output)
    if match is None:
        raise MachineError("pip does not name its package index", hint="set PIP_INDEX_URL to the URL of an index")
    return match[1]


def _read_files(command: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings in pip's configuration files; those of a command take precedence over global ones."""
    environment = filter_environment(environ)
    kept = ("PIP_CONFIG_FILE", "VIRTUAL_ENV", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS")
    environment |= {name: environ[name] for name in kept if name in environ}
    # -vvv: the files themselves may contain `quiet`.
    result = run_command([*PIP, "config", "list", "-vvv"], env=environment)
    if result.exit_code != 0:
        raise MachineError(
            "pip cannot read its configuration",
            excerpt=excerpt(result.output + result.errors),
            hint="`pip config debug` lists the files that it reads",
        )
    sections: dict[str, dict[str, str]] = {"global": {}, command: {}}
    for line in result.output.splitlines():
        match = _LINE.fullmatch(line)
        if match is not None and match[1] in sections:
            sections[match[1]][match[2]] = str(ast.literal_eval(match[3]))
    return _select(sections["global"]) | _select(sections[command])


def _read_variables(environ: Mapping[str, str]) -> dict[str, str]:
    prefix = "PIP_"
    return _select(
        {
            name.removeprefix(prefix).lower().replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith(prefix)
        }
    )


def _select(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that pip may have; like pip, ignore empty ones."""
    features = {name: value for name, value in _FEATURES.items() if value in settings.get(name, "").split()}
    return {name: value for name, value in settings.items() if name in _SETTINGS and value.strip()} | features
