"""A container runtime of a test's own, that can be killed, or given a disk that is too small."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from roots import call

from builder.errors import MachineError
from builder.runtime import RUN_LABEL, find_runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A running dockerd."""

    process: subprocess.Popen[bytes]
    address: str

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def start_daemon(folder: Path, *, data: Path) -> Iterator[Daemon]:
    """Start a dockerd that shares nothing with the machine's own; what it runs is gone in the end."""
    address = f"unix://{folder}/docker.sock"
    mounted_before = list_mounts()
    log = folder / "dockerd.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            # In a network of its own: a daemon without a bridge would remove the machine's.
            ["unshare", "--net", "dockerd", "--data-root", data, "--exec-root", folder / "exec", "--pidfile", folder / "pid",
             "--host", address, "--bridge", "none", "--iptables=false", "--ip6tables=false"],
            stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for(address, log)
        yield Daemon(process=process, address=address)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        # Whatever a killed daemon no longer looks after: shims, their containers, and mounts.
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if str(folder).encode() in (entry / "cmdline").read_bytes() and int(entry.name) != os.getpid():
                    os.kill(int(entry.name), signal.SIGKILL)
        for place in reversed(list_mounts()):
            if place.is_relative_to(folder) and place not in mounted_before:
                call(["umount", "--lazy", place])


def list_mounts() -> list[Path]:
    return [Path(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines()]


def _wait_for(address: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(MachineError), find_runtime(environ={"DOCKER_HOST": address}):
            return
        time.sleep(0.2)
    pytest.fail(f"dockerd does not answer:\n{log.read_text()[-3000:]}")


def list_containers() -> list[str]:
    """Return the containers of this toolkit, running or not."""
    return call(["docker", "ps", "--all", "--quiet", "--filter", f"label={RUN_LABEL}"]).split()
