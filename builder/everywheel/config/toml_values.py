"""Values of TOML files in messages: their types and texts in TOML's terms, and how to write a value of another type."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from types import MappingProxyType

_TYPES = {str: "a string", bool: "true or false", int: "a whole number", list: "an array", dict: "a table"}
_OTHER_TYPES = {float: "a floating-point number", datetime: "a date and time", date: "a date", time: "a time"}
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_FLAGS = MappingProxyType(
    {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
)
# Tables that are written in one line: below a header, they would contain the keys that follow.
_INLINE_TABLES: Mapping[str, str] = MappingProxyType(
    {
        "license": '`license = { spdx = "MIT", files = ["LICENSE"] }`',
        "debian": '`debian = { package = "…", file = "…" }`',
        "when": '`when = { os = "linux" }`',
        "options": '`options = { NAME = "…" }`',
        "sonames": '`sonames = { NAME = "libNAME.so.1" }`',
        "headers": '`headers = { "FOLDER" = "include" }`',
        "environment": '`environment = { NAME = "…" }`',
        "config-settings": '`config-settings = { NAME = "…" }`',
        "data": '`data = { "PATH/IN/THE/WHEEL" = "PATH/IN/THE/PREFIX" }`',
        "features": "`[features.NAME]`, and its keys in the lines after it",
        "profiles": '`profiles = { NAME = "…" }`',
    }
)


class WrittenFloat(float):
    """A floating-point number with the text of the file: the version 1.10 is another one than 1.1."""

    def __init__(self, text: str) -> None:
        self.text = text


def name_type(kind: type) -> str:
    """Return the name of a type with its article."""
    return {**_TYPES, **_OTHER_TYPES}[kind]


def describe_type(value: object) -> str:
    """Return the name of the type of a value with its article."""
    return next(name for kind, name in {**_TYPES, **_OTHER_TYPES}.items() if isinstance(value, kind))


def render_value(value: object) -> str:
    """Return a value as TOML; tables and arrays are in one line."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=False)
        case WrittenFloat():
            return value.text
        case date() | time():
            return value.isoformat()
        case list():
            return f"[{', '.join(map(render_value, value))}]"
        case dict():
            pairs = (f"{_render_key(key)} = {render_value(item)}" for key, item in value.items())
            return f"{{ {', '.join(pairs)} }}" if value else "{}"
    return str(value)


def _render_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def show_example(key: str, path: str, kind: type, value: object = None) -> str:
    """Return how to write a key of a type: with what `value` means in this type, if it means anything."""
    if kind is dict:
        return _INLINE_TABLES.get(key, f"`[{path}]`, and its keys in the lines after it")
    meant = _convert(value, kind)
    default = {str: '"…"', bool: "true", int: "1", list: '["…"]'}[kind]
    return f"`{_render_key(key)} = {default if meant is None else render_value(meant)}`"


def _convert(value: object, kind: type) -> object:
    """Return the value of a type that a value of another type means, or None."""
    if kind is str:
        return _as_text(value)
    if kind is list and isinstance(value, str):
        return [value]
    if kind is bool and isinstance(value, str | int):
        return _FLAGS.get(str(value).lower())
    if kind is int and isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value):
        return int(value)
    return None


def _as_text(value: object) -> str | None:
    match value:
        case [str() as text]:
            return text
        case bool() | int() | float() | date() | time():
            return render_value(value)
    return None


def quote_hint(value: object) -> str:
    """Return the hint for a value that must be a string."""
    text = None if isinstance(value, list) else _as_text(value)
    return 'write a string, such as `"…"`' if text is None else "put it between quotes"


def scalar_hint(name: str, value: object) -> str:
    """Return the hint for an option that must be a string, a number, true or false."""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        cmake, meson = (show_example(name, name, str, [mark.join(value)]) for mark in ";,")
        return f"write one string: {cmake} for CMake, {meson} for Meson"
    return quote_hint(value)
