"""Headers and archives of build requirements for the target instead of those of this machine's wheels.

The wheel of a package such as numpy contains headers with facts about the machine that it is for: the size of `long`, the
format of `long double`. A build needs the package's code for this machine, which runs, and its headers for the target. So
the headers come from the target's wheel of the same version, one of those whose hashes are pinned. The directory
TARGET_PACKAGES of a workspace contains both, and is searched first: functions such as `numpy.get_include()` return a path
in it. The compiler wrappers replace other paths of the installed packages by those of that directory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath

from packaging.tags import mac_platforms
from packaging.utils import canonicalize_name

from everywheel.config.pins import Pin, render_pins
from everywheel.errors import BuildError
from everywheel.execution.files import remove_path
from everywheel.libraries.context import BuildContext
from everywheel.platforms.tags import PlatformTag, parse_platforms
from everywheel.platforms.target import NEWEST_GLIBC, Target
from everywheel.store.local import Store
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.toolchains.pip import download_wheels, platform_tags, run_pip, write_requirements
from everywheel.toolchains.record import list_files
from everywheel.toolchains.toolchain import TARGET_PACKAGES
from everywheel.toolchains.virtual_env import python_name, site_packages
from everywheel.wheels.wheel import open_wheel

_HEADERS = (".h", ".hh", ".hpp", ".hxx", ".h++", ".inl", ".ipp", ".cuh")
_ARCHIVES = (".a", ".lib")
_NEWEST_MACOS = (26, 0)
_UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderPackage:
    """An installed package whose headers are those of this machine; `files` are relative to the directory of packages."""

    pin: Pin
    files: tuple[str, ...]


def write_target_packages(
    interpreter: Path, workspace: Path, pins: Sequence[Pin], target: Target, context: BuildContext
) -> None:
    """Write TARGET_PACKAGES of a workspace if the build requirements have headers and are for another machine.

    A package without a wheel for the target has headers that stop the compiler with an error. Raises BuildError when the
    package index is not reachable, MachineError when wheels are not in the store and must not be downloaded.
    """
    site, packages = site_packages(interpreter.parent.parent), workspace / TARGET_PACKAGES
    remove_path(packages)
    header_packages = find_header_packages(site, pins, target)
    version = python_name(interpreter.parent.parent).removeprefix("python").removesuffix("t")
    for package in header_packages:
        wheel = _ensure_wheel(package.pin, target, version, context.store, offline=context.offline)
        _link_package(package, site, packages)
        if (wheel / _UNAVAILABLE).exists():
            _write_errors(package, (wheel / _UNAVAILABLE).read_text(), packages)
        else:
            _link_all(wheel, _list_folder(wheel), packages)
    if header_packages:
        present = {path.name for path in packages.iterdir()}
        _link_all(site, (path.name for path in site.iterdir() if path.name not in present), packages)


def find_header_packages(site: Path, pins: Sequence[Pin], target: Target) -> tuple[HeaderPackage, ...]:
    """Return the packages in a directory whose wheels are not for the target and have headers that others include.

    Others include headers of a directory such as `include`, or of the package's own top directory. Headers elsewhere belong
    to programs: CMake and Cython have some.
    """
    by_name = {pin.name: pin for pin in pins}
    packages = []
    for package in sorted(distributions(path=[str(site)]), key=lambda package: package.name):
        pin = by_name.get(canonicalize_name(package.name))
        files = tuple(file for file in list_files(package) if not file.startswith(("../", "/")))
        if pin is not None and not _fits(package, target) and any(map(_is_public, files)):
            packages.append(HeaderPackage(pin=pin, files=files))
    return tuple(packages)


def _fits(package: Distribution, target: Target) -> bool:
    """Return whether the wheel of an installed package was pure, or for the target's system, libc and architecture."""
    lines = (package.read_text("WHEEL") or "").splitlines()
    platforms = [line.rpartition("-")[2].strip() for line in lines if line.startswith("Tag:")]
    tags = [tag for platform in platforms for tag in parse_platforms(platform)]
    return any(not tag.os or _is_for(tag, target) for tag in tags)


