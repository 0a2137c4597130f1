"""License expressions: combined and compared."""

from __future__ import annotations

import doctest

import everywheel.wheels.spdx
import pytest
from everywheel.wheels.spdx import check_expression, combine_expressions, find_uncovered


def test_the_examples_in_the_docstrings_are_correct() -> None:
    result = doctest.testmod(everywheel.wheels.spdx)

    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    ("expression", "combined"),
    [
        ("MIT", "MIT"),
        ("(MIT)", "MIT"),
        ("MIT AND Zlib AND MIT", "MIT AND Zlib"),
        ("MIT AND (Zlib AND (BSD-3-Clause OR ISC))", "MIT AND Zlib AND (BSD-3-Clause OR ISC)"),
        ("MIT AND Zlib OR ISC", "(MIT AND Zlib) OR ISC"),
        ("MIT AND (Zlib OR ISC) AND (ISC OR Zlib)", "MIT AND (Zlib OR ISC)"),
        ("GPL-2.0-or-later WITH GCC-exception-3.1 AND MIT", "GPL-2.0-or-later WITH GCC-exception-3.1 AND MIT"),
    ],
)
def test_an_expression_is_split_at_its_top_level(expression: str, combined: str) -> None:
    assert combine_expressions([expression]) == combined


def test_a_combined_expression_names_each_license_once_with_parentheses_around_alternatives() -> None:
    combined = combine_expressions(["mit", "Apache-2.0 or mit", "Zlib AND MIT", "Apache-2.0 OR MIT"])

    assert combined == "MIT AND (Apache-2.0 OR MIT) AND Zlib"


def test_a_single_expression_has_no_parentheses() -> None:
    assert combine_expressions(["MIT OR Apache-2.0"]) == "MIT OR Apache-2.0"


@pytest.mark.parametrize("expression", ["", "Nonsense-1.0", "MIT AND", "(MIT", "MIT Zlib", "MIT OR"])
def test_an_invalid_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_expression(expression)


@pytest.mark.parametrize(
    ("whole", "part", "missing"),
    [
        ("MIT AND Zlib", "Zlib", ()),
        ("MIT AND Zlib", "Zlib AND libtiff", ("libtiff",)),
        ("MIT AND LGPL-2.1-or-later", "MPL-1.1 OR LGPL-2.1-or-later", ()),
        ("MIT AND (MPL-1.1 OR LGPL-2.1-or-later)", "MPL-1.1 OR LGPL-2.1-or-later", ()),
        ("MIT", "MPL-1.1 OR LGPL-2.1-or-later", ("MPL-1.1 OR LGPL-2.1-or-later",)),
        ("MIT AND Zlib", "(MIT AND Zlib) OR ISC", ()),
        ("MIT OR Zlib", "MIT", ("MIT",)),
    ],
)
def test_licenses_that_an_expression_does_not_cover_are_returned(
    whole: str, part: str, missing: tuple[str, ...]
) -> None:
    assert find_uncovered(whole, part) == missing
