"""The distribution's package client as a location: archives by their hash, patches from any revision that contains them."""

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
from everywheel.sources.http import LARGEST_SOURCE
from everywheel.sources.progress import OnBytes
from everywheel.sources.request import PinnedFile, Superseded, Unavailable
from everywheel.sources.unpack import read_member

_MAX_AGE = 4 * 3600.0  # seconds until lists without a file are updated before the file counts as unavailable


class _NotListed(Unavailable):
    """The package lists do not have a file."""


class _UnreadRevisions(Superseded):
    """A patch is in no readable revision, and some revisions could not be read: the lists may be out of date."""


class PackageClient:
    """Downloads through the private apt root; one for a run, shared by its threads.

    The lists are updated at most once in a run: when none exist, when they do not contain a file and are older than
    four hours, or when the archive no longer has a file that they list. A package's packaging (its `.debian.tar`) is
    downloaded once for all its patches.
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
        """True if this machine has a package client and archives of a distribution that is in the table."""
        with self._lock:
            if self._archives is None:
                self._archives = find_machine_archives()
            return bool(self._archives)

    def fetch(self, file: PinnedFile, path: Path, on_bytes: OnBytes) -> None:
        """Download one file.

        Raises Unavailable with the reason, and Superseded for a patch that no revision contains any more.
        """
        root, revisions, updates = self._open()
        try:
            self._fetch(root, revisions, file, path, on_bytes)
        except Unavailable as reason:
            is_complete = isinstance(reason, _NotListed | Superseded) and not isinstance(reason, _UnreadRevisions)
            updated = self._update(updates, trust_recent=is_complete)
            if updated is None:
                raise
            self._fetch(root, updated, file, path, on_bytes)

    def list_revisions(self, package: str) -> tuple[Revision, ...]:
        """Return every revision of a package in the lists, after updating them."""
        _, revisions, updates = self._open()
        updated = self._update(updates, trust_recent=False)
        return tuple(r for r in (revisions if updated is None else updated) if r.package == package)

    def read_packaging(self, revision: Revision, name: str) -> bytes | None:
        """Return one file of a revision's `.debian.tar`, or None; raise Unavailable when the archive is unavailable."""
        packaging = self._get_packaging(self._open()[0], revision, lambda size, total: None)
        return None if packaging is None else read_member(packaging, name)

    def _open(self) -> tuple[AptRoot, tuple[Revision, ...], int]:
        """Return the root, the revisions in its lists and the number of updates; the first call sets the root up."""
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

    def _update(self, updates: int, *, trust_recent: bool) -> tuple[Revision, ...] | None:
        """Update the lists, unless this run already did, and return them; None when the caller's lists are the newest.

        `updates` is the number of updates before the caller read the lists; with `trust_recent`, lists from an earlier
        run count as up to date for some hours.
        """
        with self._lock:
            if self._root is None or (self._updates and self._updates == updates):
                return None
            if not self._updates:
                try:
                    with self._root.lock():
                        age = self._root.age()
                        if trust_recent and age is not None and age < _MAX_AGE:
                            return None
                        self._root.update()
                        self._updates += 1
                except Timeout:
                    raise DeadlineExceeded from None
                self._unread.clear()
                self._revisions = self._root.list_revisions(self._packages)
            return self._revisions

    def _fetch(
        self, root: AptRoot, revisions: Iterable[Revision], file: PinnedFile, path: Path, on_bytes: OnBytes
    ) -> None:
        assert file.debian is not None
        matching = [revision for revision in revisions if revision.package == file.debian.package]
        if not matching:
            message = f"no source package '{file.debian.package}' in {_name_suites(root)}"
            raise _NotListed(_append_error(message, root))
        if file.is_patch and "/" in file.debian.file:
            self._fetch_patch(root, matching, file, path, on_bytes)
        else:
            self._fetch_file(root, matching, file, path, on_bytes)

    def _fetch_file(
        self, root: AptRoot, revisions: Sequence[Revision], pinned: PinnedFile, path: Path, on_bytes: OnBytes
    ) -> None:
        """Download a file that a revision lists with the pinned hash."""
        listed = [(revision, file) for revision in revisions for file in revision.files if file.sha256 == pinned.sha256]
        if not listed:
            available = ", ".join(f"{revision.package} {revision.version}" for revision in revisions)
            raise _NotListed(_append_error(f"no file with the pinned hash in {available}", root))
        last = Unavailable()
        for revision, file in listed:
            try:
                self._download(root, revision, file, path, on_bytes)
                return
            except Unavailable as reason:
                last = reason
        raise last

    def _fetch_patch(
        self, root: AptRoot, revisions: Sequence[Revision], patch: PinnedFile, path: Path, on_bytes: OnBytes
    ) -> None:
        """Extract a patch from the packaging of the first revision that contains it, those of the same archive first."""
        assert patch.debian is not None
        name, reasons, unread = patch.debian.file, list[str](), 0
        listed = sorted(revisions, key=lambda revision: not _has_file(revision, patch.patches))
        for revision in (*listed, *_find_superseded(patch.debian, revisions)):
            try:
                packaging = self._get_packaging(root, revision, on_bytes)
                content = None if packaging is None else read_member(packaging, name)
            except Unavailable as reason:
                reasons.append(f"{revision.version}: {reason}")
                unread += 1
                continue
            if content is None:
                reasons.append(f"{revision.version}: missing")
            elif hash_bytes(content) != patch.sha256:
                reasons.append(f"{revision.version}: sha256 {hash_bytes(content)}")
            else:
                with translate_os_errors(path):
                    path.write_bytes(content)
                return
        message = f"no revision of {patch.debian.package} has the pinned {name} ({', '.join(reasons)})"
        if unread == len(reasons):
            raise Unavailable(message)
        raise _UnreadRevisions(message) if unread else Superseded(message)

    def _get_packaging(self, root: AptRoot, revision: Revision, on_bytes: OnBytes) -> Path | None:
        """Return a revision's `.debian.tar`, downloading it if necessary; None for a package of the older format."""
        file = next((file for file in revision.files if ".debian.tar." in file.name), None)
        if file is None:
            return None
        directory = root.directory / "packaging"
        with self._package_locks[revision.package]:
            if file.name in self._unread:
                raise self._unread[file.name]
            if file.name in self._superseded:
                return self._superseded[file.name]
            path = directory / file.sha256
            if file.sha256 and path.is_file() and hash_file(path) == file.sha256:
                return path
            try:
                with open_scratch(self._store) as scratch:
                    self._download(root, revision, file, scratch / "file", on_bytes)
                    if file.sha256:
                        return put_file(scratch / "file", path, file.sha256)
                    # The lists do not contain its hash; the hash of the patch in it is pinned and checked.
                    sha256 = hash_file(scratch / "file")
                    path = put_file(scratch / "file", directory / sha256, sha256)
                    return self._superseded.setdefault(file.name, path)
            except Unavailable as reason:
                self._unread[file.name] = reason
                raise

    def _download(self, root: AptRoot, revision: Revision, file: ListedFile, path: Path, on_bytes: OnBytes) -> None:
        last = Unavailable(f"apt lists no URI for {file.name}")
        limit = file.size or LARGEST_SOURCE

        def report(size: int) -> None:
            if size > limit:
                raise Unavailable(f"sends more bytes, but at most {limit} are accepted")
            on_bytes(size, file.size)

        for uri in root.find_uris(revision, file):
            try:
                root.download(uri, path, report)
                return
            except Unavailable as reason:
                last = reason
        raise last


def _find_superseded(patch: DebianFile, revisions: Sequence[Revision]) -> tuple[Revision, ...]:
    """Return the revision that a recipe names for a patch if no list has it any more: mirrors keep its files for a while."""
    if not patch.revision or any(revision.version == patch.revision for revision in revisions):
        return ()
    name = f"{patch.package}_{patch.revision.rpartition(':')[2]}.debian.tar.xz"
    directories = dict.fromkeys(directory for revision in revisions for directory in revision.directories)
    file = ListedFile(name=name, sha256="", size=0)
    return (Revision(package=patch.package, version=patch.revision, files=(file,), directories=tuple(directories)),)


def _has_file(revision: Revision, sha256: str) -> bool:
    return any(file.sha256 == sha256 for file in revision.files)


def _name_suites(root: AptRoot) -> str:
    return ", ".join(dict.fromkeys(suite for archive in root.archives for suite in archive.suites))


def _append_error(message: str, root: AptRoot) -> str:
    return f"{message}; {root.update_error}" if root.update_error else message
