"""Agreement: whether two builds of a wheel, by different compilers, have the same in them; bytes are never the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from everywheel.audit.wheel_contents import WheelContents

_GRAFT = re.compile(r"(?P<folder>.*\.(?:libs|dylibs)/)(?P<stem>[^/]+?)-[0-9a-f]{8,64}(?P<rest>\.[^/]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFingerprint:
    """What must be the same in both: the files, what each module lets out, and for which Pythons the wheel says it is."""

    files: frozenset[str]
    exports: Mapping[str, frozenset[str]]
    pythons: frozenset[str]


def fingerprint_build(content: WheelContents) -> BuildFingerprint:
    """Return a wheel's shape; a grafted library goes by the name that it had before."""
    tags = content.wheel_file.get_all("Tag", [])
    return BuildFingerprint(
        files=frozenset(name_before_graft(file) for file in content.wheel.files),
        exports={path: frozenset(module.exports) for path, module in content.modules.items()},
        pythons=frozenset(str(tag).rpartition("-")[0] for tag in tags),
    )


def name_before_graft(path: str) -> str:
    """Return a file's path without the hash that a graft adds.

    >>> name_before_graft("x.libs/libfoo-1a2b3c4d.so.1"), name_before_graft("x/deadbeef-cafecafe.txt")
    ('x.libs/libfoo.so.1', 'x/deadbeef-cafecafe.txt')
    """
    match = _GRAFT.fullmatch(path)
    return f"{match['folder']}{match['stem']}{match['rest']}" if match else path


def list_differences(first: BuildFingerprint, second: BuildFingerprint) -> tuple[str, ...]:
    """Return what the second lacks of the first, and what it has beside it, in words; nothing when they agree."""
    both = sorted(first.exports.keys() & second.exports.keys())
    return (
        *_tell("files", first.files, second.files),
        *(line for path in both for line in _tell(f"exports of {path}", first.exports[path], second.exports[path])),
        *_tell("tags", first.pythons, second.pythons),
    )


def _tell(what: str, first: frozenset[str], second: frozenset[str]) -> Iterator[str]:
    if lacking := sorted(first - second):
        yield f"{what}: lacks {', '.join(lacking)}"
    if more := sorted(second - first):
        yield f"{what}: has {', '.join(more)} beside"
