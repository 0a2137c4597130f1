"""Strict reading of TOML tables: every key has a type, and an unknown key is an error with a suggestion."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from everywheel.errors import UsageError

_TYPES = {str: "a string", bool: "true or false", int: "a whole number", list: "an array", dict: "a table"}
_EXAMPLES = {
    str: '`{key} = "…"`',
    bool: "`{key} = true`",
    int: "`{key} = 1`",
    list: '`{key} = ["…"]`',
    dict: '`{key} = {{ name = "…" }}`',
}
_QUOTE = "put it between quotes"


class Table:
    """One TOML table.

    Each method that reads a key raises UsageError when the value has another type, and when the key is missing and has no
    default (`...` means no default).
    """

    def __init__(self, data: Mapping[str, Any], file: Path, path: str = "") -> None:
        self._data = dict(data)
        self._read: set[str] = set()
        self.file = file
        self.path = path

    @property
    def location(self) -> str:
        """The file and the table as error messages name them: `recipes/zlib/recipe.toml: [source]`."""
        return f"{self.file}: [{self.path}]" if self.path else str(self.file)

    def _get(self, key: str, kind: type, default: Any) -> Any:
        self._read.add(key)
        if key not in self._data:
            if default is ...:
                raise UsageError(f"{self.location}: '{key}' is missing", hint=f"add `{key} = …` ({_TYPES[kind]})")
            return default
        value = self._data[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            actual = next((name for t, name in _TYPES.items() if isinstance(value, t)), type(value).__name__)
            raise UsageError(
                f"{self.location}: '{key}' must be {_TYPES[kind]}, not {actual}",
                details={"value": value},
                hint=f"write {_EXAMPLES[kind].format(key=key)}",
            )
        return value

    def text(self, key: str, default: Any = ...) -> str:
        """Return a string."""
        return self._get(key, str, default)  # type: ignore[no-any-return]

    def flag(self, key: str, default: Any = ...) -> bool:
        """Return a boolean."""
        return self._get(key, bool, default)  # type: ignore[no-any-return]

    def texts(self, key: str, default: Any = ()) -> tuple[str, ...]:
        """Return an array of strings."""
        values = self._get(key, list, default)
        for value in values:
            if not isinstance(value, str):
                raise UsageError(
                    f"{self.location}: '{key}' must be an array of strings", details={"value": value}, hint=_QUOTE
                )
        return tuple(values)

    def text_map(self, key: str) -> dict[str, str]:
        """Return a table of strings."""
        table = self._get(key, dict, {})
        for name, value in table.items():
            if not isinstance(value, str):
                raise UsageError(
                    f"{self.location}: '{key}.{name}' must be a string", details={"value": value}, hint=_QUOTE
                )
        return dict(table)

    def text_lists(self, key: str) -> dict[str, tuple[str, ...]]:
        """Return a table of arrays of strings."""
        sub = self.table(key, {})
        return {name: sub.texts(name) for name in sub}

    def scalars(self, key: str) -> dict[str, str | bool | int]:
        """Return a table of strings, booleans and whole numbers."""
        table = self._get(key, dict, {})
        for name, value in table.items():
            if not isinstance(value, str | bool | int):
                raise UsageError(
                    f"{self.location}: '{key}.{name}' must be a string, a number, true or false",
                    details={"value": value},
                    hint=_QUOTE,
                )
        return dict(table)

    def table(self, key: str, default: Any = ...) -> Table:
        """Return a table (`[key]`)."""
        data = self._get(key, dict, default)
        return Table(data, self.file, f"{self.path}.{key}" if self.path else key)

    def tables(self, key: str) -> tuple[Table, ...]:
        """Return an array of tables (`[[key]]`)."""
        values = self._get(key, list, [])
        path = f"{self.path}.{key}" if self.path else key
        for value in values:
            if not isinstance(value, dict):
                raise UsageError(f"{self.location}: '{key}' must be an array of tables", hint=f"write [[{path}]]")
        return tuple(Table(value, self.file, path) for value in values)

    def table_or_tables(self, key: str) -> tuple[Table, ...]:
        """Return the tables of a non-empty array of tables, or a single table as a tuple of length 1."""
        if isinstance(self._data.get(key), list) and self._data[key]:
            return self.tables(key)
        return (self.table(key),)

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def has(self, key: str) -> bool:
        """Return whether the table contains a key, without reading it."""
        return key in self._data

    def reject_unknown_keys(self) -> None:
        """Raise UsageError for the first key that no method has read."""
        for key in self._data:
            if key not in self._read:
                close = difflib.get_close_matches(key, sorted(self._read), 1)
                raise UsageError(
                    f"{self.location}: unknown key '{key}'",
                    hint=f"did you mean '{close[0]}'?" if close else f"known keys: {', '.join(sorted(self._read))}",
                )


def read_toml(path: Path, hint: str | None = None) -> Table:
    """Read a TOML file; raise UsageError when it does not exist (with `hint`) or is not TOML."""
    try:
        return Table(tomllib.loads(path.read_text(encoding="utf-8")), path)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file", hint=hint) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path}: not valid TOML",
            details={"reason": error},
            hint="correct the line; https://toml.io describes the format",
        ) from None
