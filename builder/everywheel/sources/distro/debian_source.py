"""The distribution's package client as a place: archives by hash, patches out of any revision that still has them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from filelock import Timeout

from everywheel.config.recipe import DebianFile
from everywheel.execution.files import hash_file, translate_os_errors
from everywheel.sources.cache import hash_bytes, open_scratch, put_file
from everywheel.sources.deadline import Deadline, DeadlineExceeded
from everywheel.sources.distro.apt import AptRoot, ListedFile, Revision
from everywheel.sources.distro.apt_archives import Archive, find_machine_archives
from everywheel.sources.progress import OnBytes
from everywheel.sources.request import PinnedFile, Superseded, Unavailable
from everywheel.sources.unpack import read_member

_FRESH = 4 * 3600.0  # seconds for which lists that lack a file are believed


class _NotListed(Unavailable):
    """The package lists do not have a file."""


class _Unread(Superseded):
    """A patch is in no revision that could be read, and some could not: the lists may be out of date."""


class PackageClient:
    """Fetches through the private apt root; one for a run, shared by its threads.

    The lists are updated at most once in a run: when there are none, when they lack a file and are not fresh, or when
    the archive no longer has what they name. A package's packaging (its `.debian.tar`) is downloaded once for all its
    patches.
    """

    def __init__(
        self, *, store: Path, archives: tuple[Archive, ...] | None, files: Sequence[PinnedFile], deadline: Deadline
    ) -> None:
        self._store = store
        self._archives = archives
        self._packages = tuple(dict.fromkeys(file.debian.package for file in files if file.debian is not None))
        self._deadline = deadline
        self._lock = threading.Lock()
        self._package_locks = {package: threading.Lock() for package in self._packages}
        self._root: AptRoot | None = None
        self._revisions: tuple[Revision, ...] = ()
        self._updates = 0
        self._unread: dict[str, Unavailable] = {}
        self._superseded: dict[str, Path] = {}

    @property
    def exists(self) -> bool:
        """Whether this machine has a package client and archives of a distribution that recipes know."""
        with self._lock:
            if self._archives is None:
                self._archives = find_machine_archives()
            return bool(self._archives)

    def fetch(self, wanted: PinnedFile, into: Path, on_bytes: OnBytes) -> None:
        """Download one file; raise Unavailable with the reason, Superseded where a patch is in no revision any more."""
        root, revisions, updates = self._open()
        try:
            self._fetch(root, revisions, wanted, into, on_bytes)
        except Unavailable as reason:
            complete = isinstance(reason, _NotListed | Superseded) and not isinstance(reason, _Unread)
            fresh = self._refresh(updates, believe_fresh=complete)
            if fresh is None:
                raise
            self._fetch(root, fresh, wanted, into, on_bytes)

    def list_revisions(self, package: str) -> tuple[Revision, ...]:
        """Return every revision of a package that the lists hold, after bringing them up to date."""
        _, revisions, updates = self._open()
        fresh = self._refresh(updates, believe_fresh=False)
        return tuple(r for r in (revisions if fresh is None else fresh) if r.package == package)

    def read_packaging(self, revision: Revision, name: str) -> bytes | None:
        """Return one file of a revision's `.debian.tar`, None where it has none; raise Unavailable when it cannot be had."""
        packaging = self._get_packaging(self._open()[0], revision, lambda size, total: None)
        return None if packaging is None else read_member(packaging, name)

    def _open(self) -> tuple[AptRoot, tuple[Revision, ...], int]:
        """Set the root up and read its lists, the first time."""
        with self._lock:
            if self._root is None:
                root = AptRoot(self._store / "apt", self._archives or (), self._deadline)
                try:
                    with root.lock():
                        root.set_up()
                        if root.age() is None:
                            root.update()
                            self._updates += 1
                except Timeout:
                    raise DeadlineExceeded from None
                self._revisions = root.list_revisions(self._packages)
                self._root = root
            return self._root, self._revisions, self._updates

    def _refresh(self, updates: int, *, believe_fresh: bool) -> tuple[Revision, ...] | None:
        """Update the lists unless that was done, and give what they hold; None where nothing newer can be had."""
        with self._lock:
            if self._root is None or (self._updates and self._updates == updates):
                return None
            if not self._updates:
                try:
                    with self._root.lock():
                        age = self._root.age()
                        if believe_fresh and age is not None and age < _FRESH:
                            return None
                        self._root.update()
                        self._updates += 1
                except Timeout:
                    raise DeadlineExceeded from None
                self._unread.clear()
                self._revisions = self._root.list_revisions(self._packages)
            return self._revisions

    def _fetch(
        self, root: AptRoot, revisions: Iterable[Revision], wanted: PinnedFile, into: Path, on_bytes: OnBytes
    ) -> None:
        assert wanted.debian is not None
        of_package = [revision for revision in revisions if revision.package == wanted.debian.package]
        if not of_package:
            reason = f"; {root.complaint}" if root.complaint else ""
            raise _NotListed(f"no source package '{wanted.debian.package}' in {_name_suites(root)}{reason}")
        if wanted.is_patch and "/" in wanted.debian.file:
            self._fetch_patch(root, of_package, wanted, into, on_bytes)
        else:
            self._fetch_file(root, of_package, wanted, into, on_bytes)

    def _fetch_file(
        self, root: AptRoot, revisions: Sequence[Revision], wanted: PinnedFile, into: Path, on_bytes: OnBytes
    ) -> None:
        """Download a file that a revision lists under the pinned hash."""
        listed = [(revision, file) for revision in revisions for file in revision.files if file.sha256 == wanted.sha256]
        if not listed:
            offered = ", ".join(f"{revision.package} {revision.version}" for revision in revisions)
            reason = f"; {root.complaint}" if root.complaint else ""
            raise _NotListed(f"no file with the pinned hash in {offered}{reason}")
        last = Unavailable()
        for revision, file in listed:
            try:
                self._download(root, revision, file, into, on_bytes)
                return
            except Unavailable as reason:
                last = reason
        raise last

    def _fetch_patch(
        self, root: AptRoot, revisions: Sequence[Revision], wanted: PinnedFile, into: Path, on_bytes: OnBytes
    ) -> None:
        """Take a patch out of the packaging of the first revision that has it, those of the same archive first."""
        assert wanted.debian is not None
        name, answers, unread = wanted.debian.file, list[str](), 0
        listed = sorted(revisions, key=lambda revision: not _has_file(revision, wanted.patches))
        for revision in (*listed, *_name_superseded(wanted.debian, revisions)):
            try:
                packaging = self._get_packaging(root, revision, on_bytes)
                content = None if packaging is None else read_member(packaging, name)
            except Unavailable as reason:
                answers.append(f"{revision.version}: {reason}")
                unread += 1
                continue
            if content is None:
                answers.append(f"{revision.version}: not in it")
            elif hash_bytes(content) != wanted.sha256:
                answers.append(f"{revision.version}: sha256 {hash_bytes(content)}")
            else:
                with translate_os_errors(into):
                    into.write_bytes(content)
                return
        text = f"no revision of {wanted.debian.package} has {name} as pinned ({', '.join(answers)})"
        if unread == len(answers):
            raise Unavailable(text)
        raise _Unread(text) if unread else Superseded(text)

    def _get_packaging(self, root: AptRoot, revision: Revision, on_bytes: OnBytes) -> Path | None:
        """Return a revision's `.debian.tar`, downloaded unless it is there; None for a package of the older format."""
        file = next((file for file in revision.files if ".debian.tar." in file.name), None)
        if file is None:
            return None
        packaging = root.folder / "packaging"
        with self._package_locks[revision.package]:
            if file.name in self._unread:
                raise self._unread[file.name]
            if file.name in self._superseded:
                return self._superseded[file.name]
            if (
                file.sha256
                and (packaging / file.sha256).is_file()
                and hash_file(packaging / file.sha256) == file.sha256
            ):
                return packaging / file.sha256
            try:
                with open_scratch(self._store) as scratch:
                    self._download(root, revision, file, scratch / "file", on_bytes)
                    if file.sha256:
                        return put_file(scratch / "file", packaging / file.sha256, file.sha256)
                    # No list vouches for it: what is taken out of it is checked by the pin.
                    sha256 = hash_file(scratch / "file")
                    path = put_file(scratch / "file", packaging / sha256, sha256)
                    return self._superseded.setdefault(file.name, path)
            except Unavailable as reason:
                self._unread[file.name] = reason
                raise

    def _download(self, root: AptRoot, revision: Revision, file: ListedFile, into: Path, on_bytes: OnBytes) -> None:
        last = Unavailable(f"apt does not say where {file.name} is")
        for uri in root.find_uris(revision, file):
            try:
                root.download(uri, into, lambda size: on_bytes(size, file.size))
                return
            except Unavailable as reason:
                last = reason
        raise last


def _name_superseded(wanted: DebianFile, revisions: Sequence[Revision]) -> tuple[Revision, ...]:
    """Return the revision that a recipe says has a patch, where no list has it any more: mirrors keep files for a while."""
    if not wanted.revision or any(revision.version == wanted.revision for revision in revisions):
        return ()
    name = f"{wanted.package}_{wanted.revision.rpartition(':')[2]}.debian.tar.xz"
    directories = dict.fromkeys(directory for revision in revisions for directory in revision.directories)
    file = ListedFile(name=name, sha256="", size=0)
    return (Revision(package=wanted.package, version=wanted.revision, files=(file,), directories=tuple(directories)),)


def _has_file(revision: Revision, sha256: str) -> bool:
    return any(file.sha256 == sha256 for file in revision.files)


def _name_suites(root: AptRoot) -> str:
    return ", ".join(dict.fromkeys(suite for archive in root.archives for suite in archive.suites))
