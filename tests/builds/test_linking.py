"""Builds that find different files of one name, or name what belongs to the build machine."""

from __future__ import annotations

from fixture_project import FixtureProject

TARGET = ("--target", "manylinux2014_x86_64")


def test_two_recipes_that_install_different_files_of_one_name_are_named(project: FixtureProject) -> None:
    for name in ("one", "two"):
        project.add_headers_recipe(name, folder="include", header="config.h")
    project.replace("pyproject.toml", 'requires = ["libfoo"]', 'requires = ["libfoo", "one", "two"]')

    _, errors = project.run("build", *TARGET, exit_code=1)

    assert "two 1.0 and one 1.0 install different files of one name\n" in errors
    assert "  file: include/config.h\n" in errors


def test_a_flag_for_the_processor_of_the_build_machine_is_named_with_its_file(project: FixtureProject) -> None:
    path = project.root / "recipes" / "libbar" / "recipe.toml"
    path.write_text(path.read_text().replace("[build]\n", '[build]\nflags = ["-march=native", "-I/usr/include"]\n'))

    _, errors = project.run("build", *TARGET, exit_code=1)

    assert "  refused: -march=native (for " in errors
    assert "  dropped: -I/usr/include (for " in errors
