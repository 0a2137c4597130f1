"""Every command with `--json` writes one JSON document to standard output, and nothing else."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from everywheel.cli.main import main
from everywheel.wheels.wheel import pack_wheel
from example_wheels import make_demo_wheel

PROJECT = Path(__file__).parents[1] / "failing" / "base"
WHEEL = "WHEEL"
COMMANDS: dict[str, tuple[list[str], int]] = {
    "audit": ([WHEEL], 5),
    "build": (["--dry-run"], 0),
    "doctor": ([], 0),
    "explain": ([WHEEL], 0),
    "images list": ([], 0),
    "matrix": ([], 0),
    "plan": ([], 0),
    "recipes list": ([], 0),
    "recipes search": (["foo"], 0),
    "recipes show": (["libfoo"], 0),
    "smoke": ([WHEEL, "--command", "python"], 6),
    "sources check": (["--location", "store"], 4),
    "sources fetch": ([], 0),
    "store list": ([], 0),
    "store ls": (["--remote", "first", "--remote", "second"], 0),
    "store verify": ([], 0),
    "verify": ([WHEEL], 5),
}
"""The arguments of each command in a project with a wheel that has findings, and the exit code."""
FROM_THE_NETWORK = ("images lock", "recipes outdated")
"""Commands whose document has answers of registries and of a distribution's package index."""


def find_json_commands(group: click.Group, prefix: str = "") -> list[str]:
    names = []
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            names += find_json_commands(command, f"{prefix}{name} ")
        elif command is not None and any("--json" in param.opts for param in command.params):
            names.append(f"{prefix}{name}")
    return names


def make_project(folder: Path) -> Path:
    """Copy the project, with a source that a mirror has, and add a wheel for macOS."""
    project = folder / "project"
    shutil.copytree(PROJECT, project)
    digest = hashlib.sha256(b"source").hexdigest()
    (folder / digest).write_bytes(b"source")
    for recipe in project.glob("recipes/*/recipe.toml"):
        recipe.write_text(re.sub(r'sha256 = "\w+"', f'sha256 = "{digest}"', recipe.read_text()))
    pack_wheel(make_demo_wheel("cp311-abi3-macosx_11_0_arm64", {"demo.py": b""}), project, epoch=315532800)
    return project


def test_the_table_has_every_command_with_json() -> None:
    assert sorted({*COMMANDS, *FROM_THE_NETWORK}) == sorted(find_json_commands(main))


@pytest.mark.parametrize("name", COMMANDS)
def test_standard_output_is_one_json_document(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path)
    monkeypatch.chdir(project)
    monkeypatch.setenv("EVERYWHEEL_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("EVERYWHEEL_MIRRORS", str(tmp_path))
    args, exit_code = COMMANDS[name]
    (wheel,) = project.glob("*.whl")

    result = CliRunner().invoke(main, [*name.split(), *(str(wheel) if a == WHEEL else a for a in args), "--json"])

    assert result.exit_code == exit_code, result.output
    assert isinstance(json.loads(result.stdout), (dict, list))


def test_a_dry_run_of_smoke_tests_is_json_too(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (wheel,) = project.glob("*.whl")

    arguments = ["--project", str(project), "smoke", str(wheel), "--command", "python", "--dry-run", "--json"]
    result = CliRunner().invoke(main, arguments)

    assert json.loads(result.stdout) == [{"wheel": wheel.name, "image": None}]
