"""Repair on Linux: auditwheel grafts the libraries; before, musl gets the name that real systems have for it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path, PurePosixPath

from everywheel.binaries.elf import MAGIC, UnreadableElf, read_elf
from everywheel.errors import BuildError
from everywheel.execution.process import run_logged
from everywheel.platforms.linux_policy import load_policy
from everywheel.repair.request import RepairRequest
from everywheel.wheels.wheel import Wheel, add_files, pack_wheel, read_wheel

_MUSL_STUB = "libc.so"  # what zig calls musl; Alpine has it under its architecture's name


def graft_libraries(wheel: Wheel, repair: RepairRequest, folder: Path) -> Wheel:
    """Return the wheel with the libraries that it needs, from the prefix alone, inside it and under names of their own.

    Raises BuildError when auditwheel cannot graft a library or finds that the wheel cannot keep the target's promise.
    """
    prepared, shared = _prepare(wheel, repair, folder)
    return _graft(prepared, shared, repair, folder)


def _graft(wheel: Wheel, shared: Path, repair: RepairRequest, folder: Path) -> Wheel:
    """Run auditwheel and return what it made.

    It refuses `--plat` for any architecture or libc but the build machine's; of a wheel that is tagged already it takes
    both from the tag. On failure it leaves an unrepaired wheel behind, so it works in a folder that is thrown away.
    """
    label = repair.describe(wheel)
    unrepaired = pack_wheel(wheel, folder / "unrepaired", epoch=repair.epoch)
    results = folder / "repaired"
    # --ldpaths replaces auditwheel's own list of folders, so that no library of the build machine can be taken.
    # Compression would be lost time: the archive is packed anew.
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "auditwheel",
        "-v",
        "repair",
        "--plat",
        "auto",
        "--ldpaths",
        shared,
        "--zip-compression-level",
        "0",
        "--wheel-dir",
        results,
        unrepaired,
    ]
    run_logged(
        command,
        cwd=folder,
        env=_environment(repair, folder),
        log=repair.log,
        what=f"{label}: repair",
        hint="does the prefix hold every library that the extension needs, under `requires` of [tool.everywheel]?",
    )
    found = sorted(results.glob("*.whl"))
    if len(found) != 1:
        raise BuildError(f"{label}: auditwheel left {len(found)} wheels where one was to be", log=repair.log)
    repaired = read_wheel(found[0])
    _check_promise(wheel, repaired, repair)
    return repaired


def _environment(repair: RepairRequest, folder: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AUDITWHEEL_", "LD_"))}
    ours = {"PATH": str(repair.patchelf.parent), "TMPDIR": str(folder), "SOURCE_DATE_EPOCH": str(repair.epoch)}
    return {**kept, **ours}


def _check_promise(before: Wheel, after: Wheel, repair: RepairRequest) -> None:
    """Raise BuildError when all that auditwheel would add to the target's own tag are newer ones."""
    new = [load_policy(tag) for tag in after.platform.split(".") if tag != before.platform]
    found = [policy for policy in new if policy is not None]
    if found and min(policy.floor for policy in found) > repair.target.libc_version:
        raise BuildError(
            f"{repair.describe(before)}: the wheel needs a newer system than its tag promises",
            details={"auditwheel finds": min(found, key=lambda policy: policy.floor).tag},
            log=repair.log,
            hint="`everywheel audit` on the wheel names the library and the symbol",
        )


def _prepare(wheel: Wheel, repair: RepairRequest, folder: Path) -> tuple[Wheel, Path]:
    """Return the wheel and a folder with copies of the prefix's shared libraries, both fit for auditwheel."""
    shared = folder / "lib"
    shared.mkdir()
    for path in sorted((repair.prefix / "lib").glob("*.so*")):
        shutil.copy2(path, shared / path.name, follow_symlinks=False)
        if not path.is_symlink():
            _prepare_elf(shared / path.name, repair, folder)
    changed = {}
    for name, content in wheel.files.items():
        if content.data.startswith(MAGIC):
            file = folder / PurePosixPath(name).name
            file.write_bytes(content.data)
            _prepare_elf(file, repair, folder)
            changed[name] = file.read_bytes()
    return add_files(wheel, changed), shared


def _prepare_elf(file: Path, repair: RepairRequest, folder: Path) -> None:
    """Give musl the name that it has on real systems, and drop every RPATH that is not relative to $ORIGIN.

    A build system's RPATH would lead auditwheel past our copies, to libraries as they were.
    """
    try:
        elf = read_elf(file.read_bytes())
    except UnreadableElf:
        return  # the audit tells it
    changes: list[list[str]] = []
    if repair.target.libc == "musl" and _MUSL_STUB in elf.needed:
        policy = load_policy(repair.target.tag)
        changes += [["--replace-needed", _MUSL_STUB, policy.musl_library]] if policy else []
    kept = [entry for entry in elf.rpath if entry.startswith(("$ORIGIN", "${ORIGIN}"))]
    if len(kept) != len(elf.rpath):
        changes += [["--set-rpath", ":".join(kept)], *([] if kept else [["--remove-rpath"]])]
    for change in changes:
        command = [str(repair.patchelf), "--page-size", str(repair.target.arch.page_size), *change, str(file)]
        what = f"{repair.target.tag}: patchelf {file.name}"
        run_logged(command, cwd=folder, env=_environment(repair, folder), log=repair.log, what=what)
