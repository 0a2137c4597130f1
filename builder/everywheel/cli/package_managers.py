"""The command with which the package manager of the build machine installs what builds and smoke tests need."""

from __future__ import annotations

import contextlib
import platform
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from everywheel.platforms.architectures import Arch

_OS_RELEASE = (Path("/etc/os-release"), Path("/usr/lib/os-release"))
# Packages that are not named like the program; these names are the same in all distributions.
_PROGRAMS = {"makeinfo": "texinfo", "msgfmt": "gettext", "tclsh": "tcl"}
_UTILITIES = "coreutils diffutils findutils gawk grep sed tar"


class Need(StrEnum):
    """A part of the build machine that packages provide; the value names it where no package is known."""

    VENV = "Python with venv and pip"
    GIT = "git"
    SHELL = "a POSIX shell and `env`"
    CXX_LIBRARY = "libstdc++"
    UTILITIES = "the POSIX utilities"
    RUNTIME = "Docker or Podman"
    EMULATOR = "QEMU's static user-mode emulators"
    MMDEBSTRAP = "mmdebstrap"
    DEBIAN_KEYS = "the keys of Debian's archive"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageManager:
    """A package manager, and the packages that it has for each need.

    `install` is the command before the names of packages. `start_runtime` starts the container runtime, and
    `start_emulators` registers the emulators; both are commands. `{cpu}` in them and in packages is QEMU's name of an
    architecture.
    """

    install: str
    packages: Mapping[Need, str]
    start_runtime: str = ""
    start_emulators: str = ""


_APT = PackageManager(
    install="apt-get install",
    packages={
        Need.VENV: "python3-venv",
        Need.GIT: "git",
        Need.SHELL: "dash coreutils",
        Need.CXX_LIBRARY: "libstdc++6",
        Need.UTILITIES: _UTILITIES,
        Need.RUNTIME: "docker.io",
        Need.EMULATOR: "qemu-user-static binfmt-support",
        Need.MMDEBSTRAP: "mmdebstrap",
        Need.DEBIAN_KEYS: "debian-archive-keyring",
    },
    start_runtime="systemctl start docker",
    start_emulators="update-binfmts --enable qemu-{cpu}",
)
_DNF = PackageManager(
    install="dnf install",
    packages={
        Need.VENV: "python3-pip",
        Need.GIT: "git-core",
        Need.SHELL: "bash coreutils",
        Need.CXX_LIBRARY: "libstdc++",
        Need.UTILITIES: _UTILITIES,
        Need.RUNTIME: "podman",
        Need.EMULATOR: "qemu-user-static",
        Need.MMDEBSTRAP: "mmdebstrap",
        Need.DEBIAN_KEYS: "debian-keyring",
    },
    start_runtime="systemctl start podman.socket",
    start_emulators="systemctl restart systemd-binfmt",
)
_APK = PackageManager(
    install="apk add",
    packages={
        Need.VENV: "py3-pip",
        Need.GIT: "git",
        Need.SHELL: "busybox",
        Need.CXX_LIBRARY: "libstdc++",
        Need.UTILITIES: _UTILITIES,
        Need.RUNTIME: "docker",
        Need.EMULATOR: "qemu-{cpu} qemu-openrc",
        Need.DEBIAN_KEYS: "debian-archive-keyring",
    },
    start_runtime="rc-service docker start",
    start_emulators="rc-service qemu-binfmt start",
)
_PACMAN = PackageManager(
    install="pacman -S",
    packages={
        Need.VENV: "python-pip",
        Need.GIT: "git",
        Need.SHELL: "bash coreutils",
        Need.CXX_LIBRARY: "gcc-libs",
        Need.UTILITIES: _UTILITIES,
        Need.RUNTIME: "docker",
        Need.EMULATOR: "qemu-user-static qemu-user-static-binfmt",
        Need.DEBIAN_KEYS: "debian-archive-keyring",
    },
    start_runtime="systemctl start docker",
    start_emulators="systemctl restart systemd-binfmt",
)
_ZYPPER = PackageManager(
    install="zypper install",
    packages={
        Need.VENV: "python3-pip",
        Need.GIT: "git-core",
        Need.SHELL: "bash coreutils",
        Need.CXX_LIBRARY: "libstdc++6",
        Need.UTILITIES: _UTILITIES,
        Need.RUNTIME: "docker",
        Need.EMULATOR: "qemu-linux-user",
    },
    start_runtime="systemctl start docker",
    start_emulators="systemctl restart systemd-binfmt",
)
_BREW = PackageManager(
    install="brew install",
    packages={Need.VENV: "python", Need.GIT: "git", Need.RUNTIME: "podman"},
    start_runtime="podman machine start",
)
_WINGET = PackageManager(
    install="winget install",
    packages={Need.VENV: "Python.Python.3.13", Need.GIT: "Git.Git", Need.RUNTIME: "Docker.DockerDesktop"},
)
# By ID and ID_LIKE in os-release(5); derivatives name in ID_LIKE what they are derived from, but not all of them do.
_LINUX: Mapping[str, PackageManager] = {
    "debian": _APT,
    "ubuntu": _APT,
    "fedora": _DNF,
    "rhel": _DNF,
    "alpine": _APK,
    "chainguard": _APK,
    "wolfi": _APK,
    "arch": _PACMAN,
    "suse": _ZYPPER,
}
_SYSTEMS: Mapping[str, PackageManager] = {"Darwin": _BREW, "Windows": _WINGET}


def find_package_manager(system: str = platform.system(), os_release: str | None = None) -> PackageManager | None:
    """Return the package manager of a system, or None for an unknown distribution; by default, that of this machine.

    `system` is the value of `platform.system()`, `os_release` the text of os-release(5) on Linux.
    """
    if system != "Linux":
        return _SYSTEMS.get(system)
    fields = parse_os_release(_read_os_release() if os_release is None else os_release)
    names = [fields.get("ID", ""), *fields.get("ID_LIKE", "").split()]
    return next((_LINUX[name] for name in names if name in _LINUX), None)


def parse_os_release(text: str) -> dict[str, str]:
    """Return the fields of os-release(5), whose values are quoted as in a shell; lines that are not fields are ignored."""
    fields = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            with contextlib.suppress(ValueError):  # an open quote
                fields[name] = "".join(shlex.split(value))
    return fields


def _read_os_release() -> str:
    for path in _OS_RELEASE:
        with contextlib.suppress(OSError):
            return path.read_text(encoding="utf-8", errors="replace")
    return ""


def advise_install(manager: PackageManager | None, need: Need, arch: Arch | None = None) -> str:
    """Return the command that installs what a need requires, and starts it; `arch` is the architecture of an emulator."""
    packages = "" if manager is None else manager.packages.get(need, "")
    if manager is None or not packages:
        return f"install {need}"
    start = {Need.RUNTIME: manager.start_runtime, Need.EMULATOR: manager.start_emulators}.get(need, "")
    commands = [f"`{command}`" for command in (f"{manager.install} {packages}", start) if command]
    return ", then ".join(commands).format(cpu="" if arch is None else arch.qemu)


def advise_programs(manager: PackageManager | None, names: Iterable[str]) -> str:
    """Return the command that installs programs by name; most packages are named like their program."""
    names = tuple(names)
    if manager is None or manager is _WINGET:  # its packages have the names of publishers
        return f"install {', '.join(names)}"
    return f"`{manager.install} {' '.join(dict.fromkeys(_PROGRAMS.get(name, name) for name in names))}`"
