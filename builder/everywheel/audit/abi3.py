"""Stable ABI check: runs abi3audit on the modules of a wheel that is tagged abi3."""

from __future__ import annotations

import contextlib
import json
import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any

from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents
from everywheel.errors import BuildError
from everywheel.execution.process import run_logged
from everywheel.execution.python_program import program_environment, python_program
from everywheel.execution.temporary_files import open_temporary_directory

_MAX_SYMBOLS = 8


def check_abi3(contents: WheelContents) -> Iterator[Finding]:
    """Find symbols that are not in the stable ABI, or newer than the Python version that the wheel is tagged for."""
    if not contents.is_stable_abi or not contents.modules:
        return
    try:
        results = _run_abi3audit(contents)
    except ValueError as error:
        message = "abi3audit wrote no report"
        yield Finding(check="abi3", file=contents.path.name, message=message, evidence=error.args)
        return
    for path, result in results.items():
        foreign = tuple(sorted(result["non_abi3_symbols"]))
        if foreign:
            message = "uses symbols that are not in the stable ABI"
            yield Finding(check="abi3", file=path, message=message, evidence=foreign[:_MAX_SYMBOLS])
        newer = tuple(f"{name} (since {since})" for name, since in sorted(result["future_abi3_objects"].items()))
        if newer:
            message = f"needs Python {result['computed']}, but the wheel is tagged for {result['baseline']}"
            yield Finding(check="abi3", file=path, message=message, evidence=newer[:_MAX_SYMBOLS])


def _run_abi3audit(contents: WheelContents) -> dict[str, dict[str, Any]]:
    """Return abi3audit's results by the modules' paths; raise ValueError with its last lines when one is missing.

    Its report names modules without their directories, so it examines a wheel of the same tags that has only the
    modules, with a number in each name.
    """
    names = {f"{number}-{_name_module(contents, path)}": path for number, path in enumerate(contents.modules)}
    with open_temporary_directory() as directory:
        wheel = directory / contents.path.name
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, path in names.items():
                archive.writestr(name, contents.wheel.files[path].data)
        report, log = directory / "report.json", directory / "log"
        # By names relative to the directory: abi3audit expands patterns, whose characters the path of TMPDIR may have.
        options = ["--strict", "--report", "--output", report.name, wheel.name]
        # The exit status is 1 both for findings and for failures of the tool itself; only the report distinguishes them.
        with contextlib.suppress(BuildError):
            run_logged(
                [*python_program("abi3audit"), *options],
                cwd=directory,
                env=program_environment("abi3audit"),
                log=log,
                label=f"{wheel.name}: abi3audit",
            )
        try:
            ((_, spec),) = json.loads(report.read_text())["specs"].items()
            results = {result["name"]: result["result"] for result in spec["wheel"]}
            return {path: results[name] for name, path in names.items()}
        except (OSError, ValueError, KeyError):
            lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
            raise ValueError(*lines[-3:]) from None


def _name_module(contents: WheelContents, path: str) -> str:
    """Return a module's file name with the suffix by which abi3audit recognizes modules."""
    name, suffix = posixpath.basename(path), ".pyd" if path in contents.pes else ".so"
    return name if name.endswith(suffix) else f"{name}{suffix}"
