"""Build backends: the [build-system] table of a pyproject.toml (PEP 517, PEP 518)."""

from __future__ import annotations

from dataclasses import dataclass

from everywheel.config.toml_reader import Table

# The defaults for a pyproject.toml without a [build-system] table (PEP 517).
_LEGACY_REQUIRES = ("setuptools>=40.8.0",)
_LEGACY_BACKEND = "setuptools.build_meta:__legacy__"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildBackend:
    """The build backend of a project.

    `requires` are its static requirements, `name` is the backend as `module:object`, and `path` are the directories of a
    backend in the project itself (`backend-path`).
    """

    requires: tuple[str, ...] = _LEGACY_REQUIRES
    name: str = _LEGACY_BACKEND
    path: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The module of the backend, such as `setuptools.build_meta`."""
        return self.name.partition(":")[0]


def read_build_backend(pyproject: Table) -> BuildBackend:
    """Return the build backend that a pyproject.toml names, by default setuptools.

    Raises UsageError for an invalid [build-system] table.
    """
    table = pyproject.table("build-system", {})
    return BuildBackend(
        requires=table.texts("requires", list(_LEGACY_REQUIRES)),
        name=table.text("build-backend", _LEGACY_BACKEND),
        path=table.texts("backend-path"),
    )
