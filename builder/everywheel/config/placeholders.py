"""Placeholders: names in braces in the arguments and options of builds with make, such as `{prefix}`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

PLACEHOLDERS = ("prefix", "host", "build", "stage")
"""The names of all placeholders."""
# Variables of shells and makefiles, `${prefix}`, and of CMake, `$ENV{HOME}`, are not placeholders.
_PLACEHOLDER = re.compile(r"(?<!\$)(?<!\$ENV)\{([A-Za-z_]\w*)\}")


def list_placeholders(text: str) -> Iterator[str]:
    """Yield the names in braces in a text."""
    yield from _PLACEHOLDER.findall(text)


def fill_arguments(text: str, values: Mapping[str, str]) -> str:
    """Return a text with the values of its placeholders."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)
