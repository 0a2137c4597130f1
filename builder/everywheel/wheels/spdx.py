"""License expressions (SPDX, PEP 639): validated, combined and compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from license_expression import Licensing
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

# Used for parsing only. The list of identifiers, and their canonical spelling, come from packaging, as in PEP 639.
_LICENSING = Licensing()


def check_expression(expression: str) -> str:
    """Return the canonical spelling of an expression; raise ValueError, with the reason, when it is not valid."""
    try:
        return str(canonicalize_license_expression(expression))
    except InvalidLicenseExpression as error:
        raise ValueError(str(error)) from None


def _split(expression: str) -> Iterator[Any]:
    """Yield the operands that an expression combines with AND; raise ValueError when it is not valid."""
    yield from _list_operands(_LICENSING.parse(check_expression(expression)), _LICENSING.AND)


def _list_operands(expression: Any, operator: type[Any]) -> Iterator[Any]:
    if isinstance(expression, operator):
        for operand in expression.args:
            yield from _list_operands(operand, operator)
    else:
        yield expression


def combine_expressions(expressions: Iterable[str]) -> str:
    """Return the expression for a work to which all of the expressions apply: their operands joined by AND, each once.

    Raises ValueError when an expression is not valid.

    >>> combine_expressions(["MIT", "Apache-2.0 OR BSD-2-Clause", "MIT AND Zlib"])
    'MIT AND (Apache-2.0 OR BSD-2-Clause) AND Zlib'
    """
    operands = list(dict.fromkeys(operand for text in expressions for operand in _split(text)))
    combined = operands[0] if len(operands) == 1 else _LICENSING.AND(*operands)
    return check_expression(combined.render())


def find_uncovered(expression: str, part: str) -> tuple[str, ...]:
    """Return the operands of the AND in `part` that `expression` does not contain; of an OR, one branch is enough.

    Raises ValueError when an expression is not valid.
    """
    named = set(_split(expression))
    missing = []
    for operand in _split(part):
        branches = list(_list_operands(operand, _LICENSING.OR))
        covered = any(set(_list_operands(branch, _LICENSING.AND)) <= named for branch in branches)
        if operand not in named and not covered:
            missing.append(operand.render())
    return tuple(missing)
