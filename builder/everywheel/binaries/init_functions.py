"""Initialization functions of Python modules, which identify a file as an extension module (PEP 489, PEP 793)."""

from __future__ import annotations

from collections.abc import Iterable

_PREFIXES = ("PyInit_", "PyInitU_", "PyModExport_")


def list_module_names(exports: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the modules that exported symbols can initialize."""
    return tuple(symbol.split("_", 1)[1] for symbol in exports if symbol.startswith(_PREFIXES))
