"""Repair on Linux: auditwheel grafts the libraries, after patchelf has corrected names and search paths."""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from everywheel.binaries.elf import MAGIC, ElfFacts, read_elf
from everywheel.binaries.formats import Binary
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.errors import BuildError
from everywheel.execution.input_files import leads_out
from everywheel.execution.process import run_logged
from everywheel.libraries.library_facts import list_prefix_files
from everywheel.platforms.linux_policy import load_policy
from everywheel.platforms.tags import parse_platforms
from everywheel.repair.dlopened import find_dlopened
from everywheel.repair.needed import MUSL_STUB, NeededLibraries, scheme_of
from everywheel.repair.request import RepairRequest
from everywheel.repair.tool import RepairTool, newer_system_error, run_repair_tool
from everywheel.wheels.wheel import Wheel, WheelFile, add_files


def merge_platlib(wheel: Wheel) -> Wheel:
    """Return the wheel with the files of `.data/platlib` and `.data/purelib` where installers put them (PEP 427).

    A directory without compiled files is kept. For a module in these directories, auditwheel would write an RPATH that is
    wrong after the installation. Raises BuildError when the wheel contains a file in both places.
    """
    files: dict[str, WheelFile] = {}
    data = f"{wheel.name}-{wheel.version}.data"
    folders = [f"{data}/{scheme}/" for scheme in ("platlib", "purelib")]
    merged = tuple(
        folder
        for folder in folders
        if any(path.startswith(folder) and file.data.startswith(MAGIC) for path, file in wheel.files.items())
    )
    for path, file in wheel.files.items():
        folder = next((folder for folder in merged if path.startswith(folder)), "")
        installed = path.removeprefix(folder)
        if installed in files:
            raise BuildError(f"{wheel.filename}: {installed} is in the wheel and in its {data}")
        files[installed] = file
    return replace(wheel, files=files)


def graft_libraries(wheel: Wheel, needed: NeededLibraries, request: RepairRequest, folder: Path) -> Wheel:
    """Return the wheel with copies of the libraries that it needs, under unique names; they come from the prefix only.

    Raises BuildError when auditwheel cannot graft a library or decides that the wheel needs a newer system than the
    target.
    """
    prepared, shared = _prepare(wheel, needed, request, folder)
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
    # auditwheel unpacks and packs all files, and changes compiled files and metadata only.
    others = {path: file for path, file in prepared.files.items() if not _concerns_auditwheel(path, file, wheel)}
    examined = {path: file for path, file in prepared.files.items() if path not in others}
    repaired = run_repair_tool(tool, replace(prepared, files=examined), request, folder)
    _check_promise(wheel, repaired, request)
    return replace(repaired, files={**others, **repaired.files})


def _concerns_auditwheel(path: str, file: WheelFile, wheel: Wheel) -> bool:
    return file.data.startswith(MAGIC) or path.startswith(f"{wheel.dist_info}/")


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


def _prepare(wheel: Wheel, needed: NeededLibraries, request: RepairRequest, folder: Path) -> tuple[Wheel, Path]:
    """Return the wheel, and a directory with copies of the prefix's shared libraries, both ready for auditwheel."""
    shared = folder / "lib"
    shared.mkdir()
    for library in [path for path in list_prefix_files(request.prefix, "lib") if ".so" in path.name]:
        copy = shared / library.name
        shutil.copy2(library, copy, follow_symlinks=leads_out(library, library.parent))
        if not copy.is_symlink():
            facts = _read(copy)
            changes = _list_changes(facts, request, needed.renamed)
            if facts is not None and (name := needed.renamed.get(facts.soname)):
                changes += [["--set-soname", name]]
                if name != copy.name:
                    (shared / name).symlink_to(copy.name)
            _edit_elf(copy, changes, request, folder)
    libraries = f"{wheel.name}.libs"  # auditwheel puts the libraries that it grafts into this directory too
    dlopened = {f"{libraries}/{opened.name}": opened for opened in find_dlopened(wheel, needed, request)}
    contents = {path: wheel.files[path].data for path in needed.binaries}
    contents |= {path: opened.file.read_bytes() for path, opened in dlopened.items()}
    changed = {}
    for number, (path, data) in enumerate(contents.items()):
        file = folder / "files" / str(number) / posixpath.basename(path)
        file.parent.mkdir(parents=True)
        file.write_bytes(data)
        names = [opened.name for opened in dlopened.values() if path in opened.users]
        own = _find_own_libraries(path, needed) if path in needed.binaries else []
        directories = [*own, *([libraries] if names else [])]
        elf = needed.binaries[path] if path in needed.binaries else _read(file)
        search = [_relative_to_origin(directory, path) for directory in directories]
        changes = _list_changes(elf, request, needed.renamed, search)
        changes += [["--add-needed", name] for name in names]
        changes += [["--set-soname", dlopened[path].name]] if path in dlopened else []
        _edit_elf(file, changes, request, folder)
        changed[path] = file.read_bytes()
    return add_files(wheel, changed), shared


