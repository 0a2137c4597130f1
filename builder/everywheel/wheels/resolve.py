"""Resolution of build requirements: uv chooses the versions of these packages and of all that they require in turn.

The result holds on every machine that can build, with any Python that may run the backend: it has a marker where machines
need different packages, and the hashes of all files of a version. Only wheels are used: the build of a source distribution
would install packages of its own, which nothing pins. uv uses the index, proxy and certificate settings of pip.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from everywheel.config.pins import Pin, parse_pins, parse_requirement, render_pins
from everywheel.errors import BuildError
from everywheel.execution.files import hash_file, report_full_disk
from everywheel.execution.process import run_logged
from everywheel.sources.package_index import find_wheel_hashes
from everywheel.toolchains.pip_settings import filter_environment, list_indexes, read_pip_settings
from everywheel.toolchains.uv import UV, index_variables, list_index_options

OLDEST_PYTHON = "3.11"
"""The oldest Python that a resolution is for, which is the oldest that this package supports."""
_HINT = (
    "build requirements must be available as wheels; is the package index reachable? pip's settings (PIP_INDEX_URL, "
    "pip.conf) are used"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """The packages whose earlier versions are not kept: all of them, or those with these names."""

    everything: bool = False
    names: tuple[str, ...] = ()


def find_oldest_python(versions: Iterable[str]) -> str:
    """Return the oldest Python of a resolution if backends also run with CPythons of other versions: `3.9`."""
    return min((OLDEST_PYTHON, *(version.removesuffix("t") for version in versions)), key=Version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """Versions that a resolution must have, by package, and the oldest Python that it is for."""

    versions: Mapping[str, str]
    oldest: str = OLDEST_PYTHON


KEEP_ALL = Upgrade()
"""The upgrade of nothing: earlier versions are kept where they still fit."""


def resolve_requirements(
    requirements: Iterable[str],
    constraints: Constraints,
    *,
    kept: Sequence[Pin] = (),
    upgrade: Upgrade = KEEP_ALL,
    folder: Path,
    label: str,
    log: Path,
) -> tuple[Pin, ...]:
    """Return pins that fulfill the requirements, with the versions in `kept` where they still fit.

    A kept version has the hashes of all its files on the index, not those in `kept`: uv would copy these unchecked.
    `folder` is for temporary files. Raises PinError for a requirement that cannot be pinned, BuildError when there are no
    such versions, or not as wheels, and when the index is not reachable.
    """
    needed = sorted({str(parse_requirement(text)) for text in requirements})
    with TemporaryDirectory(dir=folder) as name:
        files = {file: Path(name, file) for file in ("requirements.in", "constraints.txt", "pins.txt")}
        files["requirements.in"].write_text("".join(f"{text}\n" for text in needed))
        files["constraints.txt"].write_text(
            "".join(f"{name}=={pinned}\n" for name, pinned in constraints.versions.items())
        )
        # uv keeps the versions of its output file, and the hashes if there are any.
        files["pins.txt"].write_text(render_pins(replace(pin, hashes=()) for pin in kept))
        upgrades = [arg for name in upgrade.names for arg in ("--upgrade-package", name)]
        settings = read_pip_settings("download")
        command: list[str | Path] = [
            *(*UV, "pip", "compile", files["requirements.in"]),
            *("--constraints", files["constraints.txt"], "--output-file", files["pins.txt"]),
            *("--universal", "--python-version", constraints.oldest, "--only-binary", ":all:", "--generate-hashes"),
            *("--strip-extras", "--no-annotate", "--no-header", "--no-config", "--no-cache", "--color", "never"),
            *("--no-python-downloads", "--python", sys.executable),
            *(["--upgrade"] if upgrade.everything else upgrades),
            *list_index_options(settings),
        ]
        variables = {**index_variables(settings), **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), name)}
        environment = {**filter_environment(), **variables}
        label = f"{label}: uv pip compile"
        try:
            run_logged(command, cwd=Path(name), env=environment, log=log, label=label, hint=_HINT)
        except BuildError as error:
            if any(os.strerror(errno.ENOSPC) in line for line in error.excerpt):
                raise report_full_disk(folder) from error
            raise
        links = [Path(value) for value in settings.get("find-links", "").split()]
        indexes = list_indexes("download") if settings.get("extra-index-url") else ()
        return tuple(_add_hashes(pin, links, indexes, Path(name)) for pin in parse_pins(files["pins.txt"].read_text()))


def _add_hashes(pin: Pin, links: Iterable[Path], indexes: Sequence[str], folder: Path) -> Pin:
    """Return a pin with the hashes of all wheels of its version in local directories (pip's `find-links`) and on indexes.

    uv pins one wheel of the directories, or the wheels on the first of several indexes that has the version: they may all be
    for other machines. URLs are not directories.
    """
    hashes = {*pin.hashes, *find_wheel_hashes(pin.name, pin.version, indexes, folder)}
    for wheel in (wheel for folder in links for wheel in folder.glob("*.whl")):
        try:
            name, version, *_ = parse_wheel_filename(wheel.name)
        except InvalidWheelFilename:
            continue
        if (name, version) == (pin.name, Version(pin.version)):
            hashes.add(hash_file(wheel))
    return replace(pin, hashes=tuple(sorted(hashes)))


def select_constraints(requirements: Iterable[str], pinned: Mapping[str, str]) -> dict[str, str]:
    """Return the pinned build tools, without those of which a requirement excludes the pinned version.

    A project may require a CMake of its own (`cmake<4`): it comes before the tool on PATH. Raises PinError for a requirement
    that cannot be pinned.
    """
    parsed = [parse_requirement(text) for text in requirements]
    return {
        tool: version
        for tool, version in pinned.items()
        if all(
            requirement.specifier.contains(version, prereleases=True)
            for requirement in parsed
            if canonicalize_name(requirement.name) == tool
        )
    }
