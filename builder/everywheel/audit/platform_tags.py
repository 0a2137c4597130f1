"""One wheel, one system: the systems that the tags name, held against the kinds of binaries inside."""

from __future__ import annotations

from collections.abc import Iterator

from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.formats import FORMATS
from everywheel.platforms.mac_windows_policy import load_mac_policy, load_windows_policy
from everywheel.platforms.tags import parse_platforms
from everywheel.platforms.target import OPERATING_SYSTEMS

_MOST_FILES = 8


def check_platform_tags(content: WheelContents) -> Iterator[Finding]:
    """Find tags of two systems, tags that mean nothing, and binaries of another system than the tags'."""
    wheel, name = content.wheel, content.path.name
    platforms, tagged, held = wheel.platform.split("."), content.systems, _find_held(content)
    yield from _check_names(content)
    if len(tagged) > 1:
        listed = ", ".join(OPERATING_SYSTEMS[system].title for system in OPERATING_SYSTEMS if system in tagged)
        yield Finding(check="tags", file=name, message=f"the platform tags name more than one system: {listed}")
    if len(held) > 1:
        kinds = " and ".join(f"{FORMATS[system].name} files for {OPERATING_SYSTEMS[system].title}" for system in held)
        evidence = tuple(f"{FORMATS[system].name}: {_shorten(files)}" for system, files in held.items())
        yield Finding(check="tags", file=name, message=f"is wheels of two systems in one: {kinds}", evidence=evidence)
        return
    for system, files in held.items():
        kind, evidence = FORMATS[system].name, files[:_MOST_FILES]
        if platforms == ["any"]:
            message = f"tagged for any platform, but holds {kind} files"
            yield Finding(check="tags", file=name, message=message, evidence=evidence)
        elif tagged and system not in tagged:
            message = (
                f"tagged {wheel.platform}, but holds {kind} files, which are for {OPERATING_SYSTEMS[system].title}"
            )
            yield Finding(check="tags", file=name, message=message, evidence=evidence)
    broken = {FORMATS[system].check for system in tagged}.intersection(content.unread.values())  # told by itself
    if tagged and not held and not content.binaries and not broken:
        message = f"tagged {wheel.platform}, but holds no {FORMATS[min(tagged)].name} file"
        yield Finding(check="tags", file=name, message=message)


def _find_held(content: WheelContents) -> dict[str, tuple[str, ...]]:
    """Return the binaries of each system; launchers (.exe), which installers of any system carry, do not count."""
    launchers = () if "windows" in content.systems else tuple(p for p, pe in content.pes.items() if not pe.is_library)
    found = {
        "linux": tuple(content.elves),
        "darwin": tuple(content.machos),
        "windows": tuple(path for path in content.pes if path not in launchers),
    }
    return {system: files for system, files in found.items() if files}


def _check_names(content: WheelContents) -> Iterator[Finding]:
    for tag in parse_platforms(content.wheel.platform):
        known = load_mac_policy(tag.text) or load_windows_policy(tag.text)
        message = ""
        if tag.os in ("darwin", "windows") and known is None:
            message = f"no policy is known for {tag.text}"
        elif tag.os == "darwin" and tag.version >= (11, 0) and tag.version[1]:
            message = f"no installer asks for {tag.text}: from macOS 11 on, the second number of a tag is 0"
        if message:
            yield Finding(check="tags", file=content.path.name, message=message)


def _shorten(files: tuple[str, ...]) -> str:
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
