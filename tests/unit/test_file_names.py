"""File names of wheels and sdists: every spelling of a version has one name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from everywheel.config.file_names import sdist_name, wheel_names
from everywheel.config.project import Project, load_project
from everywheel.errors import ReleaseError
from everywheel.release.matrix import list_released
from everywheel.release.version import check_tag

BASE = Path(__file__).parents[1] / "failing" / "base"


def load_version(folder: Path, version: str) -> Project:
    shutil.copytree(BASE, folder)
    pyproject = folder / "ext" / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace('version = "1.0"', f'version = "{version}"'))
    return load_project(folder)


@pytest.mark.parametrize(
    ("written", "normal"), [("1.0.0-rc1", "1.0.0rc1"), ("1.0-1", "1.0.post1"), ("v1.0", "1.0"), ("1.0", "1.0")]
)
def test_versions_are_normalized_in_every_file_name(tmp_path: Path, written: str, normal: str) -> None:
    project = load_version(tmp_path / "project", written)

    (target,) = project.targets
    wheel, sdist = f"fixture-{normal}-cp311-abi3-manylinux2014_x86_64.whl", f"fixture-{normal}.tar.gz"
    assert wheel_names(project, target) == (wheel,)
    assert sdist_name(project) == sdist
    assert list_released(project) == (wheel, sdist)
    check_tag(f"v{normal}", project)
    check_tag(f"v{written}", project)
    with pytest.raises(ReleaseError):
        check_tag("v9.9", project)
