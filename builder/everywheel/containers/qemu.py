"""QEMU: the architectures that this machine can emulate, and how to install an emulator that is missing."""

from __future__ import annotations

import shutil
from enum import StrEnum
from pathlib import Path

from everywheel.containers.native_arches import is_native
from everywheel.errors import MachineError
from everywheel.platforms.architectures import Arch

HANDLERS = Path("/proc/sys/fs/binfmt_misc")
_INSTALL = "`apt-get install qemu-user-static binfmt-support`"
MOUNT_HANDLERS = "`mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc`"


class EmulationProblem(StrEnum):
    """The reason why this machine cannot run programs for an architecture."""

    NOT_MOUNTED = "binfmt_misc is not mounted"
    NOT_REGISTERED = "no QEMU handler is registered"
    DISABLED = "the QEMU handler is disabled"
    NOT_IN_CONTAINERS = "the QEMU handler does not work in containers (it has no flag F)"


def find_emulation_problem(arch: Arch, handlers: Path = HANDLERS) -> EmulationProblem | None:
    """Return the reason why neither the processor nor QEMU runs programs of an architecture, or None if one does."""
    if is_native(arch):
        return None
    if not (handlers / "register").exists():
        return EmulationProblem.NOT_MOUNTED
    handler = handlers / f"qemu-{arch.qemu}"
    if not handler.exists():
        return EmulationProblem.NOT_REGISTERED
    text = handler.read_text()
    if "enabled" not in text.split("\n", 1)[0]:
        return EmulationProblem.DISABLED
    flags = next((line.split(":")[1] for line in text.splitlines() if line.startswith("flags")), "")
    return None if "F" in flags else EmulationProblem.NOT_IN_CONTAINERS


def check_emulation(arch: Arch, handlers: Path = HANDLERS) -> None:
    """Raise MachineError when neither the processor nor QEMU runs programs of an architecture."""
    problem = find_emulation_problem(arch, handlers)
    if problem is None:
        return
    hints = {
        EmulationProblem.NOT_MOUNTED: f"{MOUNT_HANDLERS}, then {_INSTALL}",
        EmulationProblem.NOT_REGISTERED: f"{_INSTALL}, then `update-binfmts --enable qemu-{arch.qemu}`",
        EmulationProblem.DISABLED: enable_handler(arch, handlers),
        EmulationProblem.NOT_IN_CONTAINERS: f"{_INSTALL} installs one that does",
    }
    fact = f"this machine cannot run programs for {arch.name}"
    raise MachineError(fact, details={"reason": problem}, hint=hints[problem])


def enable_handler(arch: Arch, handlers: Path = HANDLERS) -> str:
    """Return the advice for a handler that is disabled."""
    return f"`echo 1 > {handlers / f'qemu-{arch.qemu}'}` enables it"


def find_emulator(arch: Arch) -> Path:
    """Return the static QEMU program of an architecture; raise MachineError if it is missing."""
    program = shutil.which(f"qemu-{arch.qemu}-static")
    if program is None:
        raise MachineError(f"qemu-{arch.qemu}-static is not installed", hint=_INSTALL)
    return Path(program)
