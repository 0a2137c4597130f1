"""Damaged and hostile wheels, which are audited and repaired."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from cases import Case, Workspace
from damage import HOSTILE_NAMES, damage_bytes
from damaged_stores import TARGET, GoodStore
from sandbox import RunResult, list_files


def make_wheel_case(good: GoodStore, prefix: Path, workspace: Workspace) -> Case:
    """Audit (three of four cases) or repair a damaged copy of a good wheel."""
    (name,) = good.wheels
    original = good.project.root / "wheelhouse" / name
    wheel = workspace.folder / name
    damage = workspace.random.choice(_DAMAGES)
    wheel.write_bytes(damage(original.read_bytes(), workspace))
    output = workspace.folder / "wheelhouse"
    if workspace.random.random() < 0.75:
        command = ["audit", str(wheel)]
        check = partial(_check_audit, wheel, original)
    else:
        command = ["repair", str(wheel), "--prefix", str(prefix), "-t", TARGET, "-w", str(output)]
        check = partial(_check_repair, output)
    variables = {"EVERYWHEEL_STORE": str(good.copy_store(workspace.folder))}
    text = f"wheel: {damage.__name__.strip('_').replace('_', ' ')}"
    return Case(description=text, commands=[command], cwd=workspace.folder, variables=variables, check=check)


def _check_audit(wheel: Path, original: Path, results: Sequence[RunResult]) -> str | None:
    """A wheel that passes the audit has the files of the original, unless its RECORD was written again."""
    code = results[-1].exit_code
    if code not in (0, 2, 5):
        return f"exit code {code} instead of 0, 2 or 5"
    if code == 0 and _read_members(wheel) != _read_members(original):
        return "a wheel with other files passed the audit"
    return None


def _check_repair(output: Path, results: Sequence[RunResult]) -> str | None:
    code = results[-1].exit_code
    if code not in (0, 1, 2, 5, 7):
        return f"exit code {code} instead of 0, 1, 2, 5 or 7"
    delivered = [name for name, _ in list_files(output) if name.endswith(".whl")]
    return f"exit code {code}, and {delivered} was delivered" if bool(delivered) != (code == 0) else None


def _read_members(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}


def _damaged_bytes(data: bytes, workspace: Workspace) -> bytes:
    return damage_bytes(data, workspace.random)


def _damaged_file(data: bytes, workspace: Workspace) -> bytes:
    """Damage the content of one file, with a right checksum in the archive."""
    files = _load(data)
    name = workspace.random.choice(sorted(files))
    return _save({**files, name: damage_bytes(files[name], workspace.random)})


def _hostile_name(data: bytes, workspace: Workspace) -> bytes:
    name = workspace.random.choice((*HOSTILE_NAMES, str(workspace.canaries.folder / "passwd")))
    return _save({**_load(data), name.replace("\udcff", "\xff") or " ": b"evil"})  # zipfile cannot write an empty name


def _link(data: bytes, workspace: Workspace) -> bytes:
    info = zipfile.ZipInfo("fixture/link")
    info.external_attr = 0o120777 << 16
    target = workspace.random.choice((str(workspace.canaries.folder / "passwd"), "/etc/passwd", "../../x", "."))
    return _save(_load(data), (info, target.encode()))


def _bomb(data: bytes, workspace: Workspace) -> bytes:
    """Add a file of many zeros, with a method that may not be allowed and a declared size that may be wrong."""
    method = workspace.random.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    size = workspace.random.choice((1 << 20, 300 << 20))
    info = zipfile.ZipInfo("fixture/bomb")
    info.compress_type = method
    packed = _save(_load(data), (info, bytes(size)))
    if workspace.random.random() < 0.5:
        packed = packed.replace(struct.pack("<I", size), struct.pack("<I", 1000))
    return packed


def _overlap(data: bytes, workspace: Workspace) -> bytes:
    """Let many entries of the directory refer to the same data."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        biggest = max(infos, key=lambda info: info.file_size)
        out = io.BytesIO(data)
        with zipfile.ZipFile(out, "a") as copy:
            for number in range(workspace.random.choice((1, 50, 5000))):
                info = zipfile.ZipInfo(f"fixture/copy{number}")
                for field in ("header_offset", "compress_size", "file_size", "CRC", "compress_type", "external_attr"):
                    setattr(info, field, getattr(biggest, field))
                copy.filelist.append(info)
                copy.NameToInfo[info.filename] = info
            copy._didModify = True  # type: ignore[attr-defined]
        return out.getvalue()


def _many_files(data: bytes, workspace: Workspace) -> bytes:
    return _save(
        {**_load(data), **{f"fixture/{number}": b"" for number in range(workspace.random.choice((1000, 50_000)))}}
    )


def _twice(data: bytes, workspace: Workspace) -> bytes:
    files = _load(data)
    name = workspace.random.choice(sorted(files))
    return _save(files, (zipfile.ZipInfo(name), b"another"))


def _metadata(data: bytes, workspace: Workspace) -> bytes:
    """Replace a file of metadata by one with hostile text."""
    files = _load(data)
    name = workspace.random.choice(sorted(name for name in files if ".dist-info/" in name))
    hostile = workspace.random.choice(HOSTILE_NAMES).encode(errors="surrogateescape")
    lines = files[name].split(b"\n")
    at = workspace.random.randrange(len(lines))
    lines[at] = lines[at].partition(b":")[0] + b": " + hostile
    return _save({**files, name: b"\n".join(lines)})


def _appended(data: bytes, workspace: Workspace) -> bytes:
    return workspace.random.choice(
        (data + workspace.random.randbytes(100), workspace.random.randbytes(100) + data, data + data)
    )


_DAMAGES: Sequence[Callable[[bytes, Workspace], bytes]] = (
    _damaged_bytes,
    _damaged_bytes,
    _damaged_file,
    _damaged_file,
    _hostile_name,
    _link,
    _bomb,
    _overlap,
    _many_files,
    _twice,
    _metadata,
    _appended,
)


def _load(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def _save(files: dict[str, bytes], *entries: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO()
    # zipfile warns of a second file with the same name, which is one kind of damage.
    warnings.filterwarnings("ignore", "Duplicate name")
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        for info, content in entries:
            archive.writestr(info, content)
    return out.getvalue()
