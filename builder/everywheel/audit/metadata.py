"""The check of a wheel's metadata files: what installers refuse to install (PEP 427, core metadata, entry points)."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents

_PYTHON = re.compile(r"(?P<name>cp|py)3(?P<minor>\d{0,2})")
_WHEEL_VERSION = re.compile(r"\d{1,9}(\.\d{1,9})*")
_NEWEST_MINOR, _NEWEST_PATCH = 40, 40  # of any Python 3 that may be released
_LONGEST = 200  # characters of a value in a message
_LONGEST_READ, _MOST_REQUIREMENTS = 2_000, 2_000  # characters of a value, and lines; real wheels have fewer


def check_metadata_files(contents: WheelContents) -> Iterator[Finding]:
    """Find metadata because of which installers refuse a wheel."""
    for name in ("WHEEL", "METADATA", "entry_points.txt"):
        path = f"{contents.wheel.dist_info}/{name}"
        if path not in contents.wheel.files:
            continue
        try:
            text = contents.wheel.files[path].data.decode()
        except UnicodeDecodeError:
            yield Finding(check="archive", file=path, message="is not UTF-8")
            continue
        for message in _FAULTS[name](contents, text):
            yield Finding(check="archive", file=path, message=message)


def _check_wheel_file(contents: WheelContents, text: str) -> Iterator[str]:
    version = contents.wheel_file.get("Wheel-Version", "").strip()
    if not _WHEEL_VERSION.fullmatch(version):
        yield f"Wheel-Version is '{version[:_LONGEST]}', which is not a version" if version else "has no Wheel-Version"


def _check_metadata(contents: WheelContents, text: str) -> Iterator[str]:
    for requirement in contents.metadata.get_all("Requires-Dist", [])[:_MOST_REQUIREMENTS]:
        try:
            Requirement(requirement[:_LONGEST_READ])
        except (ValueError, RecursionError):
            yield f"Requires-Dist is '{requirement[:_LONGEST]}', which is not a requirement (PEP 508)"
    required = contents.metadata.get("Requires-Python")
    try:
        specifiers = SpecifierSet((required or "")[:_LONGEST_READ])
    except ValueError:
        return  # installers only warn
    for tag in contents.wheel.python.split("."):
        if (match := _PYTHON.fullmatch(tag)) and not _accepts(specifiers, match, contents.wheel.abi):
            yield f"Requires-Python is '{str(required)[:_LONGEST]}', which excludes every Python of the tag {tag}"


def _accepts(specifiers: SpecifierSet, tag: re.Match[str], abi: str) -> bool:
    """Return whether a release of a Python that a tag names is accepted; later ones also install py3 and abi3 wheels."""
    minor = int(tag["minor"] or 0)
    is_one_minor = tag["name"] == "cp" and bool(tag["minor"]) and not abi.startswith(("abi3", "none"))
    minors = range(minor, minor + 1 if is_one_minor else max(minor, _NEWEST_MINOR) + 1)
    return any(
        specifiers.contains(f"3.{n}.{patch}", prereleases=True) for n in minors for patch in range(_NEWEST_PATCH)
    )


def _check_entry_points(contents: WheelContents, text: str) -> Iterator[str]:
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False, default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error as error:
        yield f"is not a list of entry points: {str(error).splitlines()[0][:_LONGEST]}"
        return
    for group in ("console_scripts", "gui_scripts"):
        for name, value in parser.items(group) if parser.has_section(group) else ():
            if re.search(r"[/\\\0]", name) or name in (".", ".."):
                yield f"the script '{name[:_LONGEST]}' would be outside of the directory for scripts"
            if not re.fullmatch(r"[^:\s]+\s*:\s*[^:\s\[]+\s*(\[.*\])?", value):
                yield f"the script '{name[:_LONGEST]}' is '{value[:_LONGEST]}', which is not `module:function`"


_FAULTS = {"WHEEL": _check_wheel_file, "METADATA": _check_metadata, "entry_points.txt": _check_entry_points}
