"""Rehearsal: an upload to an empty package index on this machine, before the real one, which cannot be repeated."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.errors import MachineError, ReleaseError
from everywheel.execution.cancellation import cancellation_scope
from everywheel.execution.files import remove_path
from everywheel.execution.process import run_logged
from everywheel.execution.threads import DaemonThreads
from everywheel.release.index import Index, check_complete, compare, upload
from everywheel.store.local import Store
from everywheel.toolchains.virtual_env import ensure_environment, environment_identity, scripts_dir

_SERVER = "pypiserver==2.4.2"
_HOST = "127.0.0.1"
_START_TIMEOUT = 30.0  # seconds until the server accepts connections


@contextlib.contextmanager
def serve_index(store: Store, *, offline: bool = False) -> Iterator[Index]:
    """Run an empty package index on loopback; anyone may upload to it.

    Raises MachineError when the server does not start.
    """
    # In its own environment: its dependencies must not replace those of this package.
    environment = ensure_environment(
        store.root / "tools" / f"index-{environment_identity(_SERVER, store.root)}",
        [_SERVER],
        label="package index server",
        log=store.root / "logs" / "index-server-install.log",
        offline=offline,
    )
    log = store.root / "logs" / "index-server.log"
    remove_path(log)
    with socket.socket() as free:
        free.bind((_HOST, 0))
        port = free.getsockname()[1]
    with (
        TemporaryDirectory(dir=store.root / "tmp") as folder,
        cancellation_scope() as scope,
        DaemonThreads() as threads,
    ):
        server = scripts_dir(environment) / "pypi-server"
        options = ["--interface", _HOST, "--port", str(port), "-P", ".", "-a", ".", "--hash-algo", "sha256"]
        command: list[str | Path] = [server, "run", *options, folder]
        running = threads.submit(
            run_logged, command, cwd=Path(folder), env=os.environ, log=log, label="package index server"
        )
        try:
            _wait_for_port(port, running.done, log)
            with _upload_environment():
                yield Index(upload=f"http://{_HOST}:{port}/", simple=f"http://{_HOST}:{port}/simple/")
        finally:
            scope.cancel()


def _wait_for_port(port: int, is_finished: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline and not is_finished():
        with contextlib.suppress(OSError), socket.create_connection((_HOST, port), timeout=1):
            return
        time.sleep(0.05)
    raise MachineError("the package index server does not start", log=log)


@contextlib.contextmanager
def _upload_environment() -> Iterator[None]:
    """Set environment variables for uploads to the server: no proxy is used, and any credentials are accepted."""
    no_proxy = ",".join(filter(None, (os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), _HOST)))
    variables = {"no_proxy": no_proxy, "TWINE_USERNAME": "user", "TWINE_PASSWORD": "password"}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def check_uploads(files: Sequence[Path], index: Index, project: str, report: Callable[[str], None]) -> None:
    """Upload files twice; raise ReleaseError when the second upload sends a file again, or a file is missing after it."""
    upload(files, index, project, report)
    again = upload(files, index, project, lambda line: None)
    if again.missing:
        raise ReleaseError(
            f"a second upload sent {len(again.missing)} of {len(files)} files again",
            details={"files": ", ".join(file.name for file in again.missing)},
        )
    check_complete(compare(files, index, project))
    for file in files:
        report(f"present: {file.name}")
