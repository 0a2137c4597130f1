"""The file names of a project's wheels and of its source distribution (PEP 427, PEP 625)."""

from __future__ import annotations

from packaging.utils import canonicalize_name

from everywheel.config.project import Project
from everywheel.config.python_spec import PythonSpec
from everywheel.platforms.target import Target


def wheel_name(project: Project, target: Target, python: PythonSpec) -> str:
    """Return the file name of the project's finished wheel for a target and a Python (PEP 427)."""
    return f"{_stem(project)}-{python.tag}-{python.abi}-{target.wheel_tag}.whl"


def wheel_names(project: Project, target: Target) -> tuple[str, ...]:
    """Return the file names of all wheels that a release contains for a target."""
    return tuple(wheel_name(project, target, python) for python in project.choose_pythons(target))


def sdist_name(project: Project) -> str:
    """Return the file name of the project's source distribution (PEP 625)."""
    return f"{_stem(project)}.tar.gz"


def _stem(project: Project) -> str:
    return f"{canonicalize_name(project.name).replace('-', '_')}-{project.version}"
