"""Checks of the symbols that Mach-O and PE files import from Python and from other files of the wheel."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from everywheel.audit.macho_linking import find_loaded_machos
from everywheel.audit.pe_linking import PYTHON_DLL
from everywheel.audit.python_api import is_python_symbol, list_python_apis
from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.macho import MachoImage
from everywheel.platforms.symbol_lists import is_macos_symbol

_SYSTEM = "/usr/lib/libSystem.B.dylib"
_MAX_SYMBOLS = 8


def check_macho_symbols(contents: WheelContents) -> Iterator[Finding]:
    """Find symbols that a library of the wheel does not export, or that are searched for everywhere and are nowhere.

    A symbol is bound to the library that it was linked from. The linker binds only those that it did not find, such as
    the functions of Python, to any library of the process (`-undefined dynamic_lookup`). Such a symbol may come from any
    file of the wheel. The libraries of macOS other than libSystem have no lists and are trusted.
    """
    exports = {symbol for macho in contents.machos.values() for image in macho.images for symbol in image.exports}
    for path, macho in contents.machos.items():
        loaded, apis = find_loaded_machos(contents, path), list_python_apis(contents, path)
        missing: set[str] = set()
        for image in macho.images:
            is_known = set(image.needed) <= {*loaded, _SYSTEM}
            for symbol, library in image.origins.items():
                if library == "" and is_python_symbol(symbol):
                    is_missing = not (symbol in exports or all(api.provides(symbol) for api in apis))
                elif library == "":
                    is_missing = is_known and symbol not in exports and not is_macos_symbol(symbol)
                else:
                    is_missing = library in loaded and not _exports(contents, loaded[library], image.cpu, symbol)
                missing |= {symbol} if is_missing and symbol not in image.weak else set()
        yield from _describe(path, missing)


def _exports(contents: WheelContents, path: str, cpu: str, symbol: str) -> bool:
    """Return whether a library may export a symbol on an architecture; one that exports other libraries' symbols may."""
    if path not in contents.machos:
        return True
    images: list[MachoImage] = [image for image in contents.machos[path].images if image.cpu == cpu]
    return not images or any(image.reexports or symbol in image.exports for image in images)


def check_pe_symbols(contents: WheelContents) -> Iterator[Finding]:
    """Find functions that a DLL of the wheel or the Python of the tags does not export."""
    exports: dict[str, set[str]] = {}
    for path, pe in contents.pes.items():
        exports.setdefault(posixpath.basename(path).lower(), set()).update(pe.exports)
    unread = {posixpath.basename(path).lower() for path in contents.unread}
    for path, pe in contents.pes.items():
        missing: set[str] = set()
        for library, symbols in pe.imports.items():
            named = [symbol for symbol in symbols if not symbol.startswith("number ")]
            if library in exports and library not in unread:
                missing |= set(named) - exports[library]
            elif PYTHON_DLL.fullmatch(library):
                apis = list_python_apis(contents, path)
                missing |= {symbol for symbol in named if not all(api.provides(symbol) for api in apis)}
        yield from _describe(path, missing)


def _describe(path: str, missing: set[str]) -> Iterator[Finding]:
    if missing:
        count = "a symbol" if len(missing) == 1 else f"{len(missing)} symbols"
        message = f"needs {count} that neither the wheel nor Python provides"
        rest = len(missing) - _MAX_SYMBOLS
        evidence = (*sorted(missing)[:_MAX_SYMBOLS], *([f"and {rest} more"] if rest > 0 else []))
        yield Finding(check="undefined", file=path, message=message, evidence=evidence)
