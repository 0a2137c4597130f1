"""QEMU: the architectures that this machine can emulate, and how to install an emulator that is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

from everywheel.containers.runtime import is_native
from everywheel.errors import MachineError
from everywheel.platforms.architectures import Arch

HANDLERS = Path("/proc/sys/fs/binfmt_misc")
_INSTALL = "`apt-get install qemu-user-static binfmt-support`"
_MOUNT = "`mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc`"


def check_emulation(arch: Arch, handlers: Path = HANDLERS) -> None:
    """Raise MachineError when neither the processor nor QEMU runs programs of an architecture."""
    if is_native(arch):
        return
    fact = f"this machine cannot run programs for {arch.name}"
    if not (handlers / "register").exists():
        raise MachineError(fact, details={"reason": "binfmt_misc is not mounted"}, hint=f"{_MOUNT}, then {_INSTALL}")
    handler = handlers / f"qemu-{arch.qemu}"
    if not handler.exists():
        enable = f"`update-binfmts --enable qemu-{arch.qemu}`"
        raise MachineError(fact, details={"reason": "no QEMU handler is registered"}, hint=f"{_INSTALL}, then {enable}")
    text = handler.read_text()
    if "enabled" not in text.split("\n", 1)[0]:
        raise MachineError(
            fact, details={"reason": "the QEMU handler is disabled"}, hint=f"`echo 1 > {handler}` enables it"
        )
    flags = next((line.split(":")[1] for line in text.splitlines() if line.startswith("flags")), "")
    if "F" not in flags:
        raise MachineError(
            fact,
            details={"reason": "the QEMU handler does not work in containers (it has no flag F)"},
            hint=f"{_INSTALL} installs one that does",
        )


def find_emulator(arch: Arch) -> Path:
    """Return the static QEMU program of an architecture; raise MachineError if it is missing."""
    program = shutil.which(f"qemu-{arch.qemu}-static")
    if program is None:
        raise MachineError(f"qemu-{arch.qemu}-static is not installed", hint=_INSTALL)
    return Path(program)
