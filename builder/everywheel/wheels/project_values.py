"""The environment variables and config settings of a project, for one call of its build backend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from everywheel.config.project import Project
from everywheel.config.target_settings import ADDED_FLAGS, fill_placeholders


def add_environment(variables: Mapping[str, str], project: Project, *, prefix: Path, source: Path) -> dict[str, str]:
    """Return environment variables with those of the project, whose flags are added to the flags of the target."""
    values = {name: _fill(value, prefix, source) for name, value in project.environment.items()}
    added = {
        name: f"{variables[name]} {value}" for name, value in values.items() if name in ADDED_FLAGS & set(variables)
    }
    return {**variables, **values, **added}


def list_config_settings(project: Project, *, prefix: Path, source: Path) -> dict[str, str | list[str]]:
    """Return the config settings of the project: a text for a single value, a list for several."""
    filled = {name: [_fill(value, prefix, source) for value in values] for name, values in project.settings.items()}
    return {name: values[0] if len(values) == 1 else values for name, values in filled.items()}


def _fill(value: str, prefix: Path, source: Path) -> str:
    return fill_placeholders(value, prefix=str(prefix), project=str(source))
