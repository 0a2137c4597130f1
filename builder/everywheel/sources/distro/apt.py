"""A private apt root in the store, with package lists and downloads separate from the system's.

The root does not use the system's lists, cache or status. Only the machine's configuration (proxies, credentials), the
addresses of its package archives and the distribution's keys are used.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from everywheel.execution.files import report_full_disk, translate_os_errors
from everywheel.execution.process import run_command
from everywheel.sources.deadline import Deadline
from everywheel.sources.distro.apt_archives import APT_HELPER, Archive
from everywheel.sources.request import Unavailable, Unreachable

_LOCK_DELAY = 0.2  # seconds between attempts to get the lock of apt itself
_NO_ANSWER = re.compile(
    r"[Cc]ould not (connect|resolve)|[Ff]ailure resolving|onnection (failed|refused|timed out)|nable to connect"
)
_MIN_FREE = 1 << 20  # bytes; apt 2.6 hangs when the disk is too full for an index


# `@` is replaced by the root's path. Without APT::Sandbox::User, apt run by root downloads as the user _apt, which has no
# access to a private directory and does not exist in a rootless container; signatures and hashes are checked in any case.
# Lists that have expired are as good as others: they only name the locations of files, whose hashes are pinned.
_CONFIG = """\
Dir::Etc::sourcelist "@/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "@/state";
Dir::State::lists "@/state/lists";
Dir::State::status "@/state/status";
Dir::Cache "@/cache";
Dir::Cache::archives "@/cache/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Acquire::PDiffs "false";
Acquire::GzipIndexes "true";
Acquire::Check-Valid-Until "false";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """One file of a source package in the signed lists; `size` in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One revision of a source package, such as `vips 8.16.1-1+deb13u2`; `directories` are paths in the archives.

    `suites` are those that have it, if they were requested.
    """

    package: str
    version: str
    files: tuple[ListedFile, ...]
    directories: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()


def parse_revisions(text: str) -> tuple[Revision, ...]:
    """Parse the stanzas of `apt-cache showsrc`; a revision in two suites is returned once, with both directories."""
    revisions: dict[tuple[str, str], Revision] = {}
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, list[str]] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1] in (" ", "\t"):
                fields.setdefault(name, []).append(line.strip())
            elif ":" in line:
                name, _, value = line.partition(":")
                fields[name] = [value.strip()] if value.strip() else []
        if not fields.get("Package") or not fields.get("Version"):
            continue
        rows = [line.split() for line in fields.get("Checksums-Sha256", [])]
        files = [ListedFile(name=r[2], sha256=r[0], size=int(r[1])) for r in rows if len(r) == 3 and r[1].isdigit()]
        package, version = fields["Package"][0], fields["Version"][0]
        revision = revisions.get((package, version), Revision(package=package, version=version, files=tuple(files)))
        directories = dict.fromkeys((*revision.directories, *fields.get("Directory", [])))
        revisions[package, version] = replace(revision, directories=tuple(directories))
    return tuple(revisions.values())


