"""A private apt root in the store: package lists and downloads of the distribution's client, apart from the system's.

Nothing here reads or writes the system's lists, cache or status. What is taken from the machine is its configuration
(proxies, credentials), the addresses of its package archives and the distribution's keys.
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
from everywheel.sources.distro.apt_archives import HELPER, Archive
from everywheel.sources.request import Unavailable

_SCARCE = 1 << 20  # bytes left on the disk; apt 2.6 waits for ever when an index finds no room


# `@` stands for the root. Root would hand downloads to the user _apt, who cannot enter a private folder, and cannot at
# all in a rootless container; what arrives is checked by signature and hash whoever fetched it.
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
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """One file of a source package, as the signed lists give it; `size` in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One revision of a source package, such as `vips 8.16.1-1+deb13u2`; `directories` as the archives name them."""

    package: str
    version: str
    files: tuple[ListedFile, ...]
    directories: tuple[str, ...] = ()


def parse_revisions(text: str) -> tuple[Revision, ...]:
    """Read the stanzas of `apt-cache showsrc`; a revision in two suites is given once, with its directories in both."""
    found: dict[tuple[str, str], Revision] = {}
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
        words = [line.split() for line in fields.get("Checksums-Sha256", [])]
        files = [ListedFile(name=w[2], sha256=w[0], size=int(w[1])) for w in words if len(w) == 3 and w[1].isdigit()]
        package, version = fields["Package"][0], fields["Version"][0]
        revision = found.get((package, version), Revision(package=package, version=version, files=tuple(files)))
        directories = dict.fromkeys((*revision.directories, *fields.get("Directory", [])))
        found[package, version] = replace(revision, directories=tuple(directories))
    return tuple(found.values())


class AptRoot:
    """The private root, `<store>/apt`: it reads `archives` and nothing of the system's lists."""

    def __init__(self, folder: Path, archives: Sequence[Archive], deadline: Deadline) -> None:
        self.folder = folder = folder.absolute()
        self.archives = tuple(archives)
        self.complaint = ""
        self._deadline = deadline
        self._config = folder / "apt.conf"
        self._stamp = folder / "updated"
        self._sources = "".join(
            f"deb-src [{f'signed-by={archive.keyring}' if archive.keyring else 'trusted=yes'} target=Sources] "
            f"{archive.uri} {suite} {' '.join(archive.components)}\n"
            for archive in self.archives
            for suite in archive.suites
        )

    def lock(self) -> FileLock:
        """Return the lock that one process at a time holds while it sets up or updates the root."""
        with translate_os_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            return FileLock(self.folder / "lock", timeout=self._deadline.remaining)

    def set_up(self) -> None:
        """Write the root's configuration."""
        folder = self.folder
        with translate_os_errors(folder):
            for part in ("etc", "state/lists/partial", "cache/archives/partial"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            _write(folder / "etc/sources.list", self._sources)
            _write(folder / "state/status", "")
            _write(self._config, _CONFIG.replace("@", str(folder)))

    def age(self) -> float | None:
        """Return the seconds since the last update from these archives, None when there was none."""
        try:
            if self._stamp.read_text() == self._sources:
                return max(0.0, time.time() - self._stamp.stat().st_mtime)
        except FileNotFoundError:
            pass
        return None

    def update(self) -> None:
        """Fetch the package lists; `complaint` then holds what went wrong, for some suite or for all of them."""
        while True:
            status, _, errors = self._call("apt-get", "update")
            lines = errors.splitlines()
            # The update of a run that was killed may still hold apt's own lock for a moment.
            if status and any("Could not get lock" in line for line in lines):
                self._deadline.sleep(1.0)
                continue
            break
        # Warnings are about every machine's own habits; the first error tells which suite could not be read, and why.
        failures = [line[3:] for line in lines if line.startswith("E: ")] or [f"apt-get update failed (exit {status})"]
        self.complaint = failures[0] if status else ""
        if not status:
            with translate_os_errors(self._stamp):
                _write(self._stamp, self._sources)

    def list_revisions(self, packages: Iterable[str]) -> tuple[Revision, ...]:
        """Return every revision of the source packages that the lists hold."""
        # An unknown name makes apt-cache fail, but it still prints the others.
        return parse_revisions(self._call("apt-cache", "showsrc", "--only-source", *packages)[1])

    def find_uris(self, revision: Revision, file: ListedFile) -> Iterator[str]:
        """Yield where one file may be: where apt says, then in the revision's directories on every archive.

        A security update moves from one archive to another, and mirrors follow at different times.
        """
        name = f"{revision.package}={revision.version}"
        _, output, _ = self._call("apt-get", "source", "--print-uris", "--download-only", "--only-source", name)
        uris = [match[1] for match in re.finditer(r"'([^']+)' (\S+) \d+", output) if match[2] == file.name]
        for archive in self.archives:
            uris += [f"{archive.uri.rstrip('/')}/{directory}/{file.name}" for directory in revision.directories]
        yield from dict.fromkeys(uris)

    def download(self, uri: str, into: Path, on_size: Callable[[int], None]) -> None:
        """Download one file with the client; raise Unavailable with its words."""
        status, _, errors = self._call(
            str(HELPER), "download-file", uri, str(into), on_tick=lambda: on_size(_size(into))
        )
        if status or not into.exists():
            raise Unavailable(_first_error(errors) or f"apt-helper failed (exit {status})")

    def _call(self, program: str, *arguments: str, on_tick: Callable[[], None] = lambda: None) -> tuple[int, str, str]:
        """Run a program of apt in the root; give its exit status, output and errors.

        Raises MachineError when the disk is full and Stopped when the time is over.
        """
        self._deadline.check()

        def watch() -> None:
            self._deadline.check()
            if shutil.disk_usage(self.folder).free < _SCARCE:
                raise report_full_disk(self.folder)
            on_tick()

        result = run_command(
            [program, "-c", str(self._config), "-q", *arguments],
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            on_tick=watch,  # its exceptions also end the transport methods that the client started
        )
        if "No space left on device" in result.errors + result.output:
            raise report_full_disk(self.folder)
        return result.exit_code, result.output, result.errors


def _first_error(errors: str) -> str:
    """Return the first `E:` line of apt's errors, only the reason of it."""
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
