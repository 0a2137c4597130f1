"""`[tool.cibuildwheel]` of the extension and of the page for other projects, as cibuildwheel itself reads it."""

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


def read_options(
    platform: PlatformName, monkeypatch: pytest.MonkeyPatch, root: Path = ROOT, folder: str = "extension"
) -> BuildOptions:
    monkeypatch.chdir(root)
    arguments = CommandLineArguments.defaults()
    arguments.package_dir, arguments.only = root / folder, BUILDS[platform]
    options = compute_options(platform, arguments, {"PATH": "/usr/bin"})
    options.check_for_invalid_configuration([BUILDS[platform]])
    return options.build_options(BUILDS[platform])


@pytest.mark.parametrize("platform", BUILDS)
def test_libraries_are_built_linked_and_grafted_from_one_prefix(
    platform: PlatformName, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = read_options(platform, monkeypatch)

    deps = re.fullmatch(r"everywheel --project \{project\} deps --engine native --prefix (\S+)", options.before_all)
    repair = re.match(r"everywheel --project \{project\} repair \{wheel\} --prefix (\S+) ", options.repair_command)
    environment = options.environment.as_dictionary({"PATH": "/usr/bin"})
    assert deps
    assert repair
    assert deps[1] == repair[1]
    assert environment["PKG_CONFIG_LIBDIR"] == f"{deps[1]}/lib/pkgconfig"


@pytest.mark.parametrize("platform", BUILDS)
def test_the_wheel_is_tested_and_kept(platform: PlatformName, monkeypatch: pytest.MonkeyPatch) -> None:
    options = read_options(platform, monkeypatch)

    assert "pytest" in str(options.test_command)
    assert options.repair_command.endswith(" --wheelhouse {dest_dir}")


def test_the_deployment_target_is_the_oldest_released_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    released = [target.os_version for target in load_project(ROOT).released if target.os == "darwin"]

    environment = read_options("macos", monkeypatch).environment.as_dictionary({"PATH": "/usr/bin"})

    assert environment["MACOSX_DEPLOYMENT_TARGET"] == ".".join(map(str, min(released)))


def test_the_runtime_libraries_of_mingw_are_linked_statically(monkeypatch: pytest.MonkeyPatch) -> None:
    """libgcc, libstdc++ and winpthread, as with the native engine."""
    environment = read_options("windows", monkeypatch).environment.as_dictionary({"PATH": "/usr/bin"})

    assert environment["CC"] == "gcc"
    assert "-static" in environment["LDFLAGS"].split()


def test_a_project_that_starts_cibuildwheel_itself_installs_the_toolkit_before_the_libraries(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    section = (ROOT / "docs" / "other-projects.md").read_text().partition("## Projects that stay with cibuildwheel")[2]
    table = section.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "demo"\nversion = "1.0"\n{table}')

    options = read_options("linux", monkeypatch, tmp_path, ".")

    environment = options.environment.as_dictionary({"PATH": "/usr/bin"})
    assert environment == {
        "PATH": "/usr/bin:/opt/everywheel/bin",
        "PKG_CONFIG_LIBDIR": "/tmp/prefix/lib/pkgconfig",
        "CFLAGS": "-I/tmp/prefix/include",
        "LDFLAGS": "-L/tmp/prefix/lib -Wl,--exclude-libs,ALL",
    }
    python, install, deps = options.before_all.split(" && ")
    assert python.split()[-3:] == ["-m", "venv", "/opt/everywheel"]
    assert install.startswith("/opt/everywheel/bin/pip install ")
    assert deps == "everywheel --project {project} deps --engine native --prefix /tmp/prefix"
    assert " --prefix /tmp/prefix " in options.repair_command
    assert load_project(tmp_path).requires == ("libyaml",)
