"""The project whose settings a smoke test uses: that of a folder, or a temporary one for wheels without a project."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from everywheel.cli.project_source import open_empty_project
from everywheel.config.project import Project
from everywheel.config.settings_file import has_project
from everywheel.recognition.project_loader import load_project


@contextlib.contextmanager
def open_smoke_project(root: Path, config: Path | None) -> Iterator[Project]:
    """Yield the project in a folder, with the settings of the file `config` if there is one.

    If the current directory has no project, the wheels are tested without one: their modules are imported, and the smoke
    command of `config`, if there is one, runs in that file's directory. Raises UsageError for invalid settings.
    """
    if root != Path() or has_project(root):
        yield load_project(root, config=config)
        return
    with open_empty_project() as empty:
        project = load_project(empty, config=config)
        yield project if config is None else dataclasses.replace(project, root=project.settings_folder)
