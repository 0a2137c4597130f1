"""The requirement files with hashes of nox sessions and containers: they have all that pyproject.toml names."""

from __future__ import annotations

import importlib.util
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from everywheel.config.pins import Pin, describe_machine, list_unmet, parse_pins, select_pins
from everywheel.containers.local_build_image import _TOOLS
from everywheel.toolchains.build_tools import PINS

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("requirements_script", ROOT / ".ci" / "requirements.py")
assert SPEC is not None
assert SPEC.loader is not None
SCRIPT = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(SCRIPT)
FILES: dict[Path, list[str]] = SCRIPT.list_files()
LINUX = describe_machine()
MAC = {**LINUX, "sys_platform": "darwin", "platform_system": "Darwin", "python_version": "3.13"}
WINDOWS = {**LINUX, "sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "python_version": "3.13"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_has_every_package_that_is_required_on_every_system(file: Path) -> None:
    pins = parse_pins(file.read_text())

    assert [list_unmet(FILES[file], pins, machine) for machine in (LINUX, MAC, WINDOWS)] == [(), (), ()]


@cache
def list_requirements(pin: Pin) -> tuple[str, ...]:
    """Return what a package requires if it is installed in this version; others are not known here."""
    try:
        return tuple(requires(pin.name) or ()) if version(pin.name) == pin.version else ()
    except PackageNotFoundError:
        return ()


def list_missing(pins: tuple[Pin, ...]) -> list[str]:
    """Return what the packages that apply here require and no pin fulfills."""
    selected = select_pins(pins, LINUX)
    return [text for pin in selected for text in list_unmet(list_requirements(pin), selected, LINUX)]


@pytest.mark.parametrize("file", [*FILES, PINS, ROOT / "everywheel.lock"], ids=lambda file: file.name)
def test_a_file_has_everything_that_its_packages_require(file: Path) -> None:
    assert list_missing(parse_pins(file.read_text())) == []


def test_all_files_have_the_same_version_of_a_package() -> None:
    pins = {pin for file in FILES for pin in parse_pins(file.read_text())}

    assert len({(pin.name, pin.marker) for pin in pins}) == len(pins)


def test_every_package_that_shapes_a_wheel_has_its_version_in_containers_too() -> None:
    site = {pin.name: pin.version for pin in parse_pins(SCRIPT.SITE_PINS.read_text())}

    assert [name for name in site if name in ("auditwheel", "packaging") and version(name) != site[name]] == []


def test_the_tools_of_a_local_build_image_have_everything_that_they_require() -> None:
    pins = [*parse_pins(SCRIPT.SITE_PINS.read_text()), *parse_pins(PINS.read_text())]

    assert list_missing(tuple(pin for pin in pins if pin.name in _TOOLS)) == []
