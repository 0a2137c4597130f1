"""The container runtime: Docker or Podman, spoken to through Docker's API; containers that are always removed again."""

from __future__ import annotations

import contextlib
import os
import platform
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import Mount

import docker
from everywheel.errors import MachineError
from everywheel.execution.cancellation import current_cancellation
from everywheel.platforms.architectures import Arch

LABEL = "org.everywheel"
"""The label of images that are made here: its value is what each was made from."""
RUN_LABEL = "org.everywheel.run"
"""The label of containers that run here: machine, process and run (images hand their own label on to any container)."""

_PATIENCE, _LONG = 20, 600  # seconds for a first answer of the runtime, and for taking in a large image
_START = "start it with `systemctl start docker`, or `dockerd &` where there is no systemd"
_INSTALL = "install Docker (Debian: `apt-get install docker.io`) or Podman, and start it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """One container: `mounts` maps folders and files of this machine to places inside, read-only but for `writable`.

    `timeout` in seconds, `memory` in bytes. With `network` it has this machine's, loopback and all; without, none.
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
    """Result of a container: `output` is both streams; `reason` is empty where it exited by itself."""

    exit_code: int
    output: str
    seconds: float
    end: ContainerEnd = ContainerEnd.EXITED
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalImage:
    """An image that was made here: its name, what it was made from, and its size in bytes."""

    reference: str
    made_from: str
    size: int


