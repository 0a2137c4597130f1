"""Licence expressions (SPDX, PEP 639): joined, taken apart, and compared."""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

_WORD = re.compile(r"[()]|[^()\s]+")


def check_expression(expression: str) -> str:
    """Return an expression in its canonical spelling; raise ValueError, with the reason, when it is not valid."""
    try:
        return str(canonicalize_license_expression(expression))
    except InvalidLicenseExpression as error:
        raise ValueError(str(error)) from None


def split_expression(expression: str, joint: str = "AND") -> tuple[str, ...]:
    """Return what an expression joins by AND (or by OR) at its top level, without brackets that add nothing.

    >>> split_expression("MIT AND (Zlib AND (Apache-2.0 OR BSD-2-Clause))")
    ('MIT', 'Zlib', 'Apache-2.0 OR BSD-2-Clause')
    """
    words = _WORD.findall(_unwrap(expression))
    parts: list[list[str]] = [[]]
    depth = 0
    for word in words:
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth == 0 and word == joint:
            parts.append([])
        elif depth == 0 and word == "OR":  # AND binds tighter: what holds an OR at its top level joins nothing by AND
            return (_unwrap(expression),)
        else:
            parts[-1].append(word)
    if len(parts) == 1:
        return (_join_words(words),)
    return tuple(part for words in parts for part in split_expression(_join_words(words), joint))


def _unwrap(expression: str) -> str:
    """Drop brackets round the whole expression."""
    words = _WORD.findall(expression)
    while words and words[0] == "(" and _closing(words) == len(words) - 1:
        words = words[1:-1]
    return _join_words(words)


def _closing(words: list[str]) -> int:
    depth = 0
    for place, word in enumerate(words):
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth == 0:
            return place
    return -1


def _join_words(words: Iterable[str]) -> str:
    return " ".join(words).replace("( ", "(").replace(" )", ")")


def combine_expressions(expressions: Iterable[str]) -> str:
    """Return the expression of a work that is under all of these at once; what stands in several of them stands once.

    Raises ValueError when one of them is not valid.

    >>> combine_expressions(["MIT", "Apache-2.0 OR BSD-2-Clause", "MIT AND Zlib"])
    'MIT AND (Apache-2.0 OR BSD-2-Clause) AND Zlib'
    """
    parts = dict.fromkeys(part for text in expressions for part in split_expression(check_expression(text)))
    bracketed = [f"({part})" if " OR " in part and len(parts) > 1 else part for part in parts]
    return check_expression(" AND ".join(bracketed))


def find_uncovered(expression: str, part: str) -> tuple[str, ...]:
    """Return the licences that `part` asks for and `expression` does not name; one branch of an OR is enough.

    Raises ValueError when one of them is not valid.
    """
    named = set(split_expression(check_expression(expression)))
    missing = []
    for operand in split_expression(check_expression(part)):
        branches = split_expression(operand, "OR") if " OR " in operand else ()
        if operand not in named and not any(set(split_expression(branch)) <= named for branch in branches):
            missing.append(operand)
    return tuple(missing)
