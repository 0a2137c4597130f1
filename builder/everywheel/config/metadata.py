"""Name and version of an extension, as far as its files state them: `[project]` (PEP 621), PKG-INFO of an sdist (PEP 643)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from packaging.metadata import parse_email
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from everywheel.config.build_backend import BuildBackend, read_build_backend
from everywheel.config.toml_reader import Table, read_toml
from everywheel.errors import UsageError
from everywheel.execution.input_files import UnusableFile, read_file

_LARGEST_FILE = 1 << 22  # bytes; PKG-INFO contains the readme
UNKNOWN_VERSION = "unknown"
"""The version in plans of a project whose version only the build backend knows, before the first build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionMetadata:
    """The name, the normalized version (PEP 440) and the backend of an extension.

    Without `is_known`, the backend determines name and version: the name is then that of the folder, unless `[project]` has
    one, and the version UNKNOWN_VERSION. `is_sdist` means that the files are those of a source distribution.
    """

    name: str
    version: str
    backend: BuildBackend
    requires_python: str
    is_known: bool
    is_sdist: bool


def read_extension_metadata(extension: Path) -> ExtensionMetadata:
    """Return what the files of an extension state; raise UsageError for an invalid name, version or `[build-system]`."""
    path = extension / "pyproject.toml"
    if path.exists():
        pyproject = read_toml(path)
    elif (extension / "setup.py").exists() or (extension / "setup.cfg").exists():
        pyproject = Table({}, path)
    else:
        raise UsageError(
            f"{extension}: it has neither a pyproject.toml nor a setup.py",
            hint="`extension` of [tool.everywheel] names the folder with the extension's pyproject.toml",
        )
    backend, project = read_build_backend(pyproject), pyproject.table("project", {})
    info = _read_pkg_info(extension)
    name, version, requires_python = info or ("", "", "")
    name = project.text("name") if pyproject.has("project") else name
    version = project.text("version", version)
    stated = bool(name and version)
    name, version = _check(project, name or canonicalize_name(extension.absolute().name) or "extension", version)
    return ExtensionMetadata(
        name=name,
        version=version or UNKNOWN_VERSION,
        backend=backend,
        requires_python=project.text("requires-python", requires_python),
        is_known=stated,
        is_sdist=info is not None,
    )


def _read_pkg_info(extension: Path) -> tuple[str, str, str] | None:
    """Return name, version and supported Pythons in the PKG-INFO of an sdist; None for files of any other kind."""
    try:
        metadata, _ = parse_email(read_file(extension / "PKG-INFO", _LARGEST_FILE))
    except FileNotFoundError:
        return None
    except UnusableFile as error:
        raise UsageError(str(error), hint="each sdist has this file (PEP 643): unpack the sdist again") from None
    name, version = metadata.get("name", ""), metadata.get("version", "")
    return (name, version, metadata.get("requires_python", "")) if name and version else None


def _check(project: Table, name: str, version: str) -> tuple[str, str]:
    """Return name and normalized version."""
    try:
        canonicalize_name(name, validate=True)
        return name, str(Version(version)) if version else ""
    except InvalidName:
        key, value, rule = "name", name, "a project name: letters, digits and `.`, `_`, `-` (PEP 508)"
    except InvalidVersion:
        key, value, rule = "version", version, "a version such as 1.2.3 (PEP 440)"
    raise UsageError(
        f"{project.location}: '{key}' must be {rule}", details={"value": repr(value)}, hint="wheels are named after it"
    )
