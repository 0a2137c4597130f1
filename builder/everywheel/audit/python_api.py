"""The functions and data of Python that a file in a wheel may use: those of each Python that the tags name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from abi3info import DATAS, FUNCTIONS

from everywheel.audit.wheel_contents import MODULE_SUFFIX, WheelContents
from everywheel.platforms.symbol_lists import load_python_symbols

# The prefixes of all symbols of CPython and PyPy.
_PREFIX = re.compile(r"_?Py|pypy_|PY_TIMEOUT_MAX$")
_CPYTHON = re.compile(r"cp(?P<major>3)(?P<minor>\d+)t?")


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonApi:
    """The symbols of one Python; `symbols` is None for a Python without a list, such as PyPy."""

    name: str
    symbols: frozenset[str] | None

    def provides(self, symbol: str) -> bool:
        """Return whether the Python exports a symbol, or may export it if there is no list."""
        return is_python_symbol(symbol) if self.symbols is None else symbol in self.symbols


def is_python_symbol(symbol: str) -> bool:
    """Return whether a symbol has a prefix that is reserved for Python."""
    return _PREFIX.match(symbol) is not None


def list_python_apis(contents: WheelContents, path: str) -> tuple[PythonApi, ...]:
    """Return the Pythons that load a file: that of its name, or else those of the wheel's tags.

    For a module of the stable ABI there is none: the check `abi3` compares its symbols.
    """
    match = MODULE_SUFFIX.search(path)
    if match is not None and (version := match["version"] or match["pyd_version"]):
        return (_load_api(f"cp{version}"),)
    if contents.is_stable_abi and path in contents.modules:
        return ()
    pythons, abis = contents.wheel.python.split("."), contents.wheel.abi.split(".")
    if any(abi.startswith("abi3") for abi in abis):
        return tuple(dict.fromkeys(map(load_stable_api, pythons)))
    return tuple(dict.fromkeys(map(_load_api, pythons if "none" in abis else abis)))


@cache
def _load_api(tag: str) -> PythonApi:
    version = _parse_version(tag)
    return PythonApi(name=tag, symbols=load_python_symbols(version) or None if version else None)


@cache
def load_stable_api(tag: str) -> PythonApi:
    """Return the stable ABI of a Python tag such as `cp311`."""
    version = _parse_version(tag)
    tables = (FUNCTIONS, DATAS)
    symbols = frozenset(
        symbol.name
        for table in tables
        for symbol, entry in table.items()
        if version and (entry.added.major, entry.added.minor) <= version
    )
    return PythonApi(name=f"the stable ABI of {tag}", symbols=symbols or None)


def _parse_version(tag: str) -> tuple[int, int] | None:
    match = _CPYTHON.fullmatch(tag)
    return (int(match["major"]), int(match["minor"])) if match is not None else None
