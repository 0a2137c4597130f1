"""`recipes update` with a build: recipe.toml is replaced if the library builds, and stays as it is if not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from everywheel.cli.main import main
from everywheel.config.recipe_loader import load_recipe
from everywheel.sources.distro.apt_archives import Archive
from everywheel.sources.locations import find_locations
from fixture_project import FixtureProject
from test_sources_debian import Repository, needs_apt, pack


def pack_source(version: str, header: str) -> bytes:
    return pack({f"tiny-{version}/{header}": b"#define TINY\n", f"tiny-{version}/LICENSE": b"MIT\n"})


def update(project: FixtureProject, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Result:
    locations = dataclasses.replace(
        find_locations(environ={"EVERYWHEEL_MIRRORS": str(project.mirror)}),
        archives=(Archive(uri=f"file:{repository.directory}", suites=("trixie",)),),
        snapshot="",
    )
    monkeypatch.setattr("everywheel.cli.recipe_updates.find_locations", lambda *settings: locations)
    monkeypatch.setenv("EVERYWHEEL_STORE", str(project.store))
    monkeypatch.setenv("EVERYWHEEL_MIRRORS", str(project.mirror))
    monkeypatch.chdir(project.root)
    return CliRunner().invoke(main, ["recipes", "update", "tiny"])


@needs_apt
def test_a_recipe_is_replaced_only_if_its_library_builds(
    project: FixtureProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository(tmp_path / "archive")
    project.add_headers_recipe("tiny")
    project.replace(
        "recipes/tiny/recipe.toml",
        'urls = ["http://127.0.0.1:9/tiny-{version}.tar.gz"]',
        'debian = { package = "tiny", file = "tiny_{version}.orig.tar.xz" }',
    )
    path = project.root / "recipes" / "tiny" / "recipe.toml"

    for version, header in (("1.2", "tiny.h"), ("1.4", "other.h")):
        files = {
            f"tiny_{version}.orig.tar.xz": pack_source(version, header),
            f"tiny_{version}-1.debian.tar.xz": pack({}),
        }
        repository.add("tiny", f"{version}-1", files)
        before = path.read_text()
        result = update(project, repository, monkeypatch)

        if header == "tiny.h":
            assert result.exit_code == 0, result.output
            assert "- tiny 1.2 instead of 1.0.\n1 recipe compared, 1 updated\n" in result.output
            assert load_recipe(path).version == "1.2"
        else:
            assert result.exit_code == 1
            assert "the build did not produce what the recipe promises" in result.output
            assert '-version = "1.2"\n+version = "1.4"\n' in result.output
            assert "tiny: not updated, since 1.4 was not built; the recipe is as it was\n" in result.output
            assert path.read_text() == before
    assert not list((project.store / "tmp").iterdir())
