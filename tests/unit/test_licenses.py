"""Licence expressions: joined, taken apart and compared."""

from __future__ import annotations

import doctest

import everywheel.wheels.spdx
import pytest
from everywheel.wheels.spdx import check_expression, combine_expressions, find_uncovered, split_expression


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(everywheel.wheels.spdx).failed == 0


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("MIT", ("MIT",)),
        ("(MIT)", ("MIT",)),
        ("MIT AND Zlib AND MIT", ("MIT", "Zlib", "MIT")),
        ("MIT AND (Zlib AND (BSD-3-Clause OR ISC))", ("MIT", "Zlib", "BSD-3-Clause OR ISC")),
        ("MIT AND Zlib OR ISC", ("MIT AND Zlib OR ISC",)),
        ("GPL-2.0-or-later WITH GCC-exception-3.1 AND MIT", ("GPL-2.0-or-later WITH GCC-exception-3.1", "MIT")),
    ],
)
def test_an_expression_is_split_at_its_top_level(expression: str, parts: tuple[str, ...]) -> None:
    assert split_expression(expression) == parts


def test_a_combined_expression_names_each_licence_once_and_brackets_alternatives() -> None:
    combined = combine_expressions(["mit", "Apache-2.0 or mit", "Zlib AND MIT", "Apache-2.0 OR MIT"])

    assert combined == "MIT AND (Apache-2.0 OR MIT) AND Zlib"


def test_an_expression_alone_is_not_bracketed() -> None:
    assert combine_expressions(["MIT OR Apache-2.0"]) == "MIT OR Apache-2.0"


@pytest.mark.parametrize("expression", ["", "Nonsense-1.0", "MIT AND", "(MIT", "MIT Zlib"])
def test_what_is_no_expression_is_refused(expression: str) -> None:
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
def test_what_an_expression_does_not_cover_is_named(whole: str, part: str, missing: tuple[str, ...]) -> None:
    assert find_uncovered(whole, part) == missing
