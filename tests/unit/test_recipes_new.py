"""`everywheel recipes new`: a recipe is drafted from a source archive, and can be loaded."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from everywheel.cli.main import main
from everywheel.config.recipe import BuildSystem
from everywheel.config.recipe_loader import load_recipe
from snapshot_server import serve

MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy\n"


def pack(path: Path, files: Mapping[str, str]) -> Path:
    """Write a tar archive with the files in one folder."""
    with tarfile.open(path, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"foo-1.2/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def draft(folder: Path, files: Mapping[str, str], *options: str, name: str = "/foo-1.2.tar.gz") -> Result:
    """Run the command for an archive with the files in a project in `folder`."""
    archive = pack(folder / "archive", files)
    (folder / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "1"\n')
    args = ["--project", str(folder), "recipes", "new", "libfoo"]
    with serve({name: archive}) as service:
        variables = {"EVERYWHEEL_STORE": str(folder / "store")}
        return CliRunner(env=variables).invoke(main, [*args, f"{service.base}{name}", *options])


@pytest.mark.parametrize(
    ("files", "system", "subdir", "libraries", "pkgconfig"),
    [
        (
            {
                "build/meson/meson.build": "project('foo', 'c', license: 'MIT')\nlibrary('foo', 'foo.c')\n"
                "static_library('foo-tests', 'a.c')\npkg.generate(filebase: 'libfoo')\n",
                "tests/meson.build": "project('no')\nlibrary('foo-no')\n",
            },
            BuildSystem.MESON,
            "build/meson",
            ("foo",),
            ("libfoo",),
        ),
        (
            {
                "CMakeLists.txt": "project(FOO)\nadd_library(bar SHARED a.c)\nadd_library(bar_static STATIC a.c)\n",
                "cmake/bar.pc.in": "",
            },
            BuildSystem.CMAKE,
            "",
            ("bar",),
            ("bar",),
        ),
        ({"configure": ""}, BuildSystem.MESON, "", ("foo",), ()),
    ],
)
def test_a_draft_has_what_the_build_files_state(
    tmp_path: Path,
    files: Mapping[str, str],
    system: BuildSystem,
    subdir: str,
    libraries: tuple[str, ...],
    pkgconfig: tuple[str, ...],
) -> None:
    result = draft(tmp_path, {"LICENSE": MIT, **files})

    assert result.exit_code == 0, result.output
    recipe = load_recipe(tmp_path / "recipes" / "libfoo" / "recipe.toml")
    assert (recipe.version, recipe.license.spdx, recipe.license.files) == ("1.2", "MIT", ("LICENSE",))
    assert recipe.source.sha256 == hashlib.sha256((tmp_path / "archive").read_bytes()).hexdigest()
    assert recipe.source.size == (tmp_path / "archive").stat().st_size
    assert recipe.source.urls[0].endswith("/foo-1.2.tar.gz")
    assert (recipe.build.system, recipe.build.subdir or "") == (system, subdir)
    assert (recipe.products.libraries, recipe.products.pkgconfig) == (libraries, pkgconfig)
    assert ("write " in result.stdout and "meson.build" in result.stdout) == ("configure" in files)


def test_a_version_that_the_address_does_not_have_is_an_option(tmp_path: Path) -> None:
    without = draft(tmp_path, {"meson.build": "project('foo')\n"}, name="/foo.tar.gz")
    result = draft(tmp_path, {"meson.build": "project('foo')\n"}, "--version", "3", name="/foo.tar.gz")

    assert without.exit_code == 2
    assert "/foo.tar.gz has no version\n  hint: name it with --version\n" in without.stderr
    assert result.exit_code == 0, result.output
    recipe = load_recipe(tmp_path / "recipes" / "libfoo" / "recipe.toml")
    assert (recipe.version, recipe.license.spdx) == ("3", "LicenseRef-libfoo")


def test_an_existing_recipe_and_a_missing_archive_are_errors(tmp_path: Path) -> None:
    folder = tmp_path / "recipes" / "libfoo"
    folder.mkdir(parents=True)
    existing = draft(tmp_path, {})
    folder.rmdir()
    with serve({"/foo-1.2.tar.gz": pack(tmp_path / "archive", {})}) as service:
        args = ["--project", str(tmp_path), "recipes", "new", "libfoo", f"{service.base}/other-1.2.tar.gz"]
        missing = CliRunner(env={"EVERYWHEEL_STORE": str(tmp_path / "store")}).invoke(main, args)

    assert (existing.exit_code, existing.stderr) == (
        2,
        f"error: {folder} exists\n  hint: remove it, or choose another name\n",
    )
    assert "/other-1.2.tar.gz cannot be downloaded\n" in missing.stderr
    assert not folder.exists()