def _find_own_libraries(path: str, needed: NeededLibraries) -> list[str]:
    """Return the directories with libraries of the wheel itself that a file needs and that its RPATH does not name."""
    elf = needed.binaries[path]
    here, searched = posixpath.dirname(path), [entry for entry in elf.rpath if _is_relative(entry)]
    directories = []
    for name in elf.needed:
        candidates = [own for own in needed.own.get(name, ()) if scheme_of(own) == scheme_of(path)]
        reached = {posixpath.normpath(posixpath.join(here, _drop_origin(entry), name)) for entry in searched}
        if candidates and name not in needed.direct[path] and reached.isdisjoint(candidates):
            relative = {own: posixpath.relpath(posixpath.dirname(own), here or ".") for own in candidates}
            directories.append(posixpath.dirname(min(candidates, key=lambda own: (relative[own].count("/"), own))))
    return list(dict.fromkeys(directories))


def _is_relative(entry: str) -> bool:
    return entry.startswith(("$ORIGIN", "${ORIGIN}"))


def _drop_origin(entry: str) -> str:
    return entry.removeprefix("$ORIGIN").removeprefix("${ORIGIN}").lstrip("/")


def _relative_to_origin(directory: str, path: str) -> str:
    relative = posixpath.relpath(directory or ".", posixpath.dirname(path) or ".")
    return "$ORIGIN" if relative == "." else f"$ORIGIN/{relative}"


def _read(file: Path) -> ElfFacts | None:
    try:
        return read_elf(file.read_bytes())
    except UnreadableElf:
        return None  # the audit reports it


def _list_changes(
    elf: Binary | None, request: RepairRequest, renamed: Mapping[str, str], directories: Iterable[str] = ()
) -> list[list[str]]:
    """Return the options of patchelf, for one call each, that make a file ready for auditwheel.

    They replace the name of musl with that of Alpine and those in `renamed`, remove every RPATH that is not relative to
    $ORIGIN, and add `directories`. With the RPATH of a build system, auditwheel would find the original libraries instead of
    the prepared copies.
    """
    if not isinstance(elf, ElfFacts):
        return []
    changes: list[list[str]] = []
    if request.target.libc == "musl" and MUSL_STUB in elf.needed:
        policy = load_policy(request.target.tag)
        changes += [["--replace-needed", MUSL_STUB, policy.musl_library]] if policy else []
    changes += [["--replace-needed", name, renamed[name]] for name in elf.needed if name in renamed]
    entries = list(dict.fromkeys([*filter(_is_relative, elf.rpath), *directories]))
    if entries != list(elf.rpath):
        changes += [["--set-rpath", ":".join(entries), *([] if entries else ["--remove-rpath"])]]
    return changes


def _edit_elf(file: Path, changes: Sequence[Sequence[str]], request: RepairRequest, folder: Path) -> None:
    # The target's page size, not that of the build machine (https://github.com/NixOS/patchelf/issues/79).
    patchelf = [str(request.patchelf), "--page-size", str(request.target.arch.page_size)]
    for change in changes:
        label = f"{request.target.tag}: patchelf {file.name}"
        environment = _environment(request, folder)
        run_logged([*patchelf, *change, str(file)], cwd=folder, env=environment, log=request.log, label=label)
