"""Hostile archives: bundles that are imported, and source archives whose hash is the pinned one."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import shutil
import tarfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from cases import Case, Workspace
from damage import HOSTILE_NAMES, damage_bytes
from damaged_stores import TARGET, GoodStore
from sandbox import RunResult, list_files

_LICENSE = b"MIT\n"
_SPECIAL = (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, b"V", b"M", b"Z")


def make_archive_case(good: GoodStore, bundle: Path, workspace: Workspace) -> Case:
    """Import a damaged bundle, or build a library whose pinned source archive is hostile."""
    return (
        _import_bundle(good, bundle, workspace) if workspace.random.random() < 0.5 else _build_source(good, workspace)
    )


def _import_bundle(good: GoodStore, bundle: Path, workspace: Workspace) -> Case:
    store, archive = workspace.folder / "store", workspace.folder / "bundle.tar"
    if workspace.random.random() < 0.5:
        archive.write_bytes(damage_bytes(bundle.read_bytes(), workspace.random))
        description = "damaged bytes of a bundle"
    else:
        with tarfile.open(bundle) as good_bundle:
            members = [(member, good_bundle.extractfile(member).read()) for member in good_bundle]  # type: ignore[union-attr]
        description = _add_hostile(members, workspace)
        archive.write_bytes(_pack(members))
    return Case(
        description=f"bundle: {description}",
        commands=[["sources", "import", str(archive)]],
        cwd=good.project.root,
        variables={"EVERYWHEEL_STORE": str(store)},
        check=partial(_check_import, store),
    )


def _check_import(store: Path, results: Sequence[RunResult]) -> str | None:
    if results[-1].exit_code not in (0, 4, 7):
        return f"exit code {results[-1].exit_code} instead of 0, 4 or 7"
    files = {name: content for name, content in list_files(store / "sources") if content != "folder"}
    return (
        "a source has another hash than its name" if any(name != content for name, content in files.items()) else None
    )


def _build_source(good: GoodStore, workspace: Workspace) -> Case:
    """Replace the source of h0 by a hostile archive, which its recipe pins."""
    root = shutil.copytree(good.project.root, workspace.folder / "project")
    members = [
        (_member("h0-1.0/h0.h", size=14), b"#define H0 1\n\n"),
        (_member("h0-1.0/LICENSE", size=len(_LICENSE)), _LICENSE),
    ]
    description = _add_hostile(members, workspace)
    archive = workspace.random.choice(_COMPRESSIONS)(_pack(members))
    if workspace.random.random() < 0.2:
        archive, description = damage_bytes(archive, workspace.random), f"damaged bytes and {description}"
    digest = hashlib.sha256(archive).hexdigest()
    (workspace.folder / "mirror").mkdir()
    (workspace.folder / "mirror" / digest).write_bytes(archive)
    recipe = root / "recipes" / "h0" / "recipe.toml"
    text = recipe.read_text()
    recipe.write_text(text.replace(text.partition('sha256 = "')[2][:64], digest))
    prefix = workspace.folder / "prefix"
    return Case(
        description=f"source: {description}",
        commands=[["deps", "h0", "-t", TARGET, "--prefix", str(prefix)]],
        cwd=root,
        variables={
            "EVERYWHEEL_STORE": str(good.copy_store(workspace.folder)),
            "EVERYWHEEL_MIRRORS": str(workspace.folder / "mirror"),
        },
        check=partial(_check_prefix, prefix, workspace.canaries.SECRET),
    )


def _check_prefix(prefix: Path, secret: str, results: Sequence[RunResult]) -> str | None:
    """The prefix has no file that was read elsewhere on the machine."""
    if results[-1].exit_code not in (0, 1, 2, 4, 7):
        return f"exit code {results[-1].exit_code} instead of 0, 1, 2, 4 or 7"
    for path in prefix.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(prefix.resolve()):
            return f"{path.name} in the prefix links to a file outside"
        if path.is_file() and (secret.encode() in path.read_bytes() or b"root:x:0:0" in path.read_bytes()):
            return f"{path.name} in the prefix has the content of a file outside"
    return None


def _add_hostile(members: list[tuple[tarfile.TarInfo, bytes]], workspace: Workspace) -> str:
    """Add one to three hostile members at random positions and return their description."""
    texts = []
    for _ in range(workspace.random.randint(1, 3)):
        make = workspace.random.choice(
            (_hostile_name, _hostile_link, _link_then_file, _special, _wrong_size, _many, _bomb, _deep, _pax)
        )
        added = make(workspace)
        at = workspace.random.randint(0, len(members))
        members[at:at] = added
        texts.append(make.__name__.strip("_").replace("_", " "))
    return ", ".join(texts)


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, size
    return member


def _hostile_name(workspace: Workspace) -> list[tuple[tarfile.TarInfo, bytes]]:
    name = workspace.random.choice(
        (*HOSTILE_NAMES, str(workspace.canaries.folder / "passwd"), "h0-1.0/../../x", "h0-1.0/h0.h")
    )
    return [(_member(name, size=4), b"evil")]


def _hostile_link(workspace: Workspace) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Replace the header that the recipe copies, or another file, by a link to a file outside."""
    name = workspace.random.choice(("h0-1.0/h0.h", "h0-1.0/LICENSE", "h0-1.0/other.h", "h0-1.0", "LICENSE"))
    kind = workspace.random.choice((tarfile.SYMTYPE, tarfile.LNKTYPE))
    return [(_member(name, kind, workspace.random.choice(_targets(workspace))), b"")]


