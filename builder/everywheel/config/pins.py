"""Pins: packages with exact versions and hashes, in the format of a requirements file of pip.

Each entry is `name==version ; marker --hash=sha256:…`; a backslash continues it on the next line. Nothing else of the format
is accepted: no options, no URLs, no other files, no version ranges, and no entry without a hash.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName, default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_LONGEST_REQUIREMENT = 1_000  # characters; packaging parses nested markers recursively


class PinError(ValueError):
    """A text is not a list of pins; the message names the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One version of a package and the sha256 of each of its files, for the machines that the marker selects (PEP 508).

    `name` is normalized (PEP 503). `marker` is empty for every machine.
    """

    name: str
    version: str
    hashes: tuple[str, ...]
    marker: str = ""

    def applies(self, environment: Mapping[str, str]) -> bool:
        """Return whether the marker selects a machine, which is described as in `packaging.markers`."""
        return not self.marker or _evaluate(Marker(self.marker), environment)


def parse_pins(text: str) -> tuple[Pin, ...]:
    """Return the pins of a requirements file, sorted; raise PinError for everything else that such a file may contain."""
    pins, start, parts = [], 1, list[str]()
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not parts:
            start = number
            if line.lstrip().startswith("#"):
                continue
        parts.append(line.strip().removesuffix("\\"))
        if not line.rstrip().endswith("\\"):
            if entry := " ".join(" ".join(parts).split()):
                pins.append(_parse_entry(entry, start))
            parts = []
    if parts:
        raise PinError(f"line {start}: the last entry is not complete")
    return tuple(sorted(pins, key=lambda pin: (pin.name, pin.version, pin.marker)))


def _parse_entry(entry: str, line: int) -> Pin:
    text, *tokens = re.split(r" (?=--hash=)", entry)
    hashes = [match[1] for token in tokens if (match := _HASH.fullmatch(token))]
    if not tokens or len(hashes) < len(tokens) or len(text) > _LONGEST_REQUIREMENT:
        raise PinError(f"line {line}: not a package with a version and its sha256: {entry[:80]!r}")
    try:
        requirement = Requirement(text)
        (specifier,) = requirement.specifier
        version = str(Version(specifier.version))
    except (InvalidRequirement, InvalidVersion, ValueError):
        raise PinError(f"line {line}: not a package with one exact version: {entry[:80]!r}") from None
    if specifier.operator != "==" or requirement.url or requirement.extras:
        raise PinError(f"line {line}: not a package with one exact version: {entry[:80]!r}")
    return Pin(
        name=canonicalize_name(requirement.name),
        version=version,
        hashes=tuple(sorted(set(hashes))),
        marker=str(requirement.marker or ""),
    )


def render_pins(pins: Iterable[Pin]) -> str:
    """Return the text of a requirements file."""
    lines = []
    for pin in pins:
        marker = f" ; {pin.marker}" if pin.marker else ""
        lines.append(
            " \\\n    ".join([f"{pin.name}=={pin.version}{marker}", *(f"--hash=sha256:{h}" for h in pin.hashes)])
        )
    return "".join(f"{line}\n" for line in lines)


def digest_pins(pins: Iterable[Pin]) -> str:
    """Return the hash of names, versions, markers and hashes, for cache keys."""
    return hashlib.sha256(render_pins(pins).encode()).hexdigest()


def select_pins(pins: Sequence[Pin], environment: Mapping[str, str]) -> tuple[Pin, ...]:
    """Return the pins that apply to a machine, without markers; raise PinError for two versions of one package."""
    selected = tuple(replace(pin, marker="") for pin in pins if pin.applies(environment))
    names = [pin.name for pin in selected]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PinError(f"more than one version applies to this machine: {', '.join(twice)}")
    return selected


def list_unmet(requirements: Iterable[str], pins: Sequence[Pin], environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the requirements (PEP 508) that apply to a machine and that no pin fulfills.

    Raises PinError for a text that is not a requirement, and for one with a URL, which no version and hash can pin.
    """
    versions = {pin.name: pin.version for pin in select_pins(pins, environment)}
    unmet = []
    for text in requirements:
        requirement = parse_requirement(text)
        if requirement.marker is not None and not _evaluate(requirement.marker, environment):
            continue
        version = versions.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            unmet.append(text)
    return tuple(unmet)


def _evaluate(marker: Marker, environment: Mapping[str, str]) -> bool:
    try:
        return marker.evaluate({**environment, "extra": ""})
    except (UndefinedComparison, UndefinedEnvironmentName):
        raise PinError(f"a marker that cannot be evaluated: {str(marker)[:80]!r}") from None


def parse_requirement(text: str) -> Requirement:
    """Return a requirement that can be pinned; raise PinError for a text that is none, and for one with a URL."""
    try:
        if len(text) > _LONGEST_REQUIREMENT:
            raise InvalidRequirement
        requirement = Requirement(text)
    except InvalidRequirement:
        raise PinError(f"not a requirement (PEP 508): {text[:80]!r}") from None
    if requirement.url:
        raise PinError(f"a requirement with a URL cannot be pinned: {text[:80]!r}")
    return requirement


def describe_machine(python: str = "", machine: str | None = None) -> dict[str, str]:
    """Return the environment of markers for this machine, perhaps with another CPython, or for a Linux container.

    `python` is a version such as `3.11` or `3.14t`; `machine` is the architecture of a container.
    """
    here = {name: str(value) for name, value in default_environment().items()}
    if not python:
        return here
    python = python.removesuffix("t")
    versions = {"python_version": python, "python_full_version": f"{python}.0", "implementation_version": f"{python}.0"}
    if machine is None:
        return here if here["python_version"] == python else {**here, **versions}
    other = {**versions, "platform_machine": machine}
    linux = {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux"}
    cpython = {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    return {**here, **other, **linux, **cpython}
