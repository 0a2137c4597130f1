"""Comparison of two builds of a wheel by different compilers: files, exports and tags must match; the bytes differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from everywheel.audit.wheel_contents import WheelContents
from everywheel.repair.metadata import drop_graft_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFingerprint:
    """The parts of a wheel that every compiler must produce alike: files, exports of each module, Python and ABI tags."""

    files: frozenset[str]
    exports: Mapping[str, frozenset[str]]
    pythons: frozenset[str]


def fingerprint_build(content: WheelContents) -> BuildFingerprint:
    """Return the fingerprint of a wheel, with the original names of grafted libraries."""
    tags = content.wheel_file.get_all("Tag", [])
    return BuildFingerprint(
        files=frozenset(remove_graft_hash(file) for file in content.wheel.files),
        exports={path: frozenset(module.exports) for path, module in content.modules.items()},
        pythons=frozenset(str(tag).rpartition("-")[0] for tag in tags),
    )


def remove_graft_hash(path: str) -> str:
    """Return a file's path without the hash that a graft adds.

    >>> remove_graft_hash("x.libs/libfoo-1a2b3c4d.so.1"), remove_graft_hash("x/deadbeef-cafecafe.txt")
    ('x.libs/libfoo.so.1', 'x/deadbeef-cafecafe.txt')
    """
    folder, _, name = path.rpartition("/")
    return f"{folder}/{drop_graft_hash(name)}" if folder.endswith((".libs", ".dylibs")) else path


def list_differences(first: BuildFingerprint, second: BuildFingerprint) -> tuple[str, ...]:
    """Return one line for each kind of difference of the second fingerprint from the first."""
    both = sorted(first.exports.keys() & second.exports.keys())
    return (
        *_compare("files", first.files, second.files),
        *(line for path in both for line in _compare(f"exports of {path}", first.exports[path], second.exports[path])),
        *_compare("tags", first.pythons, second.pythons),
    )


def _compare(label: str, first: frozenset[str], second: frozenset[str]) -> Iterator[str]:
    if missing := sorted(first - second):
        yield f"{label}: missing {', '.join(missing)}"
    if additional := sorted(second - first):
        yield f"{label}: additional {', '.join(additional)}"
