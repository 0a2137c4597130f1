"""The protections of compiled files against attacks, and those that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from everywheel.audit.hygiene import count_fortified, has_stack_protector, is_stack_executable
from everywheel.binaries.elf import ElfFacts
from everywheel.binaries.pe import PeFacts

_BRANCHES = {"EM_X86_64": ("IBT", "SHSTK"), "EM_AARCH64": ("BTI", "PAC")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """A protection of a file: its name, its state as a phrase, and whether the file has it."""

    name: str
    state: str
    is_present: bool


def list_protections(binary: ElfFacts | PeFacts) -> tuple[Protection, ...]:
    """Return the protections that a file of its format can have."""
    return tuple(_list_pe(binary) if isinstance(binary, PeFacts) else _list_elf(binary))


def _list_elf(elf: ElfFacts) -> Iterator[Protection]:
    protections = elf.protections
    if elf.needed or elf.kind == "ET_DYN":
        state = "none" if not protections.relro else "full" if protections.bind_now else "partial"
        yield Protection(name="RELRO", state=state, is_present=state == "full")
        yield Protection(name="BIND_NOW", state=_yes(protections.bind_now), is_present=protections.bind_now)
    is_executable = is_stack_executable(elf)
    yield Protection(name="NX", state="executable stack" if is_executable else "yes", is_present=not is_executable)
    if elf.is_program:
        yield Protection(name="PIE", state=_yes(elf.kind == "ET_DYN"), is_present=elf.kind == "ET_DYN")
    else:
        state = "text relocations" if elf.text_relocations else "yes"
        yield Protection(name="PIC", state=state, is_present=not elf.text_relocations)
    is_protected = has_stack_protector(elf)
    yield Protection(name="stack protector", state=_yes(is_protected), is_present=is_protected)
    checked, unchecked = count_fortified(elf)
    if checked or unchecked:
        state = f"{checked} of {checked + unchecked} functions"
        yield Protection(name="FORTIFY", state=state, is_present=checked > 0)
    branches = _BRANCHES.get(elf.machine, ())
    if branches:
        present = [name for name in branches if name in protections.branches]
        name = "CET" if "IBT" in branches else "BTI"
        yield Protection(name=name, state=", ".join(present) or "no", is_present=len(present) == len(branches))


def _list_pe(pe: PeFacts) -> Iterator[Protection]:
    names = {
        "DYNAMIC_BASE": "ASLR",
        "HIGH_ENTROPY_VA": "64-bit ASLR",
        "NX_COMPAT": "NX",
    }
    for flag, name in names.items():
        if flag != "HIGH_ENTROPY_VA" or pe.bits == 64:
            yield Protection(name=name, state=_yes(flag in pe.flags), is_present=flag in pe.flags)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
