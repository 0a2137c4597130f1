"""The archives that a wheel's modules are linked to, and those that no module uses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from everywheel.platforms.target import parse_target
from everywheel.wheels.wheel import Wheel, read_wheel
from fixture_project import FixtureProject

TARGETS = ("manylinux2014_x86_64", "macosx_11_0_arm64", "win_amd64")


def list_components(wheel: Wheel) -> set[str]:
    """Return the names of the libraries in a wheel's SBOM."""
    (text,) = (file.data for path, file in wheel.files.items() if path.endswith(".cdx.json"))
    return {component["name"] for component in json.loads(text).get("components", [])}


def build(project: FixtureProject, target: str) -> tuple[Wheel, list[str]]:
    """Return the wheel and the warnings of a build with static libraries."""
    _, errors = project.run("build", "-t", target, "--linkage", "static")
    (path,) = Path(project.root).rglob(f"*-{target}.whl")
    return read_wheel(path), [line for line in errors.splitlines() if line.startswith("warning: ")]


@pytest.mark.parametrize("target", TARGETS)
def test_the_archives_of_a_module_are_in_the_sbom_and_the_licenses(project: FixtureProject, target: str) -> None:
    wheel, warnings = build(project, target)

    assert warnings == []
    assert list_components(wheel) == {"libbar", "libfoo"}
    assert {path.split("/")[2] for path in wheel.files if "/licenses/lib" in path} == {"libbar", "libfoo"}


@pytest.mark.parametrize("target", TARGETS)
def test_an_archive_that_no_module_is_linked_to_is_reported_and_is_not_in_the_sbom(
    project: FixtureProject, target: str
) -> None:
    project.replace("extension/meson.build", "  dependencies: dependency('foo'),\n", "")
    source = project.root / "extension" / "src" / "fixture.c"
    source.write_text(source.read_text().replace("#include <foo.h>\n", "").replace("foo_answer()", "42"))

    wheel, warnings = build(project, target)

    label = parse_target(target).tag
    assert warnings == [
        f"warning: fixture 1.0 for {label}: {library} is not part of the result: no file is linked to it"
        for library in ("libbar 2.0", "libfoo 1.0")
    ]
    assert list_components(wheel) == set()
    assert not [path for path in wheel.files if "/licenses/lib" in path]
