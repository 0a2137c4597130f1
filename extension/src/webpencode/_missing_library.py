"""Messages of MissingLibraryError, with the command that installs the library (only with linkage `system`)."""

from __future__ import annotations

import platform
import sys

# See the comment in __init__.py.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST = {"libvips": "8.10", "libwebp": "0.6", "libwebpmux": "0.6"}

# By distribution family (see os-release(5)): the commands that install and upgrade a package, and the package names of
# libvips, libwebp and libwebpmux. The package of libvips depends on the other two, but arrays need only libwebp.
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
# Debian renamed libraries for 64-bit time_t; libwebp7 was libwebp6 before Debian 12 and Ubuntu 22.04.
_RENAMED = {"debian": 13.0, "ubuntu": 24.04}
_WEBP_7 = {"debian": 12.0, "ubuntu": 22.04}


def make_message(library: str, version: str, evidence: str) -> str:
    """Return the message: what is wrong, the evidence, and a hint; `version` is one that is too old, or empty."""
    oldest = f"{library} {OLDEST[library]} or newer"
    if version:
        fact = f"{oldest} is required, but this system has {version}"
        bundled = "a wheel of webpencode with bundled libraries"
        command = find_command(library, _read_release(), is_installed=True)
        next_step = (
            f"`{command}`; if there is no newer version, install {bundled}"
            if command
            else f"install {oldest}, or {bundled}"
        )
        return f"{fact}\n  library: {evidence}\n  hint: {next_step}"
    command = find_command(library, _read_release())
    hint = f"`{command}`" if command else f"install {oldest} with this system's package manager"
    return f"{oldest} is required, but none could be opened\n  dlopen: {evidence}\n  hint: {hint}"


def _read_release() -> dict[str, str]:
    if sys.platform == "darwin":
        return {"ID": "macos"}
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def find_command(library: str, release: Mapping[str, str], *, is_installed: bool = False) -> str:
    """Return the command that installs a library, or upgrades an installed one; empty if the distribution is unknown.

    `release` has the fields of os-release(5).
    """
    name = release.get("ID", "")
    for known in (name, *release.get("ID_LIKE", "").split()):
        family = _FAMILIES.get(known, known.partition("-")[0])
        if family not in _INSTALL:
            continue
        install, upgrade, vips, webp, mux = _INSTALL[family]
        command = upgrade if is_installed else install
        package = {"libvips": vips, "libwebp": webp, "libwebpmux": mux}[library]
        return f"{command} {_rename(package, name, release)}" if family == "debian" else f"{command} {package}"
    return ""


def _rename(package: str, name: str, release: Mapping[str, str]) -> str:
    """Return the package name in this release of Debian or Ubuntu; a release without a number is the newest."""
    if name not in _RENAMED:
        return package  # a derivative: its newer packages also provide the older names
    try:
        version = float(release.get("VERSION_ID", "inf"))
    except ValueError:
        return package
    if package == "libvips42" and version >= _RENAMED[name]:
        return "libvips42t64"
    return "libwebp6" if package == "libwebp7" and version < _WEBP_7[name] else package
