"""The distribution's package client as a location: archives by their hash, patches from any revision that contains them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from filelock import Timeout

from everywheel.config.source import DebianFile
from everywheel.execution.files import hash_file, translate_os_errors
from everywheel.sources.availability import Availability
from everywheel.sources.cache import hash_bytes, open_scratch, put_file
from everywheel.sources.deadline import Deadline, DeadlineExceeded
from everywheel.sources.distro.apt import AptRoot, ListedFile, Revision, classify_failure
from everywheel.sources.distro.apt_archives import Archive, find_machine_archives
from everywheel.sources.progress import OnBytes
from everywheel.sources.request import PinnedFile, Superseded, Unavailable, Unreachable, WrongSize
from everywheel.sources.unpack import read_member
from everywheel.sources.url import LARGEST_SOURCE, find_host

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
        self,
        *,
        store: Path,
        archives: tuple[Archive, ...] | None,
        files: Sequence[PinnedFile],
        deadline: Deadline,
        availability: Availability | None = None,
    ) -> None:
        self._store = store
        self._archives = archives
        pinned = [part.debian for file in files for part in (file, file.archive) if part is not None]
        self._packages = tuple(dict.fromkeys(debian.package for debian in pinned if debian is not None))
        self._deadline = deadline
        self._availability = availability or Availability()
        self._lock = threading.Lock()
        self._package_locks = {package: threading.Lock() for package in self._packages}
        self._root: AptRoot | None = None
        self._revisions: tuple[Revision, ...] = ()
        self._updates = 0
        self._unread: dict[str, Unavailable] = {}

    @property
    def exists(self) -> bool:
        """True if this machine has a package client and archives of a distribution that is in the table."""
        with self._lock:
            if self._archives is None:
                self._archives = find_machine_archives()
            return bool(self._archives)

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts of the package archives."""
        return frozenset(find_host(archive.uri) for archive in self._archives or ()) if self.exists else frozenset()

    @property
    def has_lists(self) -> bool:
        """True if package lists exist, so that files can be fetched without updating the lists first."""
        with self._lock:
            if self._root is None:
                return AptRoot(self._store / "apt", self._archives or (), self._deadline).age() is not None
            return True

    def fetch_listed(self, file: PinnedFile, path: Path, on_bytes: OnBytes) -> None:
        """Download one file that the existing package lists contain; raise Unavailable with the reason."""
        root, revisions, _ = self._open()
        self._fetch(root, revisions, file, path, on_bytes)

    def fetch(self, file: PinnedFile, path: Path, on_bytes: OnBytes) -> None:
        """Download one file, or a patch from any revision that contains it, after updating the lists if that may help.

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

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites whose lists are read, in the order of the table of archives."""
        root, _, _ = self._open()
        return tuple(dict.fromkeys(suite for archive in root.archives for suite in archive.suites))

    def list_revisions(self) -> tuple[Revision, ...]:
        """Return every revision of the packages with its suites, after updating the lists.

        Raises Unavailable when the lists cannot be updated.
        """
        root, revisions, updates = self._open()
        updated = self._update(updates, trust_recent=False)
        if root.update_error:
            raise classify_failure(root.update_error)
        return root.find_suites(revisions if updated is None else updated)

    def find_sources(self, binary: str) -> tuple[str, ...]:
        """Return the names of the source packages that build a binary package, such as `tiff` for `libtiff6`."""
        return self._open()[0].find_sources(binary)

    def get_packaging(self, revision: Revision) -> Path | None:
        """Return a revision's `.debian.tar`, None for a package of the older format; raise Unavailable without it."""
        return self._get_packaging(self._open()[0], revision, lambda size, total: None)

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
        debian = file.debian if file.archive is None else file.archive.debian
        assert debian is not None
        matching = [revision for revision in revisions if revision.package == debian.package]
        if not matching:
            message = f"no source package '{debian.package}' in {_name_suites(root)}"
            raise _NotListed(_append_error(message, root))
        if file.archive is not None:
            self._fetch_patch(root, matching, file, path, on_bytes)
        else:
            self._fetch_file(root, matching, file, debian, path, on_bytes)

    def _fetch_file(
        self,
        root: AptRoot,
        revisions: Sequence[Revision],
        pinned: PinnedFile,
        debian: DebianFile,
        path: Path,
        on_bytes: OnBytes,
    ) -> None:
        """Download a file that a revision lists with the pinned hash, or a superseded file that mirrors still have."""
        listed = [(revision, file) for revision in revisions for file in revision.files if file.sha256 == pinned.sha256]
        for revision, file in listed or _find_superseded(pinned, debian, revisions):
            try:
                self._download(root, revision, file, path, on_bytes)
                if listed or hash_file(path) == pinned.sha256:
                    return
                last = Unavailable("the archive has another file of this name")
            except Unavailable as reason:
                last = reason
        if not listed:
            available = ", ".join(f"{revision.package} {revision.version}" for revision in revisions)
            raise _NotListed(_append_error(f"no file with the pinned hash in {available}", root))
        raise last

    def _fetch_patch(
        self, root: AptRoot, revisions: Sequence[Revision], patch: PinnedFile, path: Path, on_bytes: OnBytes
    ) -> None:
        """Extract a patch from the packaging of the first revision that contains it, those of the same source first."""
        reasons, unread = list[str](), 0
        for revision in sorted(revisions, key=lambda revision: not _has_file(revision, patch.patches)):
            try:
                packaging = self._get_packaging(root, revision, on_bytes)
                content = None if packaging is None else read_member(packaging, patch.member)
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
        message = f"no revision of {revisions[0].package} has the pinned {patch.member} ({', '.join(reasons)})"
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
            path = directory / file.sha256
            if path.is_file() and hash_file(path) == file.sha256:
                return path
            try:
                with open_scratch(self._store) as scratch:
                    self._download(root, revision, file, scratch / "file", on_bytes)
                    return put_file(scratch / "file", path, file.sha256)
            except Unavailable as reason:
                self._unread[file.name] = reason
                raise

    def _download(self, root: AptRoot, revision: Revision, file: ListedFile, path: Path, on_bytes: OnBytes) -> None:
        last = Unavailable(f"apt lists no URI for {file.name}")
        limit = file.size or LARGEST_SOURCE

        def report(size: int) -> None:
            if size > limit:
                raise WrongSize(f"sends more bytes, but at most {limit} are accepted")
            on_bytes(size, file.size)

        for uri in root.find_uris(revision, file):
            host = find_host(uri)
            if (refusal := self._availability.find_refusal(host)) is not None:
                last = refusal
                continue
            try:
                root.download(uri, path, report)
            except Unavailable as reason:
                last = reason
                if isinstance(reason, Unreachable):
                    self._availability.record_failure(host, str(reason))
            else:
                self._availability.record_answer(host)
                return
        raise last


def _find_superseded(
    pinned: PinnedFile, debian: DebianFile, revisions: Sequence[Revision]
) -> list[tuple[Revision, ListedFile]]:
    """Return the pinned file as one that is in no list any more: mirrors keep the files of a revision for a while."""
    directories = dict.fromkeys(directory for revision in revisions for directory in revision.directories)
    file = ListedFile(name=debian.file, sha256=pinned.sha256, size=pinned.size)
    revision = Revision(package=debian.package, version="", files=(file,), directories=tuple(directories))
    return [(revision, file)]


def _has_file(revision: Revision, sha256: str) -> bool:
    return any(file.sha256 == sha256 for file in revision.files)


def _name_suites(root: AptRoot) -> str:
    return ", ".join(dict.fromkeys(suite for archive in root.archives for suite in archive.suites))


def _append_error(message: str, root: AptRoot) -> str:
    return f"{message}; {root.update_error}" if root.update_error else message
