"""The packaging of a source package (its `.debian.tar`): the list of patches, what each fixes, and the changelog."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from everywheel.archives.refusal import ArchiveError
from everywheel.archives.tar_reader import TarKind, open_tar
from everywheel.config.text_rules import PATH
from everywheel.sources.distro.debian_version import DebianVersion
from everywheel.sources.request import Unavailable

PATCHES = "debian/patches"
_LARGEST = 16 << 20  # bytes of all patches and the changelog together
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}", re.ASCII)
# Several in one name: `CVE-2025-49794_49796.patch` or `CVE-2025-49794-49796.patch`, but in `CVE-2026-1484-2.patch` the last
# number is that of a part, and `CVE-2026-1484-20260213.patch` ends with a date. Packagers also write `cve-2026-7598.patch`.
_NAMED = re.compile(r"CVE-([0-9]{4})-([0-9]{4,19})((?:[-_][0-9]{4,7}(?![0-9A-Za-z]))*)", re.ASCII | re.IGNORECASE)
_DIFF = re.compile(r"^(?:---|diff |Index: )", re.M)
_ENTRY = re.compile(r"^\S+ \(([^)\s]+)\) ", re.M)
_STRIP = re.compile(r"-p *1|--strip=1")
_CLAIM = re.compile(
    r"^(?:Bug|Bug-[A-Za-z]+|CVE|Subject|Description|Fixes|Resolves|Security|Vulnerability): *(.*(?:\n[ \t].*)*)", re.M
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedPatch:
    """One patch of the list, by its path in the packaging, such as `debian/patches/CVE-2026-1.patch`."""

    file: str
    content: bytes = field(repr=False)
    fixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Packaging:
    """The patches of a revision in the order in which they are applied, and its changelog."""

    patches: tuple[PackagedPatch, ...]
    changelog: str = field(default="", repr=False)

    def list_fixes(self, after: DebianVersion) -> tuple[str, ...]:
        """Return the CVEs that the entries of the changelog after a version name, sorted."""
        names: set[str] = set()
        entries = list(_ENTRY.finditer(self.changelog))
        ends = [*(entry.start() for entry in entries), len(self.changelog)][1:]
        for entry, end in zip(entries, ends, strict=True):
            try:
                if DebianVersion(entry[1]) <= after:
                    break
            except ValueError:
                break
            names.update(_CVE.findall(self.changelog, entry.start(), end))
        return tuple(sorted(names, key=sort_key))


def sort_key(name: str) -> tuple[int, ...]:
    """Return a key that sorts the names of vulnerabilities by year and number."""
    return tuple(int(number) for number in re.findall(r"[0-9]+", name))


def read_packaging(archive: Path) -> Packaging:
    """Read the packaging of a source package.

    Raises Unavailable for an archive that cannot be read, and for a list that names a patch that is not in the archive, or
    one that does not apply with one leading component to strip.
    """
    files = _read_files(archive)
    changelog = files.get("debian/changelog", b"").decode(errors="replace")
    # dpkg-source prefers the list of its own vendor.
    series = files.get(f"{PATCHES}/debian.series", files.get(f"{PATCHES}/series", b""))
    return Packaging(patches=tuple(_list_patches(series.decode(errors="replace"), files)), changelog=changelog)


def _read_files(archive: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    left = _LARGEST
    try:
        with open_tar(archive) as members:
            for member in members:
                name = posixpath.normpath(member.name)
                if member.kind is TarKind.FILE and (name == "debian/changelog" or name.startswith(f"{PATCHES}/")):
                    if member.size > left:
                        raise Unavailable(f"has more than {_LARGEST >> 20} MiB of patches")
                    files[name] = members.read(left)
                    left -= member.size
    except (ArchiveError, OSError) as error:
        raise Unavailable(f"cannot be read: {str(error).lower()}") from None
    return files


def _list_patches(series: str, files: Mapping[str, bytes]) -> Iterator[PackagedPatch]:
    names: set[str] = set()
    for line in series.splitlines():
        name, _, options = line.partition("#")[0].strip().partition(" ")
        if not name:
            continue
        if options.strip() and not _STRIP.fullmatch(options.strip()):
            raise Unavailable(f"debian/patches/series applies {name} with '{options.strip()}', but recipes with -p1")
        file = posixpath.normpath(f"{PATCHES}/{name}")
        if not PATH.accepts(file) or not file.startswith(f"{PATCHES}/") or file in names:
            raise Unavailable(f"debian/patches/series has an unusable line: {name}")
        if file not in files:
            raise Unavailable(f"debian/patches/series lists {name}, which the archive does not contain")
        names.add(file)
        yield PackagedPatch(file=file, content=files[file], fixes=find_fixes(file, files[file]))


def find_fixes(file: str, content: bytes) -> tuple[str, ...]:
    """Return the CVEs that a patch fixes: those in its name, or, if it has none, those that its header names (DEP-3)."""
    named = [f"CVE-{m[1]}-{number}" for m in _NAMED.finditer(file) for number in (m[2], *re.findall(r"[0-9]+", m[3]))]
    text = content[: 1 << 16].decode(errors="replace")
    diff = _DIFF.search(text)
    header = text[: diff.start()] if diff else text
    claimed = [name for claim in _CLAIM.finditer(header) for name in _CVE.findall(claim[1])]
    return tuple(sorted({*(named or claimed)}, key=sort_key))
