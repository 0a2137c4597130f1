"""Docker daemons separate from this machine's own, an image registry, and lists of the containers of a command."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from everywheel.containers.run_id import RUN_LABEL
from everywheel.containers.runtime import find_runtime
from everywheel.errors import MachineError
from root_filesystems import call, download_package

_REGISTRY = "127.0.0.1:5000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A running dockerd."""

    process: subprocess.Popen[bytes]
    address: str

    def kill(self) -> None:
        """End the daemon with SIGKILL, like a crash."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def start_daemon(
    folder: Path, *, data: Path, network: Sequence[str] = ("unshare", "--net"), mirror: str = ""
) -> Iterator[Daemon]:
    """Start a dockerd that shares nothing with the machine's own; its containers are removed at the end.

    `data` is its directory for images. `network` is a command prefix that runs it in another network namespace; in that of
    the machine it would remove the machine's bridge. `mirror` is the URL of a registry that is queried before Docker Hub.
    """
    address = f"unix://{folder}/docker.sock"
    # The path of a socket has at most 107 bytes (unix(7)), and containerd's are three levels below this folder.
    exec_root = Path(tempfile.mkdtemp(prefix="dockerd-"))
    mounted_before = list_mounts()
    log = folder / "dockerd.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *network,
                "dockerd",
                "--data-root",
                data,
                "--exec-root",
                exec_root,
                "--pidfile",
                folder / "pid",
                "--host",
                address,
                "--bridge",
                "none",
                "--iptables=false",
                "--ip6tables=false",
                *(["--registry-mirror", mirror] if mirror else []),
            ],
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for_daemon(address, log)
        yield Daemon(process=process, address=address)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        # A killed daemon leaves its shims, containers and mounts behind.
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                command = (entry / "cmdline").read_bytes()
                if (
                    any(str(path).encode() in command for path in (folder, exec_root))
                    and int(entry.name) != os.getpid()
                ):
                    os.kill(int(entry.name), signal.SIGKILL)
        for mount in reversed(list_mounts()):
            if any(mount.is_relative_to(path) for path in (folder, exec_root)) and mount not in mounted_before:
                call(["umount", "--lazy", mount])
        shutil.rmtree(exec_root, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """An image registry and a daemon that uses it as a mirror of Docker Hub, in a network namespace of their own."""

    daemon: Daemon
    network: tuple[str, ...]

    def docker(self, *args: str) -> str:
        """Run the docker command in the network namespace of daemon and registry, and return its output."""
        return call([*self.network, "docker", *args], env={**os.environ, "DOCKER_HOST": self.daemon.address})

    def push(self, name: str, images: Mapping[str, str]) -> None:
        """Publish images of the machine's own daemon under one name; `images` has them by architecture.

        The registry keeps the images that had the name before, by their digests.
        """
        parts = []
        for arch, image in images.items():
            archive = subprocess.run(["docker", "save", image], stdout=subprocess.PIPE, check=True).stdout
            subprocess.run(["docker", "--host", self.daemon.address, "load", "-q"], input=archive, check=True)
            parts.append(f"{_REGISTRY}/{name}-{arch}")
            self.docker("tag", image, parts[-1])
            self.docker("push", "--quiet", parts[-1])
        self.docker("manifest", "create", "--insecure", f"{_REGISTRY}/{name}", *parts)
        self.docker("manifest", "push", "--purge", "--insecure", f"{_REGISTRY}/{name}")
        # Otherwise a pull would not query the registry.
        self.docker("image", "rm", "--force", *parts, *images.values())


@contextlib.contextmanager
def start_registry(folder: Path) -> Iterator[Registry]:
    """Start an empty docker-registry from Debian and a daemon that queries it before Docker Hub."""
    call(
        ["dpkg-deb", "--extract", download_package("docker-registry", "bookworm", folder / "package"), folder / "files"]
    )
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/images}}}}\nhttp: {{addr: {_REGISTRY}}}\n"
    )
    serve = f"ip link set lo up && exec {folder}/files/usr/bin/docker-registry serve {config}"
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(["unshare", "--net", "sh", "-c", serve], stdout=log, stderr=subprocess.STDOUT)
    try:
        network = ("nsenter", "--target", str(process.pid), "--net")
        _wait_for_registry(network, folder / "registry.log")
        with start_daemon(folder, data=folder / "data", network=network, mirror=f"http://{_REGISTRY}") as daemon:
            yield Registry(daemon=daemon, network=network)
    finally:
        process.terminate()
        process.wait()


def _wait_for_registry(network: Sequence[str], log: Path) -> None:
    """Wait until the registry answers in its network namespace, whose loopback device is enabled after the start."""
    deadline = time.monotonic() + 30
    query = [*network, sys.executable, "-c", f"import urllib.request as r; r.urlopen('http://{_REGISTRY}/v2/')"]
    while time.monotonic() < deadline:
        if (
            subprocess.run(query, stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]}, check=False).returncode
            == 0
        ):
            return
        time.sleep(0.2)
    pytest.fail(f"the registry does not answer:\n{log.read_text()[-3000:]}")


def list_mounts() -> list[Path]:
    return [Path(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines()]


def _wait_for_daemon(address: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(MachineError), find_runtime(environ={"DOCKER_HOST": address}):
            return
        time.sleep(0.2)
    pytest.fail(f"dockerd does not answer:\n{log.read_text()[-3000:]}")


def list_containers(pid: int, address: str = "unix:///var/run/docker.sock") -> list[str]:
    """Return the ids of all containers, running or stopped, that the everywheel process `pid` created."""
    label = f'{{{{.ID}}}} {{{{.Label "{RUN_LABEL}"}}}}'
    output = call(["docker", "--host", address, "ps", "--all", "--filter", f"label={RUN_LABEL}", "--format", label])
    prefix = f"{platform.node()}/{pid}/"
    return [line.split(" ", 1)[0] for line in output.splitlines() if line.split(" ", 1)[1].startswith(prefix)]


def wait_for_container(process: subprocess.Popen[str], address: str = "unix:///var/run/docker.sock") -> None:
    """Wait until a command has started a container."""
    deadline = time.monotonic() + 300
    while not list_containers(process.pid, address):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"no container was started: {process.communicate()}")
        time.sleep(0.2)