class AptRoot:
    """The private root, `<store>/apt`, with the package lists of `archives`.

    `update_error` is apt's first error in the last update, empty when it succeeded.
    """

    def __init__(self, directory: Path, archives: Sequence[Archive], deadline: Deadline) -> None:
        self.directory = directory = directory.absolute()
        self.archives = tuple(archives)
        self.update_error = ""
        self._deadline = deadline
        self._config = directory / "apt.conf"
        self._stamp = directory / "updated"
        self._sources = "".join(
            f"deb-src [{f'signed-by={archive.keyring}' if archive.keyring else 'trusted=yes'} target=Sources] "
            f"{archive.uri} {suite} {' '.join(archive.components)}\n"
            for archive in self.archives
            for suite in archive.suites
        )

    def lock(self) -> FileLock:
        """Return the lock that a process holds while it sets up or updates the root."""
        with translate_os_errors(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            return FileLock(self.directory / "lock", timeout=self._deadline.remaining)

    def set_up(self) -> None:
        """Write the root's configuration."""
        directory = self.directory
        with translate_os_errors(directory):
            for part in ("etc", "state/lists/partial", "cache/archives/partial"):
                (directory / part).mkdir(parents=True, exist_ok=True)
            _write(directory / "etc/sources.list", self._sources)
            _write(directory / "state/status", "")
            _write(self._config, _CONFIG.replace("@", str(directory)))

    def age(self) -> float | None:
        """Return the seconds since the last update from these archives, None before the first one."""
        try:
            if self._stamp.read_text() == self._sources:
                return max(0.0, time.time() - self._stamp.stat().st_mtime)
        except FileNotFoundError:
            pass
        return None

    def update(self) -> None:
        """Fetch the package lists; a failure of one suite or of all of them sets `update_error`."""
        while True:
            status, _, errors = self._run("apt-get", "update")
            lines = errors.splitlines()
            # An apt process of a killed run may still hold apt's own lock for a moment.
            if status and any("Could not get lock" in line for line in lines):
                self._deadline.sleep(_LOCK_DELAY)
                continue
            break
        # Warnings depend on the machine's configuration; the first error names the suite that failed and the reason.
        failures = [line[3:] for line in lines if line.startswith("E: ")] or [f"apt-get update failed (exit {status})"]
        self.update_error = failures[0] if status else ""
        if not status:
            with translate_os_errors(self._stamp):
                _write(self._stamp, self._sources)

    def list_revisions(self, packages: Iterable[str]) -> tuple[Revision, ...]:
        """Return every revision of the source packages in the lists."""
        # An unknown name makes apt-cache fail, but it still prints the others.
        return parse_revisions(self._run("apt-cache", "showsrc", "--only-source", *packages)[1])

    def find_sources(self, binary: str) -> tuple[str, ...]:
        """Return the names of the source packages that build a binary package."""
        revisions = parse_revisions(self._run("apt-cache", "showsrc", binary)[1])
        return tuple(dict.fromkeys(revision.package for revision in revisions))

    def find_suites(self, revisions: Sequence[Revision]) -> tuple[Revision, ...]:
        """Return the revisions with the suites that have them."""
        packages = dict.fromkeys(revision.package for revision in revisions)
        suites: dict[tuple[str, str], list[str]] = {}
        for line in self._run("apt-cache", "madison", *packages)[1].splitlines():
            row = [cell.strip() for cell in line.split("|")]
            if len(row) == 3 and row[2].endswith(" Sources"):
                suites.setdefault((row[0], row[1]), []).append(row[2].split(" ")[1].partition("/")[0])
        return tuple(replace(r, suites=tuple(dict.fromkeys(suites.get((r.package, r.version), ())))) for r in revisions)

    def find_uris(self, revision: Revision, file: ListedFile) -> Iterator[str]:
        """Yield the URIs at which one file may be: those that apt prints, then the revision's directories on every archive.

        Security updates move from one archive to another, and mirrors are updated at different times.
        """
        uris: list[str] = []
        if revision.version:
            name = f"{revision.package}={revision.version}"
            _, output, _ = self._run("apt-get", "source", "--print-uris", "--download-only", "--only-source", name)
            uris = [match[1] for match in re.finditer(r"'([^']+)' (\S+) \d+", output) if match[2] == file.name]
        for archive in self.archives:
            uris += [f"{archive.uri.rstrip('/')}/{directory}/{file.name}" for directory in revision.directories]
        yield from dict.fromkeys(uris)

    def download(self, uri: str, path: Path, on_size: Callable[[int], None]) -> None:
        """Download one file with apt-helper; raise Unavailable with its error."""
        status, _, errors = self._run(
            str(APT_HELPER), "download-file", uri, str(path), on_tick=lambda: on_size(_size(path))
        )
        if status or not path.exists():
            reason = _first_error(errors) or f"apt-helper failed (exit {status})"
            raise classify_failure(reason)

    def _run(self, program: str, *args: str, on_tick: Callable[[], None] = lambda: None) -> tuple[int, str, str]:
        """Run a program of apt in the root and return its exit status, output and errors.

        Raises MachineError when the disk is full and DeadlineExceeded when no time is left.
        """
        self._deadline.check()

        def watch() -> None:
            self._deadline.check()
            if shutil.disk_usage(self.directory).free < _MIN_FREE:
                raise report_full_disk(self.directory)
            on_tick()

        result = run_command(
            [program, "-c", str(self._config), "-q", *args],
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            on_tick=watch,  # its exceptions also end the transport methods that the client started
        )
        if "No space left on device" in result.errors + result.output:
            raise report_full_disk(self.directory)
        return result.exit_code, result.output, result.errors


def classify_failure(reason: str) -> Unavailable:
    """Return the exception for an error of apt: Unreachable if a host did not answer."""
    return Unreachable(reason) if _NO_ANSWER.search(reason) else Unavailable(reason)


def _first_error(errors: str) -> str:
    """Return the reason in the first `E:` line of apt's errors."""
    lines = [line[3:].strip() for line in errors.splitlines() if line.startswith("E: ")]
    reason = re.sub(r"^Failed to fetch \S+|\[IP: [^]]*\]$", "", lines[0]) if lines else ""
    return " ".join(reason.split())


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text or path.name == "updated":
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(text)
        fresh.replace(path)
