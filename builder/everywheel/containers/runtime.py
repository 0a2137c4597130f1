"""The container runtime: a connection to Docker or Podman through Docker's API, and containers that are always removed."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

import requests
from docker.errors import APIError, DockerException, NotFound
from docker.types import Mount

import docker
from everywheel.containers.run_id import RUN_LABEL, RunId
from everywheel.containers.runtime_errors import START_HINT, describe_error, translate_errors
from everywheel.containers.runtime_images import RuntimeImages
from everywheel.errors import MachineError
from everywheel.execution.cancellation import current_cancellation
from everywheel.platforms.architectures import Arch

_CONNECT_TIMEOUT, _REQUEST_TIMEOUT = 20, 600  # in seconds; loading a large image is one request
INSTALL_HINT = "install Docker (Debian: `apt-get install docker.io`) or Podman, and start it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """Specification of one container: `mounts` maps files and folders of this machine to read-only paths in the container.

    `writable` maps those that the container may change. `timeout` in seconds, `memory` and `tmpfs_size` in bytes. With
    `network` the container shares the network of this machine, otherwise it has none.
    """

    image: str
    arch: Arch
    command: tuple[str, ...]
    mounts: Mapping[Path, PurePosixPath]
    cwd: PurePosixPath
    writable: Mapping[Path, PurePosixPath] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 600.0
    memory: int = 2 << 30
    tmpfs_size: int = 1 << 30
    network: bool = False


class ContainerEnd(StrEnum):
    """How a container ended."""

    EXITED = "exited"
    NOT_STARTED = "not started"
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerResult:
    """Result of a container: `output` is both streams; `reason` is empty if the container exited by itself."""

    exit_code: int
    output: str
    seconds: float
    end: ContainerEnd = ContainerEnd.EXITED
    reason: str = ""


class Runtime:
    """A connection to the container runtime; as a context manager it removes all containers that it started."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name
        self.run_id = RunId.create()
        self.images = RuntimeImages(client, name)

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(DockerException, requests.RequestException):
            for container in self._client.containers.list(all=True, filters={"label": f"{RUN_LABEL}={self.run_id}"}):
                with contextlib.suppress(APIError):
                    container.remove(force=True)
        self._client.close()

    def describe(self) -> str:
        """Return name and version, such as `Docker 20.10.24`."""
        with translate_errors(self.name):
            return f"{self.name} {self._client.version()['Version']}"

    def data_root(self) -> Path:
        """Return the folder of the runtime's images, on the runtime's own machine."""
        with translate_errors(self.name):
            return Path(self._client.info().get("DockerRootDir", "/var/lib/docker"))

    def list_orphaned_containers(self, machine: str = "") -> list[str]:
        """Return the names of containers whose run, on `machine` if it is given, was killed before it removed them."""
        with translate_errors(self.name):
            containers = self._client.containers.list(all=True, filters={"label": RUN_LABEL})
            runs = {container.name: RunId.parse(container.labels[RUN_LABEL]) for container in containers}
            return sorted(
                container.name
                for container in containers
                if machine in ("", runs[container.name].machine)
                and not runs[container.name].is_running(container.status)
            )

    def remove_orphaned_containers(self) -> None:
        """Remove the containers of killed runs on this machine, which the runtime keeps running."""
        for name in self.list_orphaned_containers(machine=platform.node()):
            self.remove_container(name)

    def remove_container(self, name: str) -> None:
        with translate_errors(self.name), contextlib.suppress(NotFound):
            self._client.containers.get(name).remove(force=True, v=True)

    def run(self, spec: ContainerSpec) -> ContainerResult:
        """Run a container to its end and remove it in any case.

        The container has a read-only root, `/tmp` in memory, and a network only with `spec.network`. Raises
        Interrupted when the run was canceled, and MachineError when the runtime itself fails.
        """
        began = time.monotonic()
        cancellation = current_cancellation()
        with (
            translate_errors(self.name),
            self._create(spec) as container,
            cancellation.on_cancel(lambda: _kill(container)),
            _hold_stdin(container) as open_stdin,
        ):
            try:
                container.start()
                open_stdin()
            except APIError as error:
                return ContainerResult(
                    exit_code=127,
                    output="",
                    seconds=time.monotonic() - began,
                    end=ContainerEnd.NOT_STARTED,
                    reason=describe_error(error),
                )
            if cancellation.is_canceled:
                # Canceled before there was a running container to kill.
                _kill(container)
            exit_code, end, reason = _wait(container, spec)
            output = container.logs().decode(errors="replace")
        return ContainerResult(
            exit_code=exit_code, output=output, seconds=time.monotonic() - began, end=end, reason=reason
        )

    @contextlib.contextmanager
    def _create(self, spec: ContainerSpec) -> Iterator[Any]:
        mounts = [
            Mount(str(inside), str(outside), type="bind", read_only=paths is spec.mounts)
            for paths in (spec.mounts, spec.writable)
            for outside, inside in paths.items()
        ]
        container = self._client.containers.create(
            spec.image,
            list(spec.command),
            labels={RUN_LABEL: str(self.run_id)},
            mounts=mounts,
            environment=dict(spec.environment),
            working_dir=str(spec.cwd),
            network_mode="host" if spec.network else "none",
            read_only=True,
            entrypoint=[],
            tmpfs={"/tmp": f"size={spec.tmpfs_size},exec"},
            mem_limit=spec.memory,
            memswap_limit=spec.memory,
            pids_limit=1024,
            stdin_open=True,
        )
        try:
            yield container
        finally:
            with contextlib.suppress(NotFound, requests.RequestException):
                container.remove(force=True, v=True)


