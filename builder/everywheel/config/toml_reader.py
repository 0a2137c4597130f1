"""Strict reading of TOML tables: every key has a type, and an unknown key is an error with a suggestion."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from everywheel.config.known_keys import KnownKeys, explain_unknown_key
from everywheel.config.suggestions import find_similar
from everywheel.config.text_rules import TextRule
from everywheel.config.toml_values import (
    WrittenFloat,
    describe_type,
    name_type,
    quote_hint,
    render_value,
    scalar_hint,
    show_example,
)
from everywheel.errors import UsageError
from everywheel.execution.input_files import NotUtf8, TooLarge, UnusableFile, read_text

_CORRECT = "correct the line; https://toml.io describes the format"
_SAVE_AS_UTF_8 = "save it as UTF-8 without a byte order mark"
_LARGEST_FILE = 1 << 20  # bytes; the largest pyproject.toml files have a tenth of it
_DEEPEST = 32  # tables and arrays in each other
# tomllib needs time and memory that grow with the square of the number of parts of a key.
_LONG_KEY = re.compile(
    r"""(?<![\w-])(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')(?:[ \t]*+\.[ \t]*+(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')){32}"""
)


class Table:
    """One TOML table.

    Each method that reads a key raises UsageError when the value has another type, and when the key is missing and has no
    default (`...` means no default).
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        file: Path,
        path: str = "",
        options: Mapping[str, Any] | None = None,
        label: str = "",
    ) -> None:
        self._options = dict(options or {})
        self._data = {**data, **self._options}
        self._read: set[str] = set()
        self._label = label or (f"[{path}]" if path else "")
        self.file = file
        self.path = path

    @property
    def location(self) -> str:
        """The file and the table as error messages name them: `recipes/zlib/recipe.toml: [[source.patches]] 2`."""
        return f"{self.file}: {self._label}" if self._label else str(self.file)

    def _make_child(self, key: str, data: Mapping[str, Any], number: int = 0) -> Table:
        """Return a table in this one; tables of arrays have numbers, which begin with 1, and so have the tables in them."""
        path = self.join(key)
        label = f"[[{path}]] {number}" if number else f"[{path}]"
        return Table(data, self.file, path, label=f"{label} of {self._label}" if "[[" in self._label else label)

    def join(self, key: str) -> str:
        """Return the path of a key in the file."""
        return f"{self.path}.{key}" if self.path else key

    def describe(self, key: str) -> str:
        """Return a key as error messages name it: with file and table, or as the option that replaces its value."""
        return f"--{key}" if key in self._options else f"{self.location}: '{key}'"

    def _get(self, key: str, kind: type, default: Any) -> Any:
        self._read.add(key)
        if key not in self._data:
            if default is ...:
                example = (
                    show_example(key, self.join(key), kind) if kind is dict else f"`{key} = …` ({name_type(kind)})"
                )
                raise UsageError(f"{self.location}: '{key}' is missing", hint=f"add {example}")
            return default
        value = self._data[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise UsageError(
                f"{self.describe(key)} must be {name_type(kind)}, not {describe_type(value)}",
                details={"value": render_value(value)},
                hint=f"write {show_example(key, self.join(key), kind, value)}",
            )
        return value

    def text(self, key: str, default: Any = ..., rule: TextRule | None = None) -> str:
        """Return a string; the default need not follow the rule."""
        value = self._get(key, str, default)
        if key in self._data:
            self._check(key, rule, value)
        return value  # type: ignore[no-any-return]

    def _check(self, key: str, rule: TextRule | None, *values: str) -> None:
        for value in values:
            if rule is not None and not rule.accepts(value):
                raise UsageError(
                    f"{self.describe(key)} must be {rule.description}",
                    details={"value": repr(value)},
                    hint=rule.hint,
                )

    def number(self, key: str) -> int:
        """Return an integer."""
        value = self._get(key, int, ...)
        assert isinstance(value, int)
        return value

    def flag(self, key: str, default: Any = ...) -> bool:
        """Return a boolean."""
        return self._get(key, bool, default)  # type: ignore[no-any-return]

    def texts(self, key: str, default: Any = (), rule: TextRule | None = None) -> tuple[str, ...]:
        """Return an array of strings, each of which follows the rule."""
        values = self._get(key, list, default)
        for value in values:
            if not isinstance(value, str):
                raise UsageError(
                    f"{self.location}: '{key}' must be an array of strings",
                    details={"value": render_value(value)},
                    hint=quote_hint(value),
                )
        self._check(key, rule, *values)
        return tuple(values)

    def text_or_texts(self, key: str) -> tuple[str, ...]:
        """Return a string as a tuple of length 1, or an array of strings."""
        return (self.text(key),) if isinstance(self._data.get(key), str) else self.texts(key)

    def text_map(self, key: str, rule: TextRule | None = None) -> dict[str, str]:
        """Return a table of strings; names and values follow the rule."""
        table = self._get(key, dict, {})
        for name, value in table.items():
            if not isinstance(value, str):
                raise UsageError(
                    f"{self.location}: '{key}.{name}' must be a string",
                    details={"value": render_value(value)},
                    hint=quote_hint(value),
                )
            self._check(key, rule, name, value)
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
                    details={"value": render_value(value)},
                    hint=scalar_hint(name, value),
                )
        return dict(table)

    def table(self, key: str, default: Any = ...) -> Table:
        """Return a table (`[key]`)."""
        return self._make_child(key, self._get(key, dict, default))

    def tables(self, key: str) -> tuple[Table, ...]:
        """Return an array of tables (`[[key]]`)."""
        self._read.add(key)
        values = self._data.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            actual = "" if isinstance(values, list) else f", not {describe_type(values)}"
            raise UsageError(
                f"{self.location}: '{key}' must be an array of tables{actual}", hint=f"write `[[{self.join(key)}]]`"
            )
        return tuple(self._make_child(key, value, number) for number, value in enumerate(values, 1))

    def texts_or_tables(self, key: str) -> tuple[str | Table, ...]:
        """Return the texts and tables of a non-empty array, or a single table as a tuple of length 1."""
        if self._data.get(key) in (None, []) or isinstance(self._data[key], dict):
            return (self.table(key),)
        for value in (values := self._get(key, list, ...)):
            if not isinstance(value, str | dict):
                raise UsageError(
                    f"{self.location}: '{key}' must be an array of strings and tables",
                    details={"value": render_value(value)},
                    hint=quote_hint(value),
                )
        return tuple(
            value if isinstance(value, str) else self._make_child(key, value, number)
            for number, value in enumerate(values, 1)
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def replace(self, values: Mapping[str, Any]) -> Table:
        """Return the table with other values for some keys, those of the command line's options."""
        return Table(self._data, self.file, self.path, values)

    def has(self, key: str) -> bool:
        """Return whether the table contains a key; a caller that checks for a key also reads it."""
        self._read.add(key)
        return key in self._data

    def value(self, key: str) -> object:
        """Return the value of a key of any type."""
        return self._data[key]

    def check_keys(self, known: KnownKeys, table: str = "") -> None:
        """Raise UsageError for the first key that is not one of those of a table: it may be a misspelled required key."""
        root = self.path.removesuffix(table).rstrip(".") if "*" not in table else ""
        for key in self._data:
            if key not in known[table]:
                raise UsageError(
                    f"{self.location}: unknown key '{key}'", hint=explain_unknown_key(key, table, known, root)
                )

    def reject_unknown_keys(self) -> None:
        """Raise UsageError for the first key that no method has read."""
        for key in self._data:
            if key not in self._read:
                close = find_similar(key, self._read)
                raise UsageError(
                    f"{self.location}: unknown key '{key}'",
                    hint=f"did you mean '{close}'?" if close else f"known keys: {', '.join(sorted(self._read))}",
                )


def read_toml(path: Path, hint: str | None = None) -> Table:
    """Read a TOML file of at most 1 MiB.

    Raises UsageError, which names the file, when it does not exist (with `hint`), cannot be read, is not TOML in UTF-8, or
    is nested so deeply that no program could use it.
    """
    try:
        text = read_text(path, _LARGEST_FILE)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file", hint=hint) from None
    except UnusableFile as error:
        raise UsageError(str(error), hint=_hint_for(error)) from None
    try:
        if text.startswith("\ufeff"):
            raise _report_invalid(path, "it begins with a byte order mark", _SAVE_AS_UTF_8)
        if _LONG_KEY.search(text):
            raise ValueError("a key has more than 32 parts")
        data = tomllib.loads(text, parse_float=WrittenFloat)
        _check_values(data)
    except RecursionError:
        raise _report_invalid(path, f"it is nested more than {_DEEPEST} deep") from None
    except ValueError as error:
        raise _report_invalid(path, error) from None
    return Table(data, path)


def _hint_for(error: UnusableFile) -> str:
    match error:
        case NotUtf8():
            return _SAVE_AS_UTF_8
        case TooLarge():
            return "shorten it: recipes and settings have a few KiB"
    return "replace it by a TOML file in UTF-8 that you can read"


def _report_invalid(path: Path, reason: object, hint: str = _CORRECT) -> UsageError:
    return UsageError(f"{path}: not valid TOML", details={"reason": reason}, hint=hint)


def _check_values(data: object) -> None:
    """Raise RecursionError for values that are nested too deeply, ValueError for NUL, which no path or argument can have."""
    level = [data]
    for _ in range(_DEEPEST):
        tables = [value for value in level if isinstance(value, dict)]
        texts = [value for value in level if isinstance(value, str)] + [key for table in tables for key in table]
        for text in texts:
            if "\0" in text:
                raise ValueError(f"{text!r} contains the character NUL")
        arrays = [value for value in level if isinstance(value, list)]
        level = [value for table in tables for value in table.values()] + [value for array in arrays for value in array]
    if level:
        raise RecursionError
