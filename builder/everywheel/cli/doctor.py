"""The doctor: what a build needs of this machine, what is there, and what to type where something is missing."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from everywheel.containers.qemu import check_emulation
from everywheel.containers.runtime import find_runtime, is_native
from everywheel.errors import MachineError
from everywheel.execution.process import run_command
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.target import build_machine_target
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import ensure_tools, pinned_versions

_NEEDED_SPACE = 4e9  # bytes: tools 0.7 GB, compiler cache 0.4 GB, workspaces 1 GB, and room to breathe
_IMAGE_SPACE = 2e9  # bytes: the images of all architectures, and what containers write


class State(StrEnum):
    """How one thing is: `optional` is missing but a build goes without it."""

    OK = "ok"
    MISSING = "missing"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at; `advice` says what to type where it is not as it should be."""

    name: str
    state: State
    words: str
    advice: str = ""


def examine(store: Path) -> tuple[Check, ...]:
    """Look at everything that builds and smoke need; nothing is installed or changed but the store's folder."""
    build = (_machine(), _python(), _venv(), _git(), _package_client(), _store(store), _tools(store))
    return (*build, _runtime(), *_emulation(), _bootstrap())


def _machine() -> Check:
    machine = platform.machine()
    libc = " ".join(part for part in platform.libc_ver() if part) or "musl"
    words = f"{platform.system()} {machine}" + (f", {libc}" if platform.system() == "Linux" else "")
    if platform.system() == "Linux" and build_machine_target().arch.name in ARCHES:
        return Check(name="machine", state=State.OK, words=words)
    if platform.system() in ("Darwin", "Windows"):
        advice = "`--engine native` builds for this machine alone; on Linux, zig builds every target"
        return Check(name="machine", state=State.OPTIONAL, words=words, advice=advice)
    return Check(name="machine", state=State.MISSING, words=words, advice="builds run on Linux, macOS and Windows")


def _python() -> Check:
    return Check(name="python", state=State.OK, words=f"{platform.python_version()} at {sys.executable}")


def _venv() -> Check:
    if importlib.util.find_spec("venv") is not None and importlib.util.find_spec("pip") is not None:
        return Check(name="venv and pip", state=State.OK, words="environments can be made")
    return Check(name="venv and pip", state=State.MISSING, words="not there", advice="apt-get install python3-venv")


def _git() -> Check:
    found = shutil.which("git")
    if found is None:
        return Check(
            name="git", state=State.MISSING, words="not on PATH", advice="apt-get install git (it applies patches)"
        )
    version = run_command([found, "--version"]).output.strip()
    return Check(name="git", state=State.OK, words=version)


def _package_client() -> Check:
    if shutil.which("apt-get") is None:
        return Check(
            name="package client",
            state=State.OPTIONAL,
            words="no apt-get: sources come from mirrors and upstream",
            advice="`everywheel sources import` takes a bundle made elsewhere",
        )
    return Check(name="package client", state=State.OK, words="apt-get")


def _store(root: Path) -> Check:
    try:
        Store(root)
    except MachineError as error:
        return Check(name="store", state=State.MISSING, words=error.fact, advice=error.hint or "")
    free = shutil.disk_usage(root).free
    words = f"{root}, {free / 1e9:.1f} GB free"
    if free < _NEEDED_SPACE or not os.access(root, os.W_OK):
        return Check(name="store", state=State.MISSING, words=words, advice="EVERYWHEEL_STORE names another place")
    return Check(name="store", state=State.OK, words=words)


def _tools(root: Path) -> Check:
    pins = ", ".join(f"{name} {version}" for name, version in pinned_versions().items())
    try:
        ensure_tools(root, offline=True)
    except MachineError:
        return Check(
            name="build tools",
            state=State.OPTIONAL,
            words=f"not installed yet: {pins}",
            advice="the first build installs them (about 160 MB)",
        )
    return Check(name="build tools", state=State.OK, words=pins)


def _runtime() -> Check:
    name = "container runtime"
    try:
        with find_runtime() as runtime:
            words, root = runtime.describe(), runtime.data_root()
            free = shutil.disk_usage(root).free if root.is_dir() else None
            if free is not None and free < _IMAGE_SPACE:
                return Check(
                    name=name,
                    state=State.MISSING,
                    words=f"{words}, {free / 1e9:.1f} GB free in {root}",
                    advice="`everywheel images prune` and `docker system prune` make room",
                )
            return Check(name=name, state=State.OK, words=words)
    except MachineError as error:
        reasons = "; ".join(f"{address}: {reason}" for address, reason in error.details.items())
        return Check(name=name, state=State.OPTIONAL, words=f"{error.fact} ({reasons})", advice=error.hint or "")


def _emulation() -> Iterator[Check]:
    """Look at every foreign architecture; those that are as they should be share one line."""
    works = []
    for arch in ARCHES.values():
        try:
            check_emulation(arch)
        except MachineError as error:
            words = f"{error.fact}: {error.details['reason']}"
            yield Check(name=f"QEMU {arch.name}", state=State.OPTIONAL, words=words, advice=error.hint or "")
        else:
            works += [] if is_native(arch) else [arch.name]
    if works:
        yield Check(name="QEMU", state=State.OK, words=f"runs {', '.join(works)}")


def _bootstrap() -> Check:
    found = shutil.which("mmdebstrap")
    if found is None:
        return Check(
            name="mmdebstrap",
            state=State.OPTIONAL,
            words="not there: images come from a registry, or not at all",
            advice="apt-get install mmdebstrap",
        )
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    if not keyring.exists():
        return Check(
            name="mmdebstrap",
            state=State.OPTIONAL,
            words=f"{found}, but no keys of Debian's archive",
            advice="apt-get install debian-archive-keyring",
        )
    return Check(name="mmdebstrap", state=State.OK, words=found)
