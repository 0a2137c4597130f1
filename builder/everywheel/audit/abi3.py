"""The stable ABI: abi3audit's judgement of a wheel that is tagged for it."""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents
from everywheel.errors import BuildError
from everywheel.execution.process import run_logged

_MOST_SYMBOLS = 8


def check_abi3(content: WheelContents) -> list[Finding]:
    """Find symbols that are not of the stable ABI, or newer than the Python that the wheel is tagged for."""
    if "abi3" not in content.wheel.abi.split(".") or not content.modules:
        return []
    try:
        results = _ask_abi3audit(content)
    except ValueError as error:
        return [Finding(check="abi3", file=content.path.name, message="abi3audit gave no report", evidence=error.args)]
    findings = []
    for path, result in results.items():
        foreign = tuple(sorted(result["non_abi3_symbols"]))
        if foreign:
            message = "uses what is not in the stable ABI"
            findings.append(Finding(check="abi3", file=path, message=message, evidence=foreign[:_MOST_SYMBOLS]))
        newer = tuple(f"{name} (since {since})" for name, since in sorted(result["future_abi3_objects"].items()))
        if newer:
            message = f"needs Python {result['computed']}, but the wheel is tagged for {result['baseline']}"
            findings.append(Finding(check="abi3", file=path, message=message, evidence=newer[:_MOST_SYMBOLS]))
    return findings


def _ask_abi3audit(content: WheelContents) -> dict[str, dict[str, Any]]:
    """Return abi3audit's results by the modules' paths; raise ValueError, with its last lines, without one for each.

    It names modules without their folders, so it is given a wheel of the same tags with the modules alone, numbered.
    """
    names = {f"{number}-{_name_module(content, path)}": path for number, path in enumerate(content.modules)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        wheel = folder / content.path.name
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, path in names.items():
                archive.writestr(name, content.wheel.files[path].data)
        answer, log = folder / "report.json", folder / "log"
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "abi3audit",
            "--strict",
            "--report",
            "--output",
            answer,
            wheel,
        ]
        # It exits with 1 both for what it found and for what it could not do: only the report tells them apart.
        with contextlib.suppress(BuildError):
            run_logged(command, cwd=folder, env=os.environ, log=log, what=f"{wheel.name}: abi3audit")
        try:
            ((_, spec),) = json.loads(answer.read_text())["specs"].items()
            results = {result["name"]: result["result"] for result in spec["wheel"]}
            return {path: results[name] for name, path in names.items()}
        except (OSError, ValueError, KeyError):
            lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
            raise ValueError(*lines[-3:]) from None


def _name_module(content: WheelContents, path: str) -> str:
    """Return a module's name with a suffix that abi3audit checks for, whatever its own is."""
    name, suffix = posixpath.basename(path), ".pyd" if path in content.pes else ".so"
    return name if name.endswith(suffix) else f"{name}{suffix}"