class Runtime:
    """A connection to the container runtime; as a context manager it leaves no container of its own behind."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name
        self.id = f"{platform.node()}/{os.getpid()}/{uuid.uuid4().hex[:12]}"

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(DockerException, requests.RequestException):
            for container in self._client.containers.list(all=True, filters={"label": f"{RUN_LABEL}={self.id}"}):
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

    def has_image(self, reference: str) -> bool:
        with translate_errors(self.name):
            try:
                self._client.images.get(reference)
            except ImageNotFound:
                return False
            return True

    def find_image(self, reference: str, arch: Arch) -> str:
        """Return the id of an image that is here, for an architecture; nothing where it is not, or is for another one."""
        with translate_errors(self.name):
            for name in (reference, _kept_name(reference, image_platform(arch)[0])):
                with contextlib.suppress(ImageNotFound):
                    image = self._client.images.get(name)
                    if image.attrs.get("Architecture") == image_platform(arch)[0]:
                        return str(image.id)
        return ""

    def images(self) -> list[LocalImage]:
        """Return every image that was made here."""
        with translate_errors(self.name):
            found = self._client.images.list(filters={"label": LABEL})
        made = [
            LocalImage(reference=tag, made_from=image.labels[LABEL], size=image.attrs["Size"])
            for image in found
            for tag in image.tags
        ]
        return sorted(made, key=lambda one: one.reference)

    def leftover_containers(self) -> list[str]:
        """Return the containers of runs whose process is no more: whoever was to remove them was killed."""
        with translate_errors(self.name):
            found = self._client.containers.list(all=True, filters={"label": RUN_LABEL})
            return sorted(one.name for one in found if _is_left(one.labels[RUN_LABEL], one.status))

    def remove_container(self, name: str) -> None:
        with translate_errors(self.name), contextlib.suppress(NotFound):
            self._client.containers.get(name).remove(force=True, v=True)

    def find_digest(self, reference: str) -> str:
        """Return the digest that a registry has for a name; raise MachineError when it does not tell."""
        with translate_errors(self.name):
            try:
                return str(self._client.images.get_registry_data(reference).id)
            except (APIError, NotFound) as error:
                raise MachineError(f"no digest for {reference}", details={"reason": describe_error(error)}) from None

    def load_image(self, archive: Path) -> None:
        """Take in an image archive."""
        with translate_errors(self.name), archive.open("rb") as file:
            self._client.images.load(file)

    def pull_image(self, reference: str, arch: Arch) -> str:
        """Pull an image by name and digest and return its id; raise MachineError when no registry gives it.

        One digest may stand for an image of each architecture. Docker gives it to the first that is pulled and refuses it
        to others, with words that the client library throws away: so the first is kept under another name.
        """
        with translate_errors(self.name):
            self._make_room(reference, image_platform(arch)[0])
            try:
                told = self._client.api.pull(reference, platform=_platform(arch), stream=True, decode=True)
                why = [str(event["error"]) for event in told if "error" in event]
            except (APIError, NotFound) as error:
                why = [describe_error(error)]
            if "no space left" in " ".join(why):
                raise DockerException(why[-1])
            found = "" if why else self.find_image(reference, arch)
        if not found:
            raise MachineError(
                f"{reference} cannot be pulled",
                details={"reason": why[-1] if why else f"what came is not for {_platform(arch)}"},
                hint="is the registry reachable?  `everywheel images list` shows which images need none",
            )
        return found

    def _make_room(self, reference: str, architecture: str) -> None:
        with contextlib.suppress(ImageNotFound):
            other = self._client.images.get(reference)
            if (its := str(other.attrs.get("Architecture"))) != architecture:
                other.tag(_kept_name(reference, its))
                self._client.images.remove(reference, noprune=True)

    def remove_image(self, reference: str) -> None:
        with translate_errors(self.name), contextlib.suppress(ImageNotFound):
            self._client.images.remove(reference, force=True)

    def run(self, spec: ContainerSpec) -> ContainerResult:
        """Run a container to its end and remove it in any case.

        The container has no network unless the specification says so, a read-only root and `/tmp` in memory. Raises
        Interrupted when the run was canceled, and MachineError when the runtime itself fails.
        """
        began = time.monotonic()
        cancellation = current_cancellation()
        with (
            translate_errors(self.name),
            self._create(spec) as container,
            cancellation.on_cancel(lambda: _kill(container)),
        ):
            try:
                container.start()
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
    def _create(self, job: ContainerSpec) -> Iterator[Any]:
        mounts = [
            Mount(str(inside), str(outside), type="bind", read_only=places is job.mounts)
            for places in (job.mounts, job.writable)
            for outside, inside in places.items()
        ]
        container = self._client.containers.create(
            job.image,
            list(job.command),
            labels={RUN_LABEL: self.id},
            mounts=mounts,
            environment=dict(job.environment),
            working_dir=str(job.cwd),
            network_mode="host" if job.network else "none",
            read_only=True,
            entrypoint=[],
            tmpfs={"/tmp": f"size={job.tmpfs_size},exec"},
            mem_limit=job.memory,
            memswap_limit=job.memory,
            pids_limit=1024,
        )
        try:
            yield container
        finally:
            with contextlib.suppress(NotFound, requests.RequestException):
                container.remove(force=True, v=True)


def _is_left(run: str, status: str) -> bool:
    """Tell whether nobody will remove the container of a run; of another machine's, only what does not run is known."""
    machine, process, _ = run.rsplit("/", 2)
    return not Path(f"/proc/{process}").exists() if machine == platform.node() else status != "running"


def _kept_name(reference: str, architecture: str) -> str:
    """Return what a pulled image is called once its digest stands for another architecture's."""
    name, _, digest = reference.partition("@")
    return f"everywheel/pulled-{name.rpartition('/')[2].partition(':')[0]}:{architecture}-{digest[-12:]}"


def _platform(arch: Arch) -> str:
    return f"linux/{arch.oci}"


def image_platform(arch: Arch) -> tuple[str, str]:
    """Return architecture and variant as an image's configuration names them (OCI image specification)."""
    name, _, variant = arch.oci.partition("/")
    return name, variant


def is_native(arch: Arch) -> bool:
    """Tell whether this machine runs programs of an architecture without an emulator."""
    machine = platform.machine()
    return machine == arch.name or machine in arch.also_runs_on


