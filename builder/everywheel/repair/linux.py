"""Repair on Linux: auditwheel grafts the libraries, after patchelf has corrected names and search paths."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath

from everywheel.binaries.elf import MAGIC, read_elf
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.execution.process import run_logged
from everywheel.platforms.linux_policy import load_policy
from everywheel.platforms.tags import parse_platforms
from everywheel.repair.request import RepairRequest
from everywheel.repair.tool import RepairTool, newer_system_error, run_repair_tool
from everywheel.wheels.wheel import Wheel, add_files

# zig links musl as libc.so. Its soname on Alpine contains the architecture, and auditwheel rejects any other name
# (https://github.com/rust-cross/manylinux-cross/issues/110).
_MUSL_STUB = "libc.so"


def graft_libraries(wheel: Wheel, request: RepairRequest, folder: Path) -> Wheel:
    """Return the wheel with copies of the libraries that it needs, under unique names; they come from the prefix only.

    Raises BuildError when auditwheel cannot graft a library or decides that the wheel needs a newer system than the
    target.
    """
    prepared, shared = _prepare(wheel, request, folder)
    results = folder / "repaired"
    tool = RepairTool(
        name="auditwheel",
        module="auditwheel",
        args=(
            "-v",
            "repair",
            # --plat accepts only the architecture and the libc of the build machine
            # (https://github.com/pypa/auditwheel/issues/244). With `auto` both come from the wheel's own tag.
            "--plat",
            "auto",
            # Replaces auditwheel's search path, so that no library of the build machine is grafted.
            "--ldpaths",
            shared,
            # Not compressed, since the wheel is packed again later.
            "--zip-compression-level",
            "0",
            "--wheel-dir",
            results,
        ),
        results=results,
        environment=_environment(request, folder),
    )
    repaired = run_repair_tool(tool, prepared, request, folder)
    _check_promise(wheel, repaired, request)
    return repaired


def _environment(request: RepairRequest, folder: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AUDITWHEEL_", "LD_"))}
    ours = {"PATH": str(request.patchelf.parent), "TMPDIR": str(folder), "SOURCE_DATE_EPOCH": str(request.epoch)}
    return {**inherited, **ours}


def _check_promise(before: Wheel, after: Wheel, request: RepairRequest) -> None:
    """Raise BuildError when every tag that auditwheel adds needs a newer libc than the target.

    auditwheel adds the oldest tag that the wheel is compatible with (https://github.com/pypa/auditwheel/pull/289).
    """
    added = [load_policy(tag.text) for tag in parse_platforms(after.platform) if tag.text != before.platform]
    policies = [policy for policy in added if policy is not None]
    oldest = min(policies, key=lambda policy: policy.floor, default=None)
    if oldest is not None and oldest.floor > request.target.libc_version:
        raise newer_system_error(before, request, {"oldest compatible tag": oldest.tag})


def _prepare(wheel: Wheel, request: RepairRequest, folder: Path) -> tuple[Wheel, Path]:
    """Return the wheel, and a directory with copies of the prefix's shared libraries, both ready for auditwheel."""
    shared = folder / "lib"
    shared.mkdir()
    for path in sorted((request.prefix / "lib").glob("*.so*")):
        shutil.copy2(path, shared / path.name, follow_symlinks=False)
        if not path.is_symlink():
            _prepare_elf(shared / path.name, request, folder)
    changed = {}
    for name, content in wheel.files.items():
        if content.data.startswith(MAGIC):
            file = folder / PurePosixPath(name).name
            file.write_bytes(content.data)
            _prepare_elf(file, request, folder)
            changed[name] = file.read_bytes()
    return add_files(wheel, changed), shared


def _prepare_elf(file: Path, request: RepairRequest, folder: Path) -> None:
    """Replace the name of musl with that of Alpine, and remove every RPATH that is not relative to $ORIGIN.

    With the RPATH of a build system, auditwheel would find the original libraries instead of the prepared copies.
    """
    try:
        elf = read_elf(file.read_bytes())
    except UnreadableElf:
        return  # the audit reports it
    changes: list[list[str]] = []
    if request.target.libc == "musl" and _MUSL_STUB in elf.needed:
        policy = load_policy(request.target.tag)
        changes += [["--replace-needed", _MUSL_STUB, policy.musl_library]] if policy else []
    relative = [entry for entry in elf.rpath if entry.startswith(("$ORIGIN", "${ORIGIN}"))]
    if len(relative) != len(elf.rpath):
        changes += [["--set-rpath", ":".join(relative)], *([] if relative else [["--remove-rpath"]])]
    # The target's page size, not that of the build machine (https://github.com/NixOS/patchelf/issues/79).
    patchelf = [str(request.patchelf), "--page-size", str(request.target.arch.page_size)]
    for change in changes:
        label = f"{request.target.tag}: patchelf {file.name}"
        environment = _environment(request, folder)
        run_logged([*patchelf, *change, str(file)], cwd=folder, env=environment, log=request.log, label=label)
