"""A project with the Pythons that its build files state: one wheel of the stable ABI if its modules use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from everywheel.config import project as settings
from everywheel.config.project import Project
from everywheel.config.python_spec import load_pythons, oldest_python
from everywheel.config.recipe import Linkage
from everywheel.config.settings_file import find_settings
from everywheel.recognition.project import choose_stable_tag, recognize_project


def load_project(
    root: Path,
    profiles: Sequence[str] = (),
    linkage: Linkage = Linkage.SHARED,
    *,
    config: Path | None = None,
    options: Mapping[str, Any] | None = None,
    wheelhouse: Path | None = None,
) -> Project:
    """Load the project in a folder, as `config.project.load_project` does.

    If neither its settings nor `options` name Pythons, and its build files state that its wheels use the stable ABI, it has
    one wheel for all CPythons, as `everywheel init` proposes. Raises UsageError for an error in the project or in a recipe.
    """
    options = options or {}
    project = settings.load_project(root, profiles, linkage, config=config, options=options, wheelhouse=wheelhouse)
    table = find_settings(project.root, config, options).table
    if table.has("python"):
        return project
    recognized = recognize_project(project.extension)
    if recognized.stable_abi is None:
        return project
    tag = choose_stable_tag(recognized.stable_abi, oldest_python(recognized.requires_python))
    return replace(project, pythons=load_pythons(table, project.recipes, (tag,)))
