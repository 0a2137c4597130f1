"""The license of an extension as an SPDX expression, from metadata of any age."""

from __future__ import annotations

import pytest
from everywheel.wheels.own_license import find_license_text, find_own_license
from packaging.metadata import RawMetadata

OSI = "License :: OSI Approved :: "


@pytest.mark.parametrize(
    ("metadata", "expression"),
    [
        ({"license_expression": "mit or apache-2.0", "license": "other"}, "MIT OR Apache-2.0"),
        ({"license": "bsd-3-clause"}, "BSD-3-Clause"),
        ({"license": "MIT License"}, "MIT"),
        ({"license": "The Apache License, 2.0"}, "Apache-2.0"),
        ({"license": "UNKNOWN", "classifiers": [f"{OSI}MIT License"]}, "MIT"),
        ({"classifiers": ["License :: OSI Approved", f"{OSI}zlib/libpng License"]}, "Zlib"),
        ({"classifiers": [f"{OSI}BSD License"]}, "LicenseRef-my-name"),
        ({"classifiers": [f"{OSI}MIT License", f"{OSI}Apache Software License"]}, "LicenseRef-my-name"),
        ({"license": "Copyright 2010 Pallets\n\n        Redistribution and use"}, "LicenseRef-my-name"),
        ({}, "LicenseRef-my-name"),
    ],
)
def test_the_license_is_that_of_the_metadata_if_it_states_one(metadata: RawMetadata, expression: str) -> None:
    assert find_own_license({"name": "my_name", **metadata}) == expression


def test_a_text_is_kept_and_a_name_is_not_a_text() -> None:
    assert (
        find_license_text({"license": "Copyright\n        \n        Redistribution"}) == "Copyright\n\nRedistribution\n"
    )
    assert find_license_text({"license": "MIT License\n"}) == ""
