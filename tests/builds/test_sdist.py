"""Source distributions, which a real backend builds: contents and reproducible bytes."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

from everywheel.wheels.sdist import pack_sdist
from fixture_project import FixtureProject

NAME = "fixture-1.0.tar.gz"


def test_the_sdist_has_every_source_file_and_the_same_bytes_in_any_directory_and_builds_a_wheel(
    project_copy: FixtureProject, built_project: FixtureProject, tmp_path: Path
) -> None:
    """The version in the name of the file is the normalized one."""
    other = FixtureProject(tmp_path / "other", project_copy.python_headers)
    other.copy_results(built_project)
    digests = set()
    for project in (project_copy, other):
        project.replace("extension/pyproject.toml", 'version = "1.0"', 'version = "1.0.0-rc1"')
        (project.root / "extension" / "meson.build").touch()
        project.run("sdist")
        digests.add(hashlib.sha256((project.root / "wheelhouse" / "fixture-1.0.0rc1.tar.gz").read_bytes()).hexdigest())
    with tarfile.open(project_copy.root / "wheelhouse" / "fixture-1.0.0rc1.tar.gz") as archive:
        archive.extractall(project_copy.folder / "unpacked", filter="data")
    unpacked = project_copy.folder / "unpacked" / "fixture-1.0.0rc1"
    project_copy.replace("pyproject.toml", 'extension = "extension"', f'extension = "{unpacked}"')

    project_copy.build("-t", "manylinux2014_x86_64")

    assert len(digests) == 1
    original = {
        path.relative_to(project_copy.root / "extension") for path in (project_copy.root / "extension").rglob("*")
    }
    assert {path.relative_to(unpacked) for path in unpacked.rglob("*")} == original | {Path("PKG-INFO")}
    (wheel,) = (project_copy.root / "wheelhouse").glob("fixture-1.0.0rc1-*x86_64.whl")
    assert "fixture.abi3.so" in zipfile.ZipFile(wheel).namelist()


def test_targets_all_builds_released_and_additional_targets_and_the_sdist(project_copy: FixtureProject) -> None:
    """The additional target has another glibc and another architecture."""
    project_copy.replace("pyproject.toml", "targets = [", 'more-targets = ["manylinux_2_28_aarch64"]\ntargets = [')

    others = {
        project_copy.find_wheel(tag).name
        for tag in ("macosx_11_0_arm64", "macosx_10_15_x86_64", "win_amd64", "win_arm64")
    }

    project_copy.run("build", "--targets", "all")

    names = {path.name for path in (project_copy.root / "wheelhouse").iterdir()}
    assert names - others == {
        "fixture-1.0-cp311-abi3-manylinux2014_x86_64.whl",
        "fixture-1.0-cp311-abi3-manylinux_2_28_aarch64.whl",
        "fixture-1.0-cp311-abi3-musllinux_1_2_aarch64.whl",
        NAME,
    }


OTHER_VERSION = """
import mesonpy
from mesonpy import *
from pathlib import Path

def build_sdist(folder, settings=None):
    built = Path(folder) / mesonpy.build_sdist(folder, settings)
    return built.rename(built.with_name(built.name.replace("1.0", "1.1"))).name
"""


def test_an_sdist_has_the_dynamic_version_of_the_backend(project_copy: FixtureProject) -> None:
    project_copy.replace("extension/pyproject.toml", 'version = "1.0"', 'dynamic = ["version"]')

    assert project_copy.run("sdist")[0].startswith("built: wheelhouse/fixture-1.0.tar.gz (")


def test_an_sdist_with_an_unexpected_file_name_is_an_error(project_copy: FixtureProject) -> None:
    (project_copy.root / "extension" / "other_version.py").write_text(OTHER_VERSION)
    backend = 'build-backend = "other_version"\nbackend-path = ["."]'
    project_copy.replace("extension/pyproject.toml", 'build-backend = "mesonpy"', backend)

    _, errors = project_copy.run("sdist", exit_code=1)

    assert errors.splitlines()[-2:] == [
        "error: the backend built fixture-1.1.tar.gz, but the release has fixture-1.0.tar.gz",
        "  hint: name and version in the extension's pyproject.toml must be those that its backend uses",
    ]


def make_archive(folder: Path, *, order: int, mode: int, owner: int) -> Path:
    """Pack two files, in this order or (-1) the reverse."""
    folder.mkdir()
    with tarfile.open(folder / "x.tar.gz", "w:gz") as archive:
        for name in ("x-1/a", "x-1/b")[::order]:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uid, info.uname, info.mode = len(name), 10 * owner, owner, f"user{owner}", mode
            archive.addfile(info, io.BytesIO(name.encode()))
    return folder / "x.tar.gz"


def test_order_owner_and_time_do_not_change_the_bytes(tmp_path: Path) -> None:
    first = make_archive(tmp_path / "first", order=1, mode=0o644, owner=1)
    other = make_archive(tmp_path / "other", order=-1, mode=0o600, owner=2)
    program = make_archive(tmp_path / "program", order=1, mode=0o755, owner=1)

    assert pack_sdist(first) == pack_sdist(other)
    assert pack_sdist(first) != pack_sdist(program)
