"""The extension's `[tool.cibuildwheel]`, as cibuildwheel itself reads it, for systems that are not here as well."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cibuildwheel.options import BuildOptions, CommandLineArguments, compute_options
from cibuildwheel.typing import PlatformName
from everywheel.config.project import load_project

ROOT = Path(__file__).parents[2]
BUILDS: dict[PlatformName, str] = {
    "linux": "cp311-manylinux_x86_64",
    "macos": "cp311-macosx_arm64",
    "windows": "cp311-win_amd64",
}


def read_options(platform: PlatformName, monkeypatch: pytest.MonkeyPatch) -> BuildOptions:
    monkeypatch.chdir(ROOT)
    arguments = CommandLineArguments.defaults()
    arguments.package_dir, arguments.only = ROOT / "extension", BUILDS[platform]
    options = compute_options(platform, arguments, {"PATH": "/usr/bin"})
    options.check_for_invalid_configuration([BUILDS[platform]])
    return options.build_options(BUILDS[platform])


@pytest.mark.parametrize("platform", BUILDS)
def test_one_prefix_is_built_used_and_taken_from(platform: PlatformName, monkeypatch: pytest.MonkeyPatch) -> None:
    options = read_options(platform, monkeypatch)

    built = re.fullmatch(r"everywheel --project \{project\} deps --engine native --prefix (\S+)", options.before_all)
    taken = re.match(r"everywheel --project \{project\} repair \{wheel\} --prefix (\S+) ", options.repair_command)
    environment = options.environment.as_dictionary({"PATH": "/usr/bin"})
    assert built
    assert taken
    assert built[1] == taken[1]
    assert environment["PKG_CONFIG_LIBDIR"] == f"{built[1]}/lib/pkgconfig"


@pytest.mark.parametrize("platform", BUILDS)
def test_the_wheel_is_tested_and_kept(platform: PlatformName, monkeypatch: pytest.MonkeyPatch) -> None:
    options = read_options(platform, monkeypatch)

    assert "pytest" in str(options.test_command)
    assert options.repair_command.endswith(" --wheelhouse {dest_dir}")


def test_a_mac_is_as_old_as_the_oldest_that_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    released = [target.os_version for target in load_project(ROOT).released if target.os == "darwin"]

    environment = read_options("macos", monkeypatch).environment.as_dictionary({"PATH": "/usr/bin"})

    assert environment["MACOSX_DEPLOYMENT_TARGET"] == ".".join(map(str, min(released)))


def test_windows_has_nothing_of_the_compilers_own_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """libgcc, libstdc++ and winpthread go inside, as with the native engine."""
    environment = read_options("windows", monkeypatch).environment.as_dictionary({"PATH": "/usr/bin"})

    assert environment["CC"] == "gcc"
    assert "-static" in environment["LDFLAGS"].split()