def _is_for(tag: PlatformTag, target: Target) -> bool:
    return tag.os == target.os and tag.libc in ("", target.libc) and target.arch_tag in tag.arches


def _is_public(file: str) -> bool:
    path = PurePosixPath(file)
    folders = path.parts[:-1]
    return path.suffix in _HEADERS and (
        len(folders) == 1 or any(folder.lower().startswith("include") for folder in folders)
    )


def _ensure_wheel(pin: Pin, target: Target, python: str, store: Store, *, offline: bool) -> Path:
    """Return a directory in the store with the headers and archives of a package for the target and a version of Python."""
    label = f"headers of {pin.name} {pin.version} for {target.tag}"
    platforms = list_platforms(target)
    identity = hashlib.sha256(f"{render_pins([pin])} {platforms} {python}".encode()).hexdigest()[:12]
    path = store.root / "tools" / f"headers-{identity}"
    log = store.root / "logs" / f"{path.name}.log"

    def fill(folder: Path) -> None:
        remove_path(log)
        requirements = write_requirements(folder / "requirements.txt", render_pins([pin]))
        options = ["--require-hashes", "-r", str(requirements)]
        try:
            download_wheels(
                options, folder, platforms=platforms, python=python, label=label, log=log, dependencies=False
            )
        except BuildError as error:
            if any("DO NOT MATCH THE HASHES" in line for line in error.excerpt):
                reason = f"the wheel of {pin.name} {pin.version} for {target.tag} has none of the pinned hashes"
            elif any("No matching distribution" in line for line in error.excerpt):
                _check_index(pin, folder, label, log)
                reason = f"the package index has no wheel of {pin.name} {pin.version} for {target.tag}"
            else:
                raise
            (folder / _UNAVAILABLE).write_text(reason)
        for wheel in sorted(folder.glob("*.whl")):
            _unpack_headers(wheel, folder)
            wheel.unlink()
        requirements.unlink()

    return ensure_stamped_dir(path, fill, title=label, offline=offline)


def list_platforms(target: Target) -> list[str]:
    """Return the platform tags of wheels whose headers are right for a target, of which the newest come first.

    A wheel for a newer glibc or macOS than the target's has the same headers.
    """
    if target.os == "linux":
        return platform_tags(target, NEWEST_GLIBC if target.libc == "glibc" else target.libc_version)
    return list(mac_platforms(_NEWEST_MACOS, target.arch_tag)) if target.os == "darwin" else [target.tag]


def _check_index(pin: Pin, folder: Path, label: str, log: Path) -> None:
    """Raise BuildError unless the index has the version for this machine: pip reports the same for an index that fails."""
    options = ["--dry-run", "--no-deps", "--only-binary", ":all:", "--target", str(folder / "none")]
    run_pip("install", [*options, f"{pin.name}=={pin.version}"], label=label, log=log)


def _unpack_headers(wheel: Path, folder: Path) -> None:
    with open_wheel(wheel) as archive:
        for member in archive.files:
            if member.name.endswith((*_HEADERS, *_ARCHIVES)):
                path = folder / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                archive.extract(member, path)


def _list_folder(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in (*_HEADERS, *_ARCHIVES):
            yield path.relative_to(folder).as_posix()


def _link_package(package: HeaderPackage, site: Path, packages: Path) -> None:
    """Link to the files of an installed package, without its headers and archives."""
    _link_all(site, (file for file in package.files if not file.endswith((*_HEADERS, *_ARCHIVES))), packages)


def _link_all(root: Path, files: Iterator[str], packages: Path) -> None:
    for file in files:
        link = packages / file
        link.parent.mkdir(parents=True, exist_ok=True)
        if (root / file).exists() and not os.path.lexists(link):
            link.symlink_to(root / file)


def _write_errors(package: HeaderPackage, reason: str, packages: Path) -> None:
    for file in package.files:
        if file.endswith(_HEADERS):
            path = packages / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"#error {reason}, and the headers of the installed wheel describe this machine\n")
