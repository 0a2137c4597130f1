"""A dask scheduler and workers of everywheel as processes of this machine, for tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from everywheel.store.local import default_store

_START_SECONDS = 60


class TestCluster:
    """A scheduler, and workers with stores of their own that share a remote store; all are killed at the end of the body."""

    __test__ = False

    def __init__(
        self, folder: Path, key: Path, mirror: Path, variables: Mapping[str, str] = {}, scheme: str = "dask"
    ) -> None:
        self._folder, self.key, self._mirror = folder, key, mirror
        self.settings = dict(variables)
        self._variables = {**os.environ, **variables, "DASK_CONFIG": str(folder / "dask"), "PYTHONWARNINGS": "ignore"}
        self._scheme = scheme
        self._processes: list[subprocess.Popen[str]] = []
        self.remote = folder / "remote"
        self.shared = str(self.remote)
        """The address of the remote store that all workers share."""
        folder.mkdir(exist_ok=True)

    def __enter__(self) -> TestCluster:
        log = self._folder / "scheduler.log"
        command = ["-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        protocol = "tls" if self._scheme == "tls" else "tcp"
        self._start([*command, "--protocol", protocol], log, self._variables)
        line = self._await(log, f"{protocol}://127.0.0.1:")
        self.port = line.rpartition(":")[2].strip()
        self.address = f"{self._scheme}://127.0.0.1:{self.port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait()

    def start_worker(self, name: str, *options: str, code: str = "", **variables: str) -> subprocess.Popen[str]:
        """Start a worker with an empty store, and wait until it is connected; `code` runs before it in its process."""
        store = self._folder / f"store-{name}"
        store.mkdir()
        for part in ("tools", "zig"):
            (store / part).symlink_to(default_store() / part)
        environment = {
            **self._variables,
            "EVERYWHEEL_STORE": str(store),
            "EVERYWHEEL_MIRRORS": str(self._mirror),
            **variables,
        }
        arguments = ["worker", self.address, "--name", name, "--remote", self.shared]
        arguments += ["--remote-sign-key", str(self.key), "--jobs", "1", *options]
        start = f"{code}\nfrom everywheel.cli.program import run_program\nrun_program()"
        log = self._folder / f"{name}.log"
        process = self._start(["-c", start, *arguments], log, environment)
        self._await(log, f"worker {name}: connected")
        return process

    def start_plain_worker(self, name: str) -> None:
        """Start a worker of dask itself."""
        command = ["-m", "distributed.cli.dask_worker", self.address.replace(self._scheme, "tcp"), "--name", name]
        log = self._folder / f"{name}.log"
        self._start([*command, "--no-nanny", "--no-dashboard", "--nthreads", "1"], log, self._variables)
        self._await(log, "Registered to:")

    def has_begun(self, name: str) -> bool:
        """Return whether a worker has received a step."""
        return any((self._folder / f"store-{name}" / "work").glob("project-*"))

    def list_workspaces(self, name: str) -> list[str]:
        """Return the names of the workspaces of a worker's steps that have not ended."""
        return [
            path.name for path in (self._folder / f"store-{name}" / "work").iterdir() if "project-" not in path.name
        ]

    def _start(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, *command], cwd=self._folder, env=environment, text=True, stdout=output, stderr=output
            )
        self._processes.append(process)
        return process

    def _await(self, log: Path, text: str) -> str:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            for line in log.read_text().splitlines():
                if text in line:
                    return line
            assert self._processes[-1].poll() is None, log.read_text()
            time.sleep(0.1)
        raise AssertionError(log.read_text())
