"""What to say, and what to type, where the system's libvips or libwebp is missing: linkage `system` only."""

from __future__ import annotations

import platform
import sys

# TYPE_CHECKING, as in the package itself.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST = {"libvips": "8.10", "libwebp": "0.6", "libwebpmux": "0.6"}

# By the families of /etc/os-release: what installs a package, what makes one newer that is there already, and how libvips,
# libwebp and libwebpmux are called. libvips brings the other two along, but arrays do without it.
_INSTALL = {
    "debian": ("apt install", "apt install", "libvips42", "libwebp7", "libwebpmux3"),
    "fedora": ("dnf install", "dnf upgrade", "vips", "libwebp", "libwebp"),
    "rhel": ("dnf install", "dnf upgrade", "vips", "libwebp", "libwebp"),
    "alpine": ("apk add", "apk add --upgrade", "vips", "libwebp", "libwebpmux"),
    "arch": ("pacman -S", "pacman -Syu", "libvips", "libwebp", "libwebp"),
    "suse": ("zypper install", "zypper update", "libvips42", "libwebp7", "libwebpmux3"),
    "gentoo": ("emerge", "emerge --update", "media-libs/vips", "media-libs/libwebp", "media-libs/libwebp"),
    "void": ("xbps-install", "xbps-install --update", "libvips", "libwebp", "libwebp"),
    "macos": ("brew install", "brew upgrade", "vips", "webp", "webp"),
}
_FAMILIES = {"ubuntu": "debian", "centos": "rhel", "opensuse": "suse", "archlinux": "arch"}
# Debian renamed libraries when time_t became longer; libwebp was called libwebp6 before Debian 12 and Ubuntu 22.04.
_RENAMED = {"debian": 13.0, "ubuntu": 24.04}
_WEBP_7 = {"debian": 12.0, "ubuntu": 22.04}


def explain(library: str, found: str, evidence: str) -> str:
    """Return what is wrong, what shows it, and what to type; `found` is a version that is too old, or empty."""
    oldest = f"{library} {OLDEST[library]} or newer"
    if found:
        fact = f"{oldest} is needed, and this system's is {found}"
        inside = "a wheel of webpencode that has it inside"
        command = find_command(library, _read_release(), is_there=True)
        next_step = (
            f"`{command}`; if that brings no newer one, install {inside}"
            if command
            else f"install {oldest}, or {inside}"
        )
        return f"{fact}\n  library: {evidence}\n  hint: {next_step}"
    command = find_command(library, _read_release())
    hint = f"`{command}`" if command else f"install {oldest} with this system's package manager"
    return f"{oldest} is needed, and this system has none that can be opened\n  dlopen: {evidence}\n  hint: {hint}"


def _read_release() -> dict[str, str]:
    if sys.platform == "darwin":
        return {"ID": "macos"}
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def find_command(library: str, release: Mapping[str, str], *, is_there: bool = False) -> str:
    """Return the command that installs a library on the system that an os-release(5) describes, or an empty string.

    Where the library is there already, the command is the one that brings a newer one.
    """
    name = release.get("ID", "")
    for known in (name, *release.get("ID_LIKE", "").split()):
        family = _FAMILIES.get(known, known.partition("-")[0])
        if family not in _INSTALL:
            continue
        install, upgrade, vips, webp, mux = _INSTALL[family]
        command = upgrade if is_there else install
        package = {"libvips": vips, "libwebp": webp, "libwebpmux": mux}[library]
        return f"{command} {_rename(package, name, release)}" if family == "debian" else f"{command} {package}"
    return ""


def _rename(package: str, name: str, release: Mapping[str, str]) -> str:
    """Return what Debian or Ubuntu call a package in this release; one without a number is newer than all that have one."""
    if name not in _RENAMED:
        return package  # a relative: the newer names have the older as another
    try:
        version = float(release.get("VERSION_ID", "inf"))
    except ValueError:
        return package
    if package == "libvips42" and version >= _RENAMED[name]:
        return "libvips42t64"
    return "libwebp6" if package == "libwebp7" and version < _WEBP_7[name] else package
