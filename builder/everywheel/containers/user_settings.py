"""The user's own settings of cibuildwheel: `CIBW_…` variables, and variables that its configuration passes to containers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from everywheel.config.project import Project
from everywheel.config.toml_reader import Table, read_toml


def find_user_settings(project: Project, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment variables that can change what cibuildwheel builds; they are part of the keys of its wheels."""
    table = read_toml(project.extension / "pyproject.toml").table("tool", {}).table("cibuildwheel", {})
    passed = {name for text in _list_passed(table, environ) for name in text.split()}
    return {name: environ[name] for name in sorted(environ) if name.startswith("CIBW_") or name in passed}


def has_test_command(project: Project, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether cibuildwheel tests the project's wheels for Linux in the container."""
    table = read_toml(project.extension / "pyproject.toml").table("tool", {}).table("cibuildwheel", {})
    for name in ("CIBW_TEST_COMMAND_LINUX", "CIBW_TEST_COMMAND"):
        if name in environ:
            return bool(environ[name])
    parts = [part for part in (table.table("linux", {}), table) if part.has("test-command")]
    return bool(parts and parts[0].value("test-command"))


def _list_passed(table: Table, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the values of `environment-pass`, each with names of variables, wherever cibuildwheel reads them."""
    yield from (value for name, value in environ.items() if name.startswith("CIBW_ENVIRONMENT_PASS"))
    for part in (table, table.table("linux", {}), *table.tables("overrides")):
        value = part.value("environment-pass") if part.has("environment-pass") else ()
        yield from [value] if isinstance(value, str) else map(str, value if isinstance(value, list) else ())
