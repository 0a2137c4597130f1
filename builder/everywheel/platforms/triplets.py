"""The triplets of configure scripts, `cpu-vendor-system`, as GNU config.sub spells them."""

from __future__ import annotations

from enum import StrEnum

from everywheel.platforms.target import Target


class Vendor(StrEnum):
    """The second part of a triplet.

    A configure script runs no program of the target if the two triplets of a build differ. They always do, since the build
    machine has a vendor of its own: a build for this machine gives the same result as one on another machine.
    """

    TARGET = "pc"
    BUILD_MACHINE = "build"


def name_triplet(target: Target, vendor: Vendor = Vendor.TARGET) -> str:
    """Return the triplet of a target: `x86_64-pc-linux-gnu`, `aarch64-apple-darwin20.0.0`, `x86_64-pc-mingw32`."""
    cpu = target.arch.config_cpu or target.arch.zig
    if target.os == "darwin":
        return f"{cpu}-{'apple' if vendor is Vendor.TARGET else vendor}-darwin{_name_kernel(target.os_version)}.0.0"
    if target.os == "windows":
        return f"{cpu}-{vendor}-mingw32"
    return f"{cpu}-{vendor}-linux-{target.arch.abi(target.libc)}"


def _name_kernel(macos: tuple[int, int]) -> int:
    """Return the major version of Darwin, the kernel of a macOS."""
    major, minor = macos
    return minor + 4 if major == 10 else major + (9 if major < 26 else -1)
