"""Repair: make a wheel portable by grafting its libraries into it (auditwheel), with their licences and an SBOM."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from packaging.metadata import RawMetadata

from builder.audit.hygiene import drop_graft_hash
from builder.audit.policy import load_policy
from builder.elf import MAGIC, UnreadableElf, read_elf
from builder.errors import BuildError
from builder.libraries import Library, load_libraries
from builder.licenses import check_expression, combine_expressions
from builder.run import run
from builder.sbom import make_sbom
from builder.target import Target
from builder.wheel import Wheel, WheelFile, add_files, edit_metadata, pack_wheel, read_metadata, read_wheel, retag_wheel

_METADATA_VERSION = "2.4"  # the first with License-Expression (PEP 639)
_MUSL_STUB = "libc.so"  # what zig calls musl; Alpine has it under its architecture's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What a repair takes beside the wheel.

    `prefix` holds the target's libraries, `patchelf` is the program, `leave_out` names recipes of the prefix of which
    nothing ends up in the wheel (the Python headers), `module_exports` are globs of the symbols that extension modules
    may let out, `epoch` is the time of every file in the result, `work` a folder for what is in the making. Without
    `python` and `abi` the wheel keeps its own tags.
    """

    target: Target
    prefix: Path
    patchelf: Path
    work: Path
    log: Path
    epoch: int
    leave_out: Collection[str] = ()
    module_exports: Sequence[str] = ("PyInit_*",)
    python: str = ""
    abi: str = ""

    def describe(self, wheel: Wheel) -> str:
        """How messages name it: `webpencode 0.1.0 for manylinux_2_17_x86_64`."""
        return f"{wheel.name} {wheel.version} for {self.target.tag}"


def repair_wheel(path: Path, repair: Repair, into: Path) -> Path:
    """Repair the wheel at `path` for the target, put the result into a folder, and return where it is.

    The libraries come from the prefix alone, never from the build machine. Nothing is left in `into` on failure.
    Raises BuildError when auditwheel cannot graft a library or finds that the wheel cannot keep the target's promise.
    """
    wheel = read_wheel(path)
    libraries = load_libraries(repair.prefix, leave_out=repair.leave_out)
    repair.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=repair.work, prefix="repair-") as temporary:
        folder = Path(temporary)
        tagged, shared = _prepare(_retag(wheel, repair), repair, folder)
        grafted = _graft(tagged, shared, repair, folder)
    # auditwheel adds tags for every name of the policy, and for higher ones that the wheel would do for: one is enough.
    finished = add_papers(_retag(grafted, repair), libraries, repair)
    return pack_wheel(finished, into, epoch=repair.epoch)


def _retag(wheel: Wheel, repair: Repair) -> Wheel:
    python, abi = repair.python or wheel.python, repair.abi or wheel.abi
    return retag_wheel(wheel, python=python, abi=abi, platform=repair.target.wheel_tag)


def _graft(wheel: Wheel, shared: Path, repair: Repair, folder: Path) -> Wheel:
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
        sys.executable, "-m", "auditwheel", "-v", "repair", "--plat", "auto", "--ldpaths", shared,
        "--zip-compression-level", "0", "--wheel-dir", results, unrepaired,
    ]  # fmt: skip
    run(
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


def _environment(repair: Repair, folder: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AUDITWHEEL_", "LD_"))}
    ours = {"PATH": str(repair.patchelf.parent), "TMPDIR": str(folder), "SOURCE_DATE_EPOCH": str(repair.epoch)}
    return {**kept, **ours}


def _check_promise(before: Wheel, after: Wheel, repair: Repair) -> None:
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


def _prepare(wheel: Wheel, repair: Repair, folder: Path) -> tuple[Wheel, Path]:
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


def _prepare_elf(file: Path, repair: Repair, folder: Path) -> None:
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
        run(command, cwd=folder, env=_environment(repair, folder), log=repair.log, what=what)


def add_papers(wheel: Wheel, libraries: Sequence[Library], repair: Repair) -> Wheel:
    """Return the wheel with every library's licence texts, one expression for all of it, and the SBOM that lists it."""
    folder = f"{wheel.dist_info}/licenses"
    texts = {f"{library.name}/{file}": text for library in libraries for file, text in library.texts.items()}
    own = _own_license(wheel)
    try:
        expression = combine_expressions([own, *(library.license for library in libraries)])
    except ValueError as error:
        raise BuildError(f"{repair.describe(wheel)}: a licence is not a valid SPDX expression: {error}") from None

    def license_all(metadata: RawMetadata) -> RawMetadata:
        changed = RawMetadata(**metadata)
        changed.pop("license", None)  # PEP 639 allows neither it nor the classifiers beside an expression
        if "classifiers" in changed:
            changed["classifiers"] = [c for c in changed["classifiers"] if not c.startswith("License ::")]
        changed["license_expression"] = expression
        changed["license_files"] = list(dict.fromkeys([*changed.get("license_files", []), *sorted(texts)]))
        changed["metadata_version"] = max(changed["metadata_version"], _METADATA_VERSION, key=_number)
        return changed

    moved = _move_license_files(wheel)
    papers = add_files(edit_metadata(moved, license_all), {f"{folder}/{file}": text for file, text in texts.items()})
    grafted = match_grafts(papers, libraries)
    document = make_sbom(
        name=wheel.name,
        version=wheel.version,
        license=own,
        libraries=libraries,
        grafted=grafted,
        hashes={f: hashlib.sha256(papers.files[f].data).hexdigest() for files in grafted.values() for f in files},
        module_exports=repair.module_exports,
        epoch=repair.epoch,
    )
    return add_files(papers, {f"{wheel.dist_info}/sboms/{wheel.name}.cdx.json": document})


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _own_license(wheel: Wheel) -> str:
    metadata = read_metadata(wheel)
    found = metadata.get("license_expression") or metadata.get("license", "")
    try:
        return check_expression(found)
    except ValueError:
        raise BuildError(
            f"{wheel.filename}: its own licence is not given as an SPDX expression",
            details={"licence": f"'{found[:60]}'"},
            hint='write `license = "MIT"`, or whichever it is, in [project] of its pyproject.toml',
        ) from None


def _move_license_files(wheel: Wheel) -> Wheel:
    """Put licence files that lie beside METADATA, where older backends leave them, into `licenses/` (PEP 639)."""
    files: dict[str, WheelFile] = dict(wheel.files)
    for name in read_metadata(wheel).get("license_files", []):
        old, new = f"{wheel.dist_info}/{name}", f"{wheel.dist_info}/licenses/{name}"
        if old in files and new not in files:
            files[new] = files.pop(old)
    return replace(wheel, files=files)


def match_grafts(wheel: Wheel, libraries: Sequence[Library]) -> Mapping[str, tuple[str, ...]]:
    """Return, for each library, its files among those that were grafted into the wheel."""
    folder = f"{wheel.name}.libs/"
    files = [file for file in wheel.files if file.startswith(folder)]
    grafts = {file: drop_graft_hash(PurePosixPath(file).name).split(".so")[0] for file in files}
    found = {
        library.name: tuple(sorted(file for file, stem in grafts.items() if stem in (*library.files, library.name)))
        for library in libraries
    }
    return {name: files for name, files in found.items() if files}
