"""Runs of the command with damaged input: limited in time, measured in memory, and unable to change other files.

`enter_sandbox` starts the program again in a mount namespace in which every file system is read-only, except the folder of the
runs and the compiler's cache. `Canaries` are files that hostile input names and that must stay as they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MEMORY_LIMIT = 300 << 20  # bytes of memory that the command itself may use at any time
_KILL_AFTER = 120.0  # seconds
_IN_SANDBOX = "EVERYWHEEL_FAULTS_SANDBOX"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def enter_sandbox(writable: Sequence[Path]) -> bool:
    """Run this program again in a sandbox, where only the folders in `writable` can be changed; it does not return then.

    Returns True inside the sandbox, and False when this user cannot create one.
    """
    if os.environ.get(_IN_SANDBOX):
        return True
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    lines = [f"mount --bind {shlex.quote(str(path))} {shlex.quote(str(path))}" for path in writable]
    # A bind mount on itself keeps a folder writable when the file system that contains it is mounted read-only.
    lines += ["mount -o remount,bind,ro /", "exec " + shlex.join([sys.executable, *sys.argv])]
    command = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", "\n".join(lines)]
    environment = {**os.environ, _IN_SANDBOX: "1", "PYTHONDONTWRITEBYTECODE": "1"}
    if subprocess.run([*command[:4], "true"], capture_output=True).returncode:
        return False
    os.execvpe(command[0], command, environment)  # does not return
    raise AssertionError


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A finished command: its exit code and output, its time in seconds and its peak memory in bytes."""

    exit_code: int
    output: str
    errors: str
    seconds: float
    peak: int

    def find_fault(self, time_limit: float) -> str | None:
        """Return the fault of a run that no input excuses, or None; `time_limit` is in seconds."""
        text = self.output + self.errors
        if "Traceback (most recent call last)" in text:
            return "it ended with a traceback"
        if self.exit_code < 0 or self.exit_code not in {0, 1, 2, 3, 4, 5, 6, 7}:
            return f"its exit code is {self.exit_code}"
        if self.exit_code and "error:" not in self.errors and "Error:" not in self.errors and not self.output:
            return f"it ended with exit code {self.exit_code} and without an error"
        if _CONTROL.search(text):
            return "it printed control characters"
        if self.seconds > time_limit:
            return f"it took {self.seconds:.1f} s"
        if self.peak > MEMORY_LIMIT:
            return f"it used {self.peak / 1e6:.0f} MB"
        return None


def run_everywheel(arguments: Sequence[str], cwd: Path, variables: Mapping[str, str]) -> RunResult:
    """Run the command and measure it; after two minutes it is killed."""
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "everywheel", *arguments],
        cwd=cwd,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="surrogateescape",
    )
    peak, output, errors = 0, "", ""
    while True:
        try:
            output, errors = process.communicate(timeout=0.02)
            break
        except subprocess.TimeoutExpired:
            peak = max(peak, _read_peak(process.pid))
            if time.monotonic() - start > _KILL_AFTER:
                process.kill()
    seconds = time.monotonic() - start
    return RunResult(exit_code=process.returncode, output=output, errors=errors, seconds=seconds, peak=peak)


def _read_peak(pid: int) -> int:
    """Return the peak memory of a process in bytes, as Linux reports it, else 0."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) << 10
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Canaries:
    """A folder with files that hostile input names: none of them may be changed, removed, copied or added to."""

    folder: Path

    SECRET = "the content of a canary"

    def create(self) -> Canaries:
        """Write the files and return self."""
        for name in ("passwd", "folder/file", "folder/deeper/file", "wheel-1.0-py3-none-any.whl"):
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{self.SECRET}: {name}\n")
        return self

    def fingerprint(self) -> str:
        """Return a hash of the names and contents of all files."""
        digest = hashlib.sha256()
        for name, content in list_files(self.folder):
            digest.update(f"{name}\0{content}\0".encode(errors="surrogateescape"))
        return digest.hexdigest()


def list_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the relative name of each entry below a folder, sorted, and the hash or the link target of it."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            yield name, f"-> {path.readlink()}"
        elif path.is_file():
            yield name, hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            yield name, "folder" if path.is_dir() else "other"
