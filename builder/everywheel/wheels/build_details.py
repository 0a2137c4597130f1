"""Descriptions of the Python that an extension is built for, as in PEP 739, for Meson on machines that run no scripts."""

from __future__ import annotations

import json
import platform
from pathlib import Path

from everywheel.platforms.architectures import find_machine_arch
from everywheel.platforms.target import Target, list_arches
from everywheel.wheels.target_python import TargetPython


def write_build_details(python: TargetPython, workspace: Path) -> Path:
    """Write the target's build-details.json, for Meson's `python.build_config`, and return its path."""
    path = workspace / "build-details.json"
    path.write_text(json.dumps(describe_python(python), indent=1) + "\n")
    return path


def describe_python(python: TargetPython) -> dict[str, object]:
    """Return PEP 739's description (schema 1.0) of the target's CPython."""
    major, minor, micro = python.version.release
    version = {"major": major, "minor": minor, "micro": micro, "releaselevel": "final", "serial": 0}
    target = python.target
    suffix, stable_suffix = target.system.module
    return {
        "schema_version": "1.0",
        "base_prefix": str(python.prefix),
        "platform": name_platform(target),
        "language": {"version": f"{major}.{minor}", "version_info": version},
        "implementation": {
            "name": "cpython",
            "cache_tag": f"cpython-{major}{minor}",
            "version": version,
            "hexversion": major << 24 | minor << 16 | micro << 8 | 0xF0,
            "_multiarch": target.extension_suffix,
        },
        "abi": {
            "flags": ["t"] if python.free_threaded else [],
            "extension_suffix": python.extension_suffix,
            "stable_abi_suffix": stable_suffix,
        },
        "suffixes": {
            "source": [".py"],
            "bytecode": [".pyc"],
            "optimized_bytecode": [".pyc"],
            "debug_bytecode": [".pyc"],
            "extensions": list(dict.fromkeys((python.extension_suffix, stable_suffix, suffix))),
        },
        "libpython": _describe_libpython(python),
        "c_api": {"headers": "include/python"},
    }


def name_platform(target: Target) -> str:
    """Return the platform of the target's Python for Meson."""
    if target.os != "windows":
        return target.python_platform
    # Meson rejects a Windows Python whose processor differs from the build machine's.
    machine = find_machine_arch(platform.machine())
    return f"win-{next((name for name, arch in list_arches('windows').items() if arch == machine), 'amd64')}"


def _describe_libpython(python: TargetPython) -> dict[str, object]:
    # Extensions for Linux and macOS must not be linked to libpython (PEP 513); those for Windows are linked to a DLL.
    if python.target.os != "windows":
        return {"link_extensions": False}
    # Meson 1.12 also reads two names that are not in PEP 739.
    names = ("dynamic_stableabi", "dynamic-stableabi")
    stable = str(python.prefix / python.target.system.linkable.format("python3"))
    return {"link_extensions": True, "dynamic": str(python.import_library), **dict.fromkeys(names, stable)}
