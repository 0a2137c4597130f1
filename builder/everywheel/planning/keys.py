"""What the toolkit itself adds to a key: its own code and the tools that it pins.

Whoever changes how something is built changes a file named here, and with it every key that it matters to: nothing has
to be remembered, and nothing old is ever taken for new.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from everywheel.toolchains.build_tools import PINS
from everywheel.toolchains.compilers import EngineName

_SHAPE_ARTIFACTS = (
    "libraries",
    "platforms/target.py",
    "toolchains/hide_symbols.py",
    "toolchains/toolchain.py",
)
_SHAPE_ZIG = ("toolchains/compiler_rt.py", "toolchains/zig.py")
_SHAPE_NATIVE = ("toolchains/native.py", "toolchains/windows_launcher.c", "toolchains/windows_launcher.py")
_SHAPE_WHEELS = ("audit", "binaries", "platforms", "repair", "wheels")
_PACKAGES = ("auditwheel", "cyclonedx-python-lib", "deflate", "delvewheel", "macholib", "packaging", "repairwheel")
_MAC_PACKAGES = ("delocate",) if sys.platform == "darwin" else ()


def toolchain_identity(engine: EngineName = EngineName.ZIG, facts: str = "") -> str:
    """Return what stands in every key for the engine, its flags and the build tools.

    `facts` tell native compilers apart. A container runs the native engine inside, and both make the same keys.
    """
    if engine is EngineName.ZIG:
        return f"zig-{_digest([*_find((*_SHAPE_ARTIFACTS, *_SHAPE_ZIG)), PINS])}"
    return f"native-{_digest([*_find((*_SHAPE_ARTIFACTS, *_SHAPE_NATIVE)), PINS])}-{facts}"


def packaging_identity() -> str:
    """Return what stands in a wheel's key for repair, licence texts, SBOM, compression and audit."""
    return "-".join(
        ["finish", _digest(_find(_SHAPE_WHEELS)), *(f"{name}={version(name)}" for name in (*_PACKAGES, *_MAC_PACKAGES))]
    )


def _find(names: Iterable[str]) -> list[Path]:
    paths = [Path(__file__).parents[1] / name for name in names]
    return [file for path in paths for file in (sorted(path.glob("*.py")) if path.is_dir() else [path])]


def _digest(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