def find_runtime(name: str | None = None, environ: Mapping[str, str] = os.environ) -> Runtime:
    """Return a connection to the runtime that is named, else to the first that answers.

    DOCKER_HOST is asked first, as every other client does. Raises MachineError, with what to type, when none answers.
    """
    answers: dict[str, str] = {}
    for candidate, address in _addresses(name, environ):
        path = Path(address.removeprefix("unix://"))
        if address.startswith("unix://") and not path.exists():
            answers[address] = "no such socket"
            continue
        try:
            client = docker.DockerClient(base_url=address, version="auto", timeout=_PATIENCE)
            client.ping()
            client.api.timeout = _LONG
        except (DockerException, requests.RequestException) as error:
            answers[address] = describe_error(error)
            continue
        return Runtime(client, candidate)
    if not answers:
        raise MachineError(f"no container runtime is called '{name}'", hint="it is docker or podman")
    raise MachineError("no container runtime answers", details=answers, hint=_advise(answers))


def _addresses(name: str | None, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    home = environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid() if hasattr(os, 'getuid') else ''}")
    known = [
        ("Docker", "unix:///var/run/docker.sock"),
        ("Podman", f"unix://{home}/podman/podman.sock"),
        ("Podman", "unix:///run/podman/podman.sock"),
    ]
    if "DOCKER_HOST" in environ and name is None:
        yield "Docker", environ["DOCKER_HOST"]
        return
    yield from (pair for pair in known if name is None or pair[0].lower() == name.lower())


def _advise(answers: Mapping[str, str]) -> str:
    words = " ".join(answers.values()).lower()
    if "permission denied" in words:
        return "let this user at the socket: `sudo usermod -aG docker $USER`, then log in again"
    if "refused" in words or "timed out" in words:
        return _START
    return _INSTALL


def _wait(container: Any, spec: ContainerSpec) -> tuple[int, ContainerEnd, str]:
    """Wait for a container, killing it at its timeout; return its exit code, how it ended, and the reason."""
    exit_code, end, reason = -1, ContainerEnd.EXITED, ""
    try:
        exit_code = container.wait(timeout=spec.timeout)["StatusCode"]
    except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError) as error:
        current_cancellation().check()
        # A timeout can arrive as either of both classes: https://github.com/docker/docker-py/issues/1966
        if "timed out" not in str(error).lower():
            raise
        end, reason = ContainerEnd.TIMED_OUT, f"it did not end within {spec.timeout:.0f} s (`--timeout`)"
        _kill(container)
    current_cancellation().check()
    container.reload()
    if container.attrs["State"].get("OOMKilled"):
        end, reason = ContainerEnd.OUT_OF_MEMORY, f"it used more than {spec.memory >> 20} MB of memory (`--memory`)"
    return exit_code, end, reason


def _kill(container: Any) -> None:
    with contextlib.suppress(DockerException, requests.RequestException):
        container.kill()


@contextlib.contextmanager
def translate_errors(name: str) -> Iterator[None]:
    """Turn a runtime that dies, or refuses, into a MachineError."""
    try:
        yield
    except (requests.RequestException, DockerException) as error:
        current_cancellation().check()
        words = describe_error(error)
        if "no space left" in words:
            raise MachineError(
                f"{name}'s disk is full",
                details={"reason": words},
                hint="`everywheel images prune` removes the images that were made here; `docker system df` shows the rest",
            ) from None
        if isinstance(error, requests.RequestException):
            raise MachineError(f"{name} stopped answering", details={"reason": words}, hint=_START) from None
        raise MachineError(f"{name} refuses", details={"reason": words}) from None


def describe_error(error: BaseException) -> str:
    """Return the last, telling part of what a client library wraps its errors in."""
    if isinstance(error, APIError) and error.explanation:
        return str(error.explanation)
    text = str(error)
    for cause in ("Permission denied", "Connection refused", "No such file or directory", "timed out"):
        if cause.lower() in text.lower():
            return cause.lower()
    return text
