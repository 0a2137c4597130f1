"""Names of targets other than platform tags, such as `macos_arm64` and `linux-x64`."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from everywheel.platforms.architectures import Arch, ArchTable, find_machine_arch

# Operating system and C library by the first letters of names for them.
_SYSTEMS = MappingProxyType(
    {
        "mac": ("darwin", ""),
        "darwin": ("darwin", ""),
        "osx": ("darwin", ""),
        "win": ("windows", ""),
        "musl": ("linux", "musl"),
        "linux_musl": ("linux", "musl"),
        "alpine": ("linux", "musl"),
        "manylinux": ("linux", "glibc"),
        "linux": ("linux", "glibc"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherName:
    """The operating system, the C library (empty except for Linux) and the architecture that a name means."""

    os: str
    libc: str
    arch: Arch


def find_system(name: str) -> str:
    """Return the operating system that a name such as `macOS` or `win32` means, or an empty string for another text."""
    return next((system for start, (system, _) in _SYSTEMS.items() if name.lower().startswith(start)), "")


def find_other_name(text: str, arches: ArchTable) -> OtherName | None:
    """Return what a name means that begins with a system and ends with an architecture, or None for another text."""
    name = text.lower().replace("-", "_").replace("win64", "win_amd64")
    parts = name.split("_")
    machines = ("_".join(parts[start:]) for start in range(1, len(parts)))
    arch = next((arch for machine in machines if (arch := find_machine_arch(machine, arches)) is not None), None)
    system = next((system for start, system in _SYSTEMS.items() if name.startswith(start)), None)
    return OtherName(os=system[0], libc=system[1], arch=arch) if arch is not None and system is not None else None