@contextlib.contextmanager
def _hold_stdin(container: Any) -> Iterator[Callable[[], None]]:
    """Attach the container's standard input, which the runtime closes when this process ends, however it ends.

    Yields a function that writes a byte to it: `smoke/inside/run.py` ends at the end of a standard input that was open. A
    runtime that cannot attach it leaves the containers of a killed process running until the next run.
    """
    with contextlib.ExitStack() as stack:
        write: Callable[[bytes], object] = len
        with contextlib.suppress(DockerException, requests.RequestException, AttributeError, ValueError):
            attached = stack.enter_context(container.attach_socket(params={"stdin": 1, "stream": 1}))
            write = getattr(attached, "_sock", attached).sendall

        def open_stdin() -> None:
            with contextlib.suppress(OSError):
                write(b"\n")

        yield open_stdin


def _wait(container: Any, spec: ContainerSpec) -> tuple[int, ContainerEnd, str]:
    """Wait for a container, killing it at its timeout; return its exit code, how it ended, and the reason."""
    exit_code, end, reason = -1, ContainerEnd.EXITED, ""
    try:
        exit_code = container.wait(timeout=spec.timeout)["StatusCode"]
    except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError) as error:
        current_cancellation().check()
        # A timeout is raised as either of these classes: https://github.com/docker/docker-py/issues/1966
        if "timed out" not in str(error).lower():
            raise
        end, reason = ContainerEnd.TIMED_OUT, f"the container did not end within {spec.timeout:.0f} s (`--timeout`)"
        _kill(container)
    current_cancellation().check()
    container.reload()
    if container.attrs["State"].get("OOMKilled"):
        end, reason = (
            ContainerEnd.OUT_OF_MEMORY,
            f"the container used more than {spec.memory >> 20} MB of memory (`--memory`)",
        )
    return exit_code, end, reason


def _kill(container: Any) -> None:
    with contextlib.suppress(DockerException, requests.RequestException):
        container.kill()


def find_runtime(name: str | None = None, environ: Mapping[str, str] = os.environ) -> Runtime:
    """Return a connection to the named runtime, or to the first one that answers; DOCKER_HOST has precedence.

    Raises MachineError, with the command to type, when none answers.
    """
    failures: dict[str, str] = {}
    for candidate, address in _list_addresses(name, environ):
        path = Path(address.removeprefix("unix://"))
        if address.startswith("unix://") and not path.exists():
            failures[address] = "no such socket"
            continue
        try:
            client = docker.DockerClient(base_url=address, version="auto", timeout=_CONNECT_TIMEOUT)
            client.ping()
            client.api.timeout = _REQUEST_TIMEOUT
        except (DockerException, requests.RequestException) as error:
            failures[address] = describe_error(error)
            continue
        return Runtime(client, candidate)
    if not failures:
        raise MachineError(f"unknown container runtime '{name}'", hint="use docker or podman")
    raise MachineError("no container runtime answers", details=failures, hint=_find_hint(failures))


def _list_addresses(name: str | None, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    home = environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid() if hasattr(os, 'getuid') else ''}")
    addresses = [
        ("Docker", "unix:///var/run/docker.sock"),
        ("Podman", f"unix://{home}/podman/podman.sock"),
        ("Podman", "unix:///run/podman/podman.sock"),
    ]
    if "DOCKER_HOST" in environ and name is None:
        yield "Docker", environ["DOCKER_HOST"]
        return
    yield from (pair for pair in addresses if name is None or pair[0].lower() == name.lower())


def _find_hint(failures: Mapping[str, str]) -> str:
    reasons = " ".join(failures.values()).lower()
    if "permission denied" in reasons:
        return "add this user to the socket's group: `sudo usermod -aG docker $USER`, then log in again"
    if "refused" in reasons or "timed out" in reasons:
        return START_HINT
    return INSTALL_HINT
