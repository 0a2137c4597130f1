"""Identities: hashes of the code, the pinned tools and the installed packages that can change the result of a step.

Source files are hashed as a whole, so any change of the code invalidates the cache keys that depend on it. A unit test
compares the hashed modules with the modules that a build imports.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from everywheel.planning.step_keys import Identities
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.native import native_facts

_ROOT = Path(__file__).parents[1]
# Directories are hashed with all their files, at any depth.
ARTIFACT_CODE = (
    "archives",
    "binaries",
    "config",
    "execution/child.py",
    "execution/files.py",
    "execution/input_files.py",
    "execution/process.py",
    "execution/supervisor.py",
    "execution/temporary_files.py",
    "libraries",
    "planning/library_planner.py",
    "planning/plan.py",
    "planning/step_keys.py",
    "planning/steps.py",
    "platforms",
    "sources/patch.py",
    "sources/request.py",
    "sources/unpack.py",
    "store/local.py",
    "store/unpacking.py",
)
TOOLCHAIN_CODE = ("toolchains",)
WHEEL_CODE = ("audit", "execution/python_program.py", "pipeline.py", "repair", "wheels")
CONTAINER_CODE = (
    "cli/deps.py",
    "cli/repair.py",
    "containers/build_wheels.py",
    "containers/cibuildwheel.py",
    "containers/payload.py",
    "containers/site.txt",
    "containers/user_settings.py",
)
# Installed distributions that can change the bytes of a wheel, including indirect requirements.
WHEEL_PACKAGES = (
    "auditwheel",
    "boolean.py",
    "cyclonedx-python-lib",
    "deflate",
    "delvewheel",
    "license-expression",
    "macholib",
    "packageurl-python",
    "packaging",
    "pefile",
    "py-serializable",
    "pyelftools",
    "repairwheel",
    "sortedcontainers",
    *(("delocate",) if sys.platform == "darwin" else ()),
)


def find_identities(engine: EngineName = EngineName.ZIG, native: str | None = None) -> Identities:
    """Return the identities for an engine.

    `native` identifies the compilers of the native engine, by default the compilers of the build machine. The container
    engine passes the identity of its build image, so that the processes outside and inside of the container compute the
    same keys. Raises MachineError when the compilers of the build machine are missing.
    """
    compilers = "zig"
    if engine is not EngineName.ZIG:
        compilers = f"native-{native_facts() if native is None else native}"
    packages = [f"{name}={version(name)}" for name in WHEEL_PACKAGES]
    return Identities(
        artifacts=digest_code(ARTIFACT_CODE),
        toolchain=f"{digest_code(TOOLCHAIN_CODE)}-{compilers}",
        packaging="-".join([digest_code(WHEEL_CODE), *packages]),
    )


def find_container_identities(image: str, python: str, *, settings: Mapping[str, str]) -> Identities:
    """Return the identities for the native engine in the containers of an image, whose identity is `image`.

    The libraries have the keys that a command in the container computes; those of the wheels also depend on cibuildwheel,
    on the interpreter that builds them, such as `cp311`, and on the environment variables that cibuildwheel reads.
    """
    identities = find_identities(EngineName.NATIVE, image)
    variables = hashlib.sha256(repr(sorted(settings.items())).encode()).hexdigest()[:16]
    facts = (digest_code(CONTAINER_CODE), f"cibuildwheel={version('cibuildwheel')}", python, variables)
    return replace(identities, packaging="-".join([identities.packaging, *facts]))


def digest_code(names: Iterable[str], root: Path = _ROOT) -> str:
    """Return one hash over the paths and contents of the named files and directories."""
    digest = hashlib.sha256()
    for file in list_code(names, root):
        digest.update(
            f"{file.relative_to(root).as_posix()}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode()
        )
    return digest.hexdigest()[:16]


def list_code(names: Iterable[str], root: Path = _ROOT) -> list[Path]:
    """Return the named files and all files in the named directories, without bytecode."""
    files = []
    for path in (root / name for name in names):
        inside = path.rglob("*") if path.is_dir() else [path]
        files += sorted(file for file in inside if file.is_file() and "__pycache__" not in file.parts)
    return files
