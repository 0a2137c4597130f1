"""One wheel, one system: the systems that the tags name, held against the kinds of binaries inside."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from builder.audit.content import Content
from builder.audit.finding import Finding
from builder.audit.systems import load_mac_policy, load_windows_policy

# Each system by Meson's name: how platform tags of it begin, what people call it, and what its binaries are.
_SYSTEMS: Mapping[str, tuple[tuple[str, ...], str, str]] = MappingProxyType({
    "linux": (("manylinux", "musllinux", "linux_"), "Linux", "ELF"),
    "darwin": (("macosx_",), "macOS", "Mach-O"),
    "windows": (("win",), "Windows", "PE"),
})  # fmt: skip
_SINCE_11 = re.compile(r"macosx_(?P<major>1[1-9]|[2-9]\d)_(?P<minor>\d+)_\w+")
_MOST_FILES = 8


def systems_of(content: Content) -> set[str]:
    """Return the systems that a wheel's platform tags name."""
    platforms = content.wheel.platform.split(".")
    return {system for system, (starts, _, _) in _SYSTEMS.items() for tag in platforms if tag.startswith(starts)}


def check_systems(content: Content) -> Iterator[Finding]:
    """Find tags of two systems, tags that mean nothing, and binaries of another system than the tags'."""
    wheel, name = content.wheel, content.path.name
    platforms, tagged, held = wheel.platform.split("."), systems_of(content), _find_held(content)
    yield from _check_names(content)
    if len(tagged) > 1:
        listed = ", ".join(_SYSTEMS[system][1] for system in _SYSTEMS if system in tagged)
        yield Finding(check="tags", file=name, words=f"the platform tags name more than one system: {listed}")
    if len(held) > 1:
        kinds = " and ".join(f"{_SYSTEMS[system][2]} files for {_SYSTEMS[system][1]}" for system in held)
        evidence = tuple(f"{_SYSTEMS[system][2]}: {_shorten(files)}" for system, files in held.items())
        yield Finding(check="tags", file=name, words=f"is wheels of two systems in one: {kinds}", evidence=evidence)
        return
    for system, files in held.items():
        kind, evidence = _SYSTEMS[system][2], files[:_MOST_FILES]
        if platforms == ["any"]:
            words = f"tagged for any platform, but holds {kind} files"
            yield Finding(check="tags", file=name, words=words, evidence=evidence)
        elif tagged and system not in tagged:
            words = f"tagged {wheel.platform}, but holds {kind} files, which are for {_SYSTEMS[system][1]}"
            yield Finding(check="tags", file=name, words=words, evidence=evidence)
    if tagged and not held and not content.binaries:
        words = f"tagged {wheel.platform}, but holds no {_SYSTEMS[min(tagged)][2]} file"
        yield Finding(check="tags", file=name, words=words)


def _find_held(content: Content) -> dict[str, tuple[str, ...]]:
    """Return the binaries of each system; launchers (.exe), which installers of any system carry, do not count."""
    launchers = (
        () if "windows" in systems_of(content) else tuple(p for p, pe in content.pes.items() if not pe.is_library)
    )
    found = {
        "linux": tuple(content.elves),
        "darwin": tuple(content.machos),
        "windows": tuple(path for path in content.pes if path not in launchers),
    }
    return {system: files for system, files in found.items() if files}


def _check_names(content: Content) -> Iterator[Finding]:
    for platform in content.wheel.platform.split("."):
        known = load_mac_policy(platform) or load_windows_policy(platform)
        words = ""
        if platform.startswith(("macosx_", "win")) and known is None:
            words = f"no policy is known for {platform}"
        elif (match := _SINCE_11.fullmatch(platform)) and int(match["minor"]):
            words = f"no installer asks for {platform}: from macOS 11 on, the second number of a tag is 0"
        if words:
            yield Finding(check="tags", file=content.path.name, words=words)


def _shorten(files: tuple[str, ...]) -> str:
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
