"""The architectures whose programs this machine runs without an emulator."""

from __future__ import annotations

import platform

from everywheel.platforms.architectures import Arch, find_machine_arch


def is_native(arch: Arch) -> bool:
    """Return whether this machine runs programs of an architecture without an emulator."""
    machine = find_machine_arch(platform.machine())
    return machine is not None and machine.name in (arch.name, *arch.also_runs_on)
