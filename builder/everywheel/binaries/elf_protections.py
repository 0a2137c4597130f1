"""Protections of an ELF file that its headers state: read-only relocations, early binding, and branch protection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elftools.elf.segments import NoteSegment

_DF_BIND_NOW, _DF_1_NOW = 0x8, 0x1
_LARGEST_NOTES = 1 << 16  # bytes
# The bits of a property that all objects of the file share, by the name of the property in pyelftools.
_FEATURES: Mapping[str, Mapping[int, str]] = {
    "GNU_PROPERTY_X86_FEATURE_1_AND": {1: "IBT", 2: "SHSTK"},
    "GNU_PROPERTY_AARCH64_FEATURE_1_AND": {1: "BTI", 2: "PAC"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Protections:
    """The protections of a file.

    `relro`: its tables of relocations are read-only while it runs. `bind_now`: all its symbols are bound when it is loaded,
    so that the table of functions is read-only too. `branches`: the branch protections that all of its code supports.
    """

    relro: bool = False
    bind_now: bool = False
    branches: frozenset[str] = frozenset()


def read_protections(segments: Sequence[Any], tags: Mapping[str, Sequence[Any]]) -> Protections:
    """Return the protections of a file from its segments and its dynamic tags, as pyelftools returns them."""
    flags = (("DT_FLAGS", _DF_BIND_NOW), ("DT_FLAGS_1", _DF_1_NOW))
    is_bound = any(tag.entry.d_val & bit for name, bit in flags for tag in tags.get(name, ()))
    return Protections(
        relro=any(segment["p_type"] == "PT_GNU_RELRO" for segment in segments),
        bind_now=is_bound or bool(tags.get("DT_BIND_NOW")),
        branches=frozenset(_list_branches(segments)),
    )


def _list_branches(segments: Sequence[Any]) -> Iterator[str]:
    for segment in segments:
        if isinstance(segment, NoteSegment) and segment["p_filesz"] <= _LARGEST_NOTES:
            for note in segment.iter_notes():
                for item in note["n_desc"] if isinstance(note["n_desc"], list) else ():
                    for bit, name in _FEATURES.get(str(item["pr_type"]), {}).items():
                        if item["pr_data"] & bit:
                            yield name
