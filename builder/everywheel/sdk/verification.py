"""Checks of an unpacked SDK, and of programs that are linked to it.

The folder and the programs come from anywhere, so that nothing in them is trusted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everywheel.archives.refusal import find_name_fault
from everywheel.binaries.elf import ElfFacts, read_elf
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.errors import BuildError, UsageError
from everywheel.execution.input_files import UnusableFile, leads_out, read_file, read_text
from everywheel.platforms.target import Target, parse_target
from everywheel.sdk.documents import FORMAT, MANIFEST
from everywheel.sdk.object_symbols import list_program_symbols

_LARGEST_MANIFEST = 16 << 20  # bytes
_LARGEST_FILE = 1 << 30
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The manifest of an SDK: its title, its target, the sha256 of each file, and the links."""

    title: str
    target: Target
    files: Mapping[str, str]
    links: Mapping[str, str]


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of an SDK in a folder; raise UsageError when it is none, or not a valid one."""
    path = folder / MANIFEST
    try:
        return _parse_manifest(json.loads(read_text(path, _LARGEST_MANIFEST)))
    except FileNotFoundError:
        raise UsageError(
            f"{folder} is not an SDK: it has no {MANIFEST}", hint="name the folder in an archive of `everywheel sdk`"
        ) from None
    except (UnusableFile, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        reason = f"no key {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise UsageError(
            f"{path} is not the manifest of an SDK", details={"reason": reason}, hint="unpack the archive again"
        ) from None


def _parse_manifest(document: Any) -> Manifest:
    if document["format"] != FORMAT:
        raise ValueError(f"its format is {document['format']}, not {FORMAT}")
    files = {str(name): str(facts["sha256"]) for name, facts in document["files"].items()}
    links = {str(name): str(target) for name, target in document["links"].items()}
    for name in (*files, *links):
        if fault := find_name_fault(name):
            raise ValueError(f"path '{name[:200]}' {fault}")
    target = parse_target(str(document["target"]))
    return Manifest(
        title=f"{document['name']} {document['version']} for {target.tag}", target=target, files=files, links=links
    )


def verify_sdk(folder: Path, expected: Target | None) -> Manifest:
    """Check that an SDK is for the expected target, and has all its files unchanged; return its manifest.

    Raises UsageError for another target, and BuildError, which lists the files, for missing and changed ones.
    """
    manifest = read_manifest(folder)
    if expected is not None and expected != manifest.target:
        raise UsageError(
            f"{folder} is an SDK for {manifest.target.tag}, not for {expected.tag}",
            hint=f"unpack the archive whose name ends with {expected.wheel_tag}",
        )
    problems = {
        name: problem for name, digest in manifest.files.items() if (problem := _find_problem(folder, name, digest))
    }
    problems |= {name: "missing" for name in manifest.links if not (folder / name).exists()}
    if problems:
        shown = dict(sorted(problems.items())[:_SHOWN])
        rest = len(problems) - len(shown)
        raise BuildError(
            f"the SDK of {manifest.title} in {folder} is not complete",
            details=shown | ({"further files": rest} if rest else {}),
            hint="unpack the archive again; on Windows, or in a package without links, copy the files that links name",
        )
    return manifest


def _find_problem(folder: Path, name: str, digest: str) -> str:
    try:
        if leads_out(folder / name, folder):
            return "leads out of the folder"
        data = read_file(folder / name, _LARGEST_FILE)
    except FileNotFoundError:
        return "missing"
    except UnusableFile as error:
        return str(error)
    return "" if hashlib.sha256(data).hexdigest() == digest else "changed"


def verify_program(path: Path, folder: Path, manifest: Manifest) -> None:
    """Check a program for Linux that is linked to a shared library of an SDK.

    Raises BuildError when it is for another machine, or when it contains functions of a shared library that it requires: then
    the process has two of them, such as two GLibs.
    """
    try:
        data = read_file(path, _LARGEST_FILE)
        program = read_elf(data)
        defined = list_program_symbols(data)
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist", hint="name a linked program") from None
    except (UnusableFile, UnreadableElf, ValueError) as error:
        raise UsageError(f"{path} is not a program for Linux", details={"reason": error}) from None
    arch = manifest.target.arch
    if (program.machine, program.bits, program.endian) != (arch.elf_machine, arch.bits, arch.endian):
        raise BuildError(
            f"{path} is not for {manifest.target.tag}, like the SDK",
            details={"machine": f"{program.machine}, {program.bits} bits, {program.endian} endian"},
            hint="use the compiler of the target, or the SDK of the program's system",
        )
    for name, library in _list_required(program, folder, manifest):
        if twice := sorted(defined.intersection(library.exports)):
            rest = len(twice) - _SHOWN
            raise BuildError(
                f"{path} contains functions that {name} has too: the process would have two of each",
                details={"functions": ", ".join(twice[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")},
                hint="link it either to the shared library (lib/pkgconfig) or to archives only (lib/static/pkgconfig)",
            )


def _list_required(program: ElfFacts, folder: Path, manifest: Manifest) -> Iterator[tuple[str, ElfFacts]]:
    """Yield the shared libraries of the SDK that a program requires, directly or through others."""
    pending, seen = list(program.needed), set()
    while pending:
        name = pending.pop()
        path = folder / "lib" / name
        if name in seen or f"lib/{name}" not in {*manifest.files, *manifest.links}:
            continue
        seen.add(name)
        library = read_elf(read_file(path, _LARGEST_FILE))
        pending += library.needed
        yield name, library
