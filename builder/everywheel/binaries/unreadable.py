"""Errors of the readers of compiled files."""

from __future__ import annotations


class UnreadableBinary(Exception):
    """A compiled file is truncated or malformed; the message is the reason.

    `check` is the check of the audit that reports it.
    """

    check: str


class UnreadableElf(UnreadableBinary):
    """An ELF file is truncated or malformed."""

    check = "elf"


class UnreadableMacho(UnreadableBinary):
    """A Mach-O file is truncated or malformed."""

    check = "macho"


class UnreadablePe(UnreadableBinary):
    """A PE file is truncated or malformed."""

    check = "pe"
