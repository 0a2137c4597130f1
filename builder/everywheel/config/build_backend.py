"""Build backends: the [build-system] table of a pyproject.toml (PEP 517, PEP 518)."""

from __future__ import annotations

from dataclasses import dataclass

from everywheel.config.toml_reader import Table

# PEP 517: the meaning of a pyproject.toml without a [build-system] table.
_LEGACY_REQUIRES = ("setuptools>=40.8.0",)
_LEGACY_BACKEND = "setuptools.build_meta:__legacy__"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildBackend:
    """The static requirements of a build, the backend as `module:object`, and its directories in the project."""

    requires: tuple[str, ...] = _LEGACY_REQUIRES
    name: str = _LEGACY_BACKEND
    path: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The backend without its object: `setuptools.build_meta`."""
        return self.name.partition(":")[0]


def read_build_backend(pyproject: Table) -> BuildBackend:
    """Return the backend that a pyproject.toml names, or setuptools'; raise UsageError for a wrong [build-system] table."""
    table = pyproject.table("build-system", {})
    return BuildBackend(
        requires=table.texts("requires", list(_LEGACY_REQUIRES)),
        name=table.text("build-backend", _LEGACY_BACKEND),
        path=table.texts("backend-path"),
    )