def _link_then_file(workspace: Workspace) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Add a link to a folder outside, and a file below the link."""
    link = workspace.random.choice(("h0-1.0/sub", "sub", "h0-1.0/a/b"))
    target = str(workspace.canaries.folder / workspace.random.choice(("folder", "folder/deeper", "")))
    return [(_member(link, tarfile.SYMTYPE, target), b""), (_member(f"{link}/file", size=4), b"evil")]


def _targets(workspace: Workspace) -> list[str]:
    folder = workspace.canaries.folder
    return [
        "/etc/passwd",
        "../" * 12 + "etc/passwd",
        str(folder / "passwd"),
        str(folder),
        ".",
        "..",
        "/dev/zero",
        "h0.h",
    ]


def _special(workspace: Workspace) -> list[tuple[tarfile.TarInfo, bytes]]:
    member = _member(workspace.random.choice(("h0-1.0/h0.h", "h0-1.0/device")), workspace.random.choice(_SPECIAL))
    member.mode, member.devmajor, member.devminor = 0o6777, 1, 5
    return [(member, b"")]


def _wrong_size(workspace: Workspace) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Declare another size than the member has."""
    return [(_member("h0-1.0/wrong-size", size=workspace.random.choice((1 << 20, 1 << 33, 1 << 40, 5))), b"x" * 1000)]


def _many(workspace: Workspace) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(_member(f"h0-1.0/many/{number}"), b"") for number in range(workspace.random.choice((100, 3_000)))]


def _bomb(workspace: Workspace) -> list[tuple[tarfile.TarInfo, bytes]]:
    size = workspace.random.choice((1 << 20, 200 << 20))
    return [(_member("h0-1.0/bomb", size=size), bytes(size))]


def _deep(workspace: Workspace) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(_member("h0-1.0/" + "d/" * workspace.random.choice((60, 3000)) + "file", size=1), b"x")]


def _pax(workspace: Workspace) -> list[tuple[tarfile.TarInfo, bytes]]:
    member = _member("h0-1.0/pax", size=1)
    key = workspace.random.choice(("path", "linkpath", "size", "mtime", "uid", "GNU.sparse.map", "GNU.sparse.realsize"))
    member.pax_headers = {
        key: workspace.random.choice(("-1", "9" * 30, "nan", "../../x", "x" * 100_000, "0,99999999999", "\x1b[2J"))
    }
    return [(member, b"x")]


def _pack(members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Return a tar archive whose headers are those of the members, right or wrong."""
    out = io.BytesIO()
    for member, data in members:
        member.mtime = 1 << 33 if len(member.name) % 7 == 0 else 0
        out.write(member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
        out.write(data + bytes(-len(data) % 512))
    out.write(bytes(1024))
    return out.getvalue()


def _plain(data: bytes) -> bytes:
    return data


_COMPRESSIONS: Sequence[Callable[[bytes], bytes]] = (
    partial(gzip.compress, compresslevel=1, mtime=0),
    partial(lzma.compress, preset=0),
    _plain,
)
