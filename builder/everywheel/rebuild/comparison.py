"""Comparison of a wheel with its rebuild: the files, the sections of compiled files, and the inputs that differ."""

from __future__ import annotations

import operator
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from everywheel.archives.refusal import ArchiveError
from everywheel.archives.zip_directory import ZipMember
from everywheel.archives.zip_reader import ZipArchive, open_zip
from everywheel.binaries.elf import is_elf
from everywheel.binaries.elf_sections import hash_sections
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.execution.process import run_command

_FIELDS = {
    "mode": "mode",
    "compression method": "method",
    "compressed size": "packed",
    "flags": "flags",
    "extra field": "extra",
}
_DIFFOSCOPE_LINES = 40


def compare_wheels(released: Path, rebuilt: Path) -> tuple[str, ...]:
    """Return the differences of two wheels, one line each; nothing if their bytes are equal.

    The wheels are those of anyone: an archive that cannot be read is a difference with its reason.
    """
    if released.read_bytes() == rebuilt.read_bytes():
        return ()
    names = [] if released.name == rebuilt.name else [f"the rebuild is named {rebuilt.name}"]
    try:
        with open_zip(released) as old, open_zip(rebuilt) as new:
            return (*names, *_list_differences(old, new))
    except ArchiveError as reason:
        return (*names, f"the archive cannot be read: {reason}")


def _list_differences(old: ZipArchive, new: ZipArchive) -> Iterator[str]:
    ours, theirs = ({member.name: member for member in archive.members} for archive in (new, old))
    yield from (f"only in the wheel: {name}" for name in sorted(theirs.keys() - ours.keys()))
    yield from (f"only in the rebuild: {name}" for name in sorted(ours.keys() - theirs.keys()))
    faults = [f"{name}: {fault}" for name, fault in old.find_faults()]
    yield from faults
    changed = bool(faults)
    for name in sorted(ours.keys() & theirs.keys()):
        contents = old.read(theirs[name]), new.read(ours[name])
        lines = [*_compare_contents(*contents), *_compare_fields(theirs[name], ours[name])]
        changed = changed or bool(lines)
        yield from (f"{name}: {line}" for line in lines)
    if not changed and ours.keys() == theirs.keys():
        order = [member.name for member in old.members] != [member.name for member in new.members]
        yield "all files are equal; " + (
            "their order differs" if order else "the times or other bytes of the archive differ"
        )


def _compare_contents(old: bytes, new: bytes) -> Iterator[str]:
    if old == new:
        return
    if len(old) != len(new):
        yield f"{len(old)} bytes, {len(new)} in the rebuild"
    else:
        count = sum(map(operator.ne, old, new))
        first = next(index for index, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1])
        yield f"{count} of {len(old)} bytes differ, the first at offset {first}"
    if is_elf("", old) and is_elf("", new):
        try:
            sections, others = hash_sections(old), hash_sections(new)
        except UnreadableElf as reason:
            yield f"its sections cannot be compared: {reason}"
            return
        names = [name for name in sections | others if sections.get(name) != others.get(name)]
        yield f"sections that differ: {', '.join(names) or 'none, only the headers or the padding'}"


def _compare_fields(old: ZipMember, new: ZipMember) -> Iterator[str]:
    # Files with other contents are compressed to other sizes.
    fields = {label: field for label, field in _FIELDS.items() if old.crc == new.crc or field != "packed"}
    for label, field in fields.items():
        if (values := (getattr(old, field), getattr(new, field)))[0] != values[1]:
            before, after = map(oct, values) if field == "mode" else map(repr, values)
            yield f"{label} {before}, {after} in the rebuild"


def compare_inputs(stated: Sequence[Mapping[str, Any]], used: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the inputs that a statement and a rebuild do not have in common, one line each."""
    old, new = ({str(each.get("name", "")): each for each in inputs} for inputs in (stated, used))
    lines = [f"only in the statement: {name}" for name in sorted(old.keys() - new.keys())]
    lines += [f"only in the rebuild: {name}" for name in sorted(new.keys() - old.keys())]
    for name in sorted(old.keys() & new.keys()):
        fields = [key for key in ("digest", "uri", "annotations") if old[name].get(key) != new[name].get(key)]
        lines += [f"{name}: another {' and another '.join(fields)}"] if fields else []
    return tuple(lines)


def compare_parameters(stated: Mapping[str, Any], used: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the settings of a build that differ, one line each."""
    names = sorted(name for name in stated.keys() | used.keys() if stated.get(name) != used.get(name))
    return tuple(f"setting {name}: {stated.get(name)!r}, {used.get(name)!r} in the rebuild" for name in names)


def run_diffoscope(released: Path, rebuilt: Path) -> tuple[str, ...]:
    """Return the first lines of diffoscope's report, nothing if it is not installed."""
    program = shutil.which("diffoscope")
    if program is None:
        return ()
    result = run_command([program, "--no-progress", "--text-color", "never", "--", str(released), str(rebuilt)])
    lines = (result.output if result.exit_code == 1 else result.errors).splitlines()
    rest = [f"… {len(lines) - _DIFFOSCOPE_LINES} more lines"] if len(lines) > _DIFFOSCOPE_LINES else []
    return ("diffoscope:", *lines[:_DIFFOSCOPE_LINES], *rest)
