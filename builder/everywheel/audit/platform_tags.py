"""Checks of the platform tags: one operating system, known tags, and binaries of that system."""

from __future__ import annotations

from collections.abc import Iterator

from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.formats import FORMATS
from everywheel.platforms.mac_windows_policy import load_mac_policy, load_windows_policy
from everywheel.platforms.tags import PlatformTag, TagFamily, parse_platforms
from everywheel.platforms.target import NEWEST_GLIBC, OPERATING_SYSTEMS

_MAX_FILES = 8
_NEWEST = {"glibc": NEWEST_GLIBC, "musl": (1, 2)}
_OLDEST_GLIBC = {"x86_64": (2, 5), "i686": (2, 5)}
"""The oldest glibc that installers accept in a tag, by architecture; the others begin with manylinux2014 (PEP 599)."""


def check_platform_tags(contents: WheelContents) -> Iterator[Finding]:
    """Find tags without a policy, tags of several systems, and binaries of another system than that of the tags."""
    yield from _check_linux_tags(contents)
    yield from _check_mac_and_windows_tags(contents)
    yield from _check_binaries(contents)


def _check_linux_tags(contents: WheelContents) -> Iterator[Finding]:
    name, policies = contents.path.name, contents.linux_policies
    known = {policy.tag for policy in policies}
    for tag in parse_platforms(contents.wheel.platform):
        if tag.family is TagFamily.LINUX:
            message = f"{tag.text} promises no compatibility; the wheel was not repaired"
            yield Finding(check="tags", file=name, message=message)
        elif tag.libc and tag.text not in known:
            yield Finding(check="tags", file=name, message=f"no policy is known for {tag.text}")
        elif tag.libc and (message := _describe_version(tag)):
            yield Finding(check="tags", file=name, message=message)
    # A static program runs with every C library, so a wheel may have tags for glibc and musl.
    arches = {policy.arch.name for policy in policies}
    if len(arches) > 1:
        message = f"the platform tags name more than one architecture: {', '.join(sorted(arches))}"
        yield Finding(check="tags", file=name, message=message)


def _describe_version(tag: PlatformTag) -> str:
    """Return why no installer accepts a tag for Linux because of its version; empty for other tags."""
    version, newest = ".".join(map(str, tag.version)), _NEWEST[tag.libc]
    if tag.version > newest:
        newest_text = ".".join(map(str, newest))
        return f"no system has the {tag.libc} {version} that {tag.text} requires: the newest known version is {newest_text}"
    oldest = _OLDEST_GLIBC.get(tag.arch, (2, 17))
    if tag.libc == "glibc" and tag.version < oldest:
        lowest = ".".join(map(str, oldest))
        return f"no installer accepts {tag.text}: the oldest glibc in a tag for {tag.arch} is {lowest}"
    return ""


def _check_mac_and_windows_tags(contents: WheelContents) -> Iterator[Finding]:
    for tag in parse_platforms(contents.wheel.platform):
        policy = load_mac_policy(tag.text) or load_windows_policy(tag.text)
        message = ""
        if tag.os in ("darwin", "windows") and policy is None:
            message = f"no policy is known for {tag.text}"
        elif tag.os == "darwin" and tag.version >= (11, 0) and tag.version[1]:
            message = f"no installer accepts {tag.text}: from macOS 11 on, the minor version in a tag is 0"
        if message:
            yield Finding(check="tags", file=contents.path.name, message=message)


def _check_binaries(contents: WheelContents) -> Iterator[Finding]:
    wheel, name = contents.wheel, contents.path.name
    tagged, binaries = contents.systems, _group_binaries(contents)
    if len(tagged) > 1:
        listed = ", ".join(OPERATING_SYSTEMS[system].title for system in OPERATING_SYSTEMS if system in tagged)
        message = f"the platform tags name more than one operating system: {listed}"
        yield Finding(check="tags", file=name, message=message)
    if len(binaries) > 1:
        kinds = " and ".join(f"{FORMATS[key].name} files for {OPERATING_SYSTEMS[key].title}" for key in binaries)
        message = f"contains binaries of more than one operating system: {kinds}"
        evidence = tuple(f"{FORMATS[system].name}: {_shorten(files)}" for system, files in binaries.items())
        yield Finding(check="tags", file=name, message=message, evidence=evidence)
        return
    for system, files in binaries.items():
        contained, evidence = f"contains {FORMATS[system].name} files", files[:_MAX_FILES]
        if contents.platforms == ["any"]:
            message = f"tagged for any platform, but {contained}"
            yield Finding(check="tags", file=name, message=message, evidence=evidence)
        elif tagged and system not in tagged:
            message = f"tagged {wheel.platform}, but {contained}, which are for {OPERATING_SYSTEMS[system].title}"
            yield Finding(check="tags", file=name, message=message, evidence=evidence)
    unread = {FORMATS[system].check for system in tagged}.intersection(contents.unread.values())  # has its own finding
    if tagged and not binaries and not contents.binaries and not unread:
        message = f"tagged {wheel.platform}, but contains no {FORMATS[min(tagged)].name} file"
        yield Finding(check="tags", file=name, message=message)


def _group_binaries(contents: WheelContents) -> dict[str, tuple[str, ...]]:
    """Return the binaries by operating system; launchers (.exe) in wheels for other systems do not count.

    Installers for every system contain launchers for Windows.
    """
    is_windows = "windows" in contents.systems
    groups = {
        "linux": tuple(contents.elves),
        "darwin": tuple(contents.machos),
        "windows": tuple(path for path, pe in contents.pes.items() if is_windows or pe.is_library),
    }
    return {system: files for system, files in groups.items() if files}


def _shorten(files: tuple[str, ...]) -> str:
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
