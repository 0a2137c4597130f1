#!/usr/bin/env python3
"""Pin packages with their hashes: `requirements.py [--upgrade] [--check]`; run by `nox -s requirements`.

Writes .github/requirements/: `everywheel.txt` has the requirements of the toolkit and of its editable installation, and each
other file a group of packages for nox sessions (`[dependency-groups]` in pyproject.toml). The files in
builder/everywheel/containers/ have the packages in build containers. All files have the same version of a package.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from everywheel.config.pins import Pin, parse_pins, parse_requirement, render_pins
from everywheel.containers.payload import NOT_IN_CONTAINER, SITE_PINS, VIRTUALENV_PINS
from everywheel.errors import EverywheelError
from everywheel.wheels.resolve import KEEP_ALL, Constraints, Upgrade, resolve_requirements

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".github" / "requirements"
HEADER = "# Written by `nox -s requirements`, which keeps the versions; `nox -s requirements -- --upgrade` chooses new ones.\n"


def list_files() -> dict[Path, list[str]]:
    """Return the requirements of each file."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    own, groups = pyproject["project"]["dependencies"], pyproject["dependency-groups"]
    files = {FOLDER / f"{name}.txt": expand_group(groups, name) for name in groups if name != "editable"}
    site = [text for text in own if parse_requirement(text).name not in NOT_IN_CONTAINER]
    return {
        **files,
        FOLDER / "everywheel.txt": [*own, *groups["editable"]],
        SITE_PINS: site,
        VIRTUALENV_PINS: ["virtualenv"],
    }


def expand_group(groups: dict[str, list[Any]], name: str) -> list[str]:
    """Return the requirements of a group and of the groups that it includes (PEP 735)."""
    nested = [[item] if isinstance(item, str) else expand_group(groups, item["include-group"]) for item in groups[name]]
    return [text for texts in nested for text in texts]


def main(args: Sequence[str]) -> None:
    """Run the script."""
    if unknown := set(args) - {"--upgrade", "--check"}:
        sys.exit(f"unknown arguments: {', '.join(sorted(unknown))}")
    files = list_files()
    kept = {pin for file in files if file.exists() for pin in parse_pins(file.read_text())}
    with TemporaryDirectory() as name:
        folder = Path(name)

        def resolve(requirements: Sequence[str], kept: Sequence[Pin], upgrade: Upgrade) -> tuple[Pin, ...]:
            log = folder / "log"
            return resolve_requirements(
                requirements,
                Constraints(versions={}),
                kept=kept,
                upgrade=upgrade,
                folder=folder,
                label="requirements",
                log=log,
            )

        everything = [text for requirements in files.values() for text in requirements]
        upgrade = Upgrade(everything=True) if "--upgrade" in args else KEEP_ALL
        common = resolve(everything, sorted(kept, key=lambda pin: pin.name), upgrade)
        texts = {file: HEADER + render_pins(resolve(files[file], common, KEEP_ALL)) for file in files}
    changed = [file for file, text in texts.items() if not file.exists() or file.read_text() != text]
    names = ", ".join(file.relative_to(ROOT).as_posix() for file in changed)
    if "--check" in args and changed:
        sys.exit(f"out of date: {names}; run `nox -s requirements`")
    for file in changed:
        file.write_text(texts[file])
    print(f"{len(files)} files, changed: {names or 'none'}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except EverywheelError as error:
        sys.exit(error.render())
