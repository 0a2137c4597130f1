"""Versions of ELF symbols, such as `GLIBC_2.17`."""

from __future__ import annotations


def split_version(version: str) -> tuple[str, str]:
    """Return family and number: `GLIBC_2.17` gives `GLIBC` and `2.17`, `GLIBC_PRIVATE` gives no number."""
    family, _, rest = version.rpartition("_")
    return (family, rest) if rest[:1].isdigit() else (version.partition("_")[0], "")


def version_key(number: str) -> tuple[int, ...]:
    """Return the key that version numbers are compared by."""
    return tuple(int(part) for part in number.split(".") if part.isdigit())
